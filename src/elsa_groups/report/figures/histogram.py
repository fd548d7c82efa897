"""Distribution of the similarity of a key's groups, beside random groups."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    add_legend,
    default_settings,
    label_thresholds,
    mark_thresholds,
    new_figure,
    settle,
    show_percent,
)

Floats = NDArray[np.float64]

_BINS = 40


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
    """Distribution of a key's group similarity beside random groups, over common bins.

    Attributes
    ----------
    key : str
        The key.
    edges : NDArray[np.float64], shape (n_bins + 1,)
        Bin edges; the last bin is closed.
    groups, random : Series
        Group similarity of the key and of its baseline.
    within, across : Series or None
        Mean similarity of a group's pairs inside subgroups and between them, where there are such pairs.
    similar, divergent : float
        Thresholds.
    """

    key: str
    edges: Floats
    groups: Series
    random: Series
    within: Series | None
    across: Series | None
    similar: float
    divergent: float

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


def count_similarities(
    key: str,
    similarities: Floats,
    random_similarities: Floats,
    *,
    similar: float,
    divergent: float,
    within: Floats | None = None,
    across: Floats | None = None,
) -> Histogram:
    """Count group similarities in 40 equal bins, from the smallest to the largest number in the figure.

    Parameters
    ----------
    key : str
        The key.
    similarities, random_similarities : (n,) float64 in [0, 1], n >= 1
        Of the groups of the key and of its baseline; the numbers of groups may differ.
    similar, divergent : float in [0, 1]
        Thresholds.
    within, across : (n_groups,) float64 in [0, 1] or NaN, optional
        For a key of several subgroups: mean similarity inside subgroups and between them.

    Raises
    ------
    ValueError
        If there are no groups, or no random groups.
    """
    for name, values in (("similarities", similarities), ("random_similarities", random_similarities)):
        if not len(values):
            raise ValueError(f"{name}: expected at least one group, got none")
    inside, between = _defined(within), _defined(across)
    edges = _edges(np.concatenate([similarities, random_similarities, inside, between, [similar, divergent]]))
    return Histogram(
        key=key,
        edges=edges,
        groups=_count(similarities, edges),
        random=_count(random_similarities, edges),
        within=_count(inside, edges) if len(inside) else None,
        across=_count(between, edges) if len(between) else None,
        similar=similar,
        divergent=divergent,
    )


def count_result(result: Result, *, similar: float, divergent: float) -> Histogram:
    """Count the group similarities of a key, and those within and across subgroups if it has several."""
    several = len(result.groups.sizes) > 1
    return count_similarities(
        result.groups.key,
        result.quality.similarity,
        result.baseline,
        similar=similar,
        divergent=divergent,
        within=result.quality.within if several else None,
        across=result.quality.across if several else None,
    )


def _defined(values: Floats | None) -> Floats:
    return np.empty(0) if values is None else values[~np.isnan(values)]


def _count(values: Floats, edges: Floats) -> Series:
    return Series(np.histogram(values, edges)[0], float(values.mean()))


def _edges(values: Floats) -> Floats:
    low, high = float(values.min()), float(values.max())
    # Identical values still need bins of some width.
    pad = 0.01 if high - low < 1e-9 else 0.0
    return np.linspace(low - pad, high + pad, _BINS + 1)


@default_settings()
def draw_histogram(histogram: Histogram) -> Figure:
    """Draw a histogram as shares of groups, the baseline behind, thresholds and means marked.

    A key of several subgroups gets a second panel, with the similarity inside and between them.
    """
    h = histogram
    two = h.within is not None or h.across is not None
    figure, panels = new_figure(f"{h.key} · {_groups(h.groups.n_groups)}", 2 if two else 1)
    _fill(
        panels[0],
        h.edges,
        h.random,
        GREY,
        f"{_groups(h.random.n_groups, 'random')}, mean {h.random.mean:.3f}",
    )
    _fill(panels[0], h.edges, h.groups, BLUE, f"this key, mean {h.groups.mean:.3f}")
    if h.across is not None:
        _fill(panels[1], h.edges, h.across, ORANGE, f"across, mean {h.across.mean:.3f}")
    if h.within is not None:
        _fill(panels[1], h.edges, h.within, GREEN, f"within subgroups, mean {h.within.mean:.3f}")
    for axes in panels:
        axes.margins(x=0.02)
        show_percent(axes)
        axes.set_ylabel("share of groups")
        add_legend(axes, above=0.09 if axes is panels[0] else 0.0, reverse=True)
        mark_thresholds(axes, h.divergent, h.similar)
    label_thresholds(panels[0], h.divergent, h.similar)
    panels[-1].set_xlabel("group similarity: mean over pairs")
    settle(figure)
    return figure


def describe_histogram(histogram: Histogram) -> str:
    """Say in a sentence what a histogram shows."""
    h = histogram
    told = (
        f"Histogram of the similarity of {h.groups.n_groups:,} groups of {h.key}, mean {h.groups.mean:.3f},"
        f" before that of {h.random.n_groups:,} random groups, mean {h.random.mean:.3f}; pairs are similar"
        f" from {h.similar:.3f} and divergent up to {h.divergent:.3f}."
    )
    if h.within is not None:
        told += f" Pairs within subgroups have mean {h.within.mean:.3f}."
    if h.across is not None:
        told += f" Pairs across subgroups have mean {h.across.mean:.3f}."
    return told


def _groups(count: int, kind: str = "") -> str:
    return f"{count:,} {kind} group{'s' if count != 1 else ''}".replace("  ", " ")


def _fill(axes: Axes, edges: Floats, series: Series, color: str, label: str) -> None:
    """Draw the shares of a series over the bins, and its mean as a triangle on the axis."""
    axes.stairs(series.counts / series.n_groups, edges, fill=True, color=color, alpha=0.75, label=label)
    axes.plot(
        [series.mean], [0.0], marker="^", markersize=7, color=color, markeredgecolor="white", clip_on=False,
        linestyle="none", zorder=5,
    )  # fmt: skip
