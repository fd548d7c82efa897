"""The numbers that each figure of a run shows; :mod:`elsa_groups.report.figures.run` draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One distribution in a histogram.

    Attributes
    ----------
    counts : NDArray[np.int64], shape (n_bins,)
        Groups in each bin.
    mean : float
        Mean over the groups.
    """

    counts: NDArray[np.int64]
    mean: float

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class Histogram:
    """Distribution of the group similarity of a type beside random groups.

    Attributes
    ----------
    key : str
        The group type.
    edges : NDArray[np.float64], shape (n_bins + 1,)
        Bin edges, the same for all group types of a run; the last bin is closed. Both thresholds are
        among them, the divergent one as the next larger number, so that values equal to it are below.
    groups, random : Series
        Group similarity of the type and of random groups.
    similar, divergent : float
        Thresholds.
    within, across : Series or None
        Mean similarity of a group's pairs inside subgroups and between them, where there are such pairs.
    """

    key: str
    edges: Floats
    groups: Series
    random: Series
    similar: float
    divergent: float
    within: Series | None = None
    across: Series | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, for JSON: all that the figure is drawn from."""
        named = {"": self.groups, "random_": self.random, "within_": self.within, "across_": self.across}
        series = {name: s for name, s in named.items() if s is not None}
        return {
            "key": self.key,
            "edges": self.edges.tolist(),
            **{f"{name}counts": s.counts.tolist() for name, s in series.items()},
            **{f"{name}mean": s.mean for name, s in series.items()},
            "thresholds": {"similar": self.similar, "divergent": self.divergent},
        }


@dataclass(frozen=True)
class PairSimilarities:
    """Similarity of pairs of users over bins.

    Attributes
    ----------
    edges : NDArray[np.float64], shape (n_bins + 1,)
        Bin edges, of which both thresholds are two; see :func:`bin_edges`.
    counts : NDArray[np.int64], shape (n_bins,)
        Pairs looked at in each bin; the last one is closed.
    n_users : int
        Users whose pairs they are.
    mean : float
        Mean over the pairs looked at.
    similar, divergent : float
        Thresholds.
    similar_share, divergent_share : float
        Share of the pairs looked at from ``similar`` up, and from ``divergent`` down.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    n_users: int
    mean: float
    similar: float
    divergent: float
    similar_share: float
    divergent_share: float

    @property
    def n_seen(self) -> int:
        """Number of pairs looked at."""
        return int(self.counts.sum())

    @property
    def seen(self) -> str:
        """Which pairs were looked at, in words."""
        if self.n_seen == self.n_users * (self.n_users - 1) // 2:
            return f"all {self.n_seen:,} pairs" if self.n_seen > 1 else "the only pair"
        return f"{self.n_seen:,} random pairs"


@dataclass(frozen=True)
class Spread:
    """Where the groups of each type lie.

    Attributes
    ----------
    low, mean, high : Floats, shape (n_types,)
        Quantile 0.05, mean and quantile 0.95 over the groups of a type; NaN where there is nothing.
    """

    low: Floats
    mean: Floats
    high: Floats

    @classmethod
    def of(cls, values: Sequence[Floats]) -> "Spread":
        """Return the spread of one array a group type; one of NaN has nothing."""
        found = [
            (*np.quantile(v, [0.05, 0.95]), v.mean()) if len(v) else (np.nan,) * 3
            for v in (v[~np.isnan(v)] for v in values)
        ]
        low, high, mean = np.array(found, np.float64).T
        return cls(low, mean, high)

    @property
    def is_there(self) -> bool:
        """Whether any group type has any."""
        return not bool(np.isnan(self.mean).all())


@dataclass(frozen=True)
class Marks:
    """One kind of marks in all rows.

    Attributes
    ----------
    label : str
        In the legend.
    heading : str
        Above the column of means on the right.
    spread : Spread
        Where they are.
    color, marker : str
        How they look.
    hollow : bool
        Whether they are empty.
    """

    label: str
    heading: str
    spread: Spread
    color: str
    marker: str = "o"
    hollow: bool = False


@dataclass(frozen=True)
class Rows:
    """All rows.

    Attributes
    ----------
    names : tuple of str
        Of the group types, the first on top.
    random : Spread
        Of random groups of the same size.
    marks : tuple of Marks
        One or two kinds.
    notes : tuple of str
        A last column of texts; empty for none.
    heading : str
        Above it.
    """

    names: tuple[str, ...]
    random: Spread
    marks: tuple[Marks, ...]
    notes: tuple[str, ...] = ()
    heading: str = ""

    @property
    def columns(self) -> list[tuple[str, list[str]]]:
        """What is written on the right: for each column its heading and a text a row."""
        columns = [
            (marks.heading, ["" if np.isnan(m) else f"{m:.3f}" for m in marks.spread.mean])
            for marks in self.marks
        ]
        return columns + ([(self.heading, list(self.notes))] if self.notes else [])


@dataclass(frozen=True)
class Similarities:
    """Similarity within and across subgroups of every group type, beside both thresholds.

    Attributes
    ----------
    rows : Rows
        One for each type.
    similar, divergent : float
        Thresholds.
    """

    rows: Rows
    similar: float
    divergent: float


@dataclass(frozen=True)
class Overlaps:
    """Recommendation overlap of every group type.

    Attributes
    ----------
    rows : Rows
        One for each type.
    """

    rows: Rows


Shown = Similarities | Overlaps | PairSimilarities | Histogram
