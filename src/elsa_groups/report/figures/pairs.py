"""Distribution of the similarity of pairs of users, and what the thresholds cut off it."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from elsa_groups.base.runtime import Runtime
from elsa_groups.report.figures.style import (
    BLUE,
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
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.sampling import sample_similarities
from elsa_groups.similarity.tiles import n_pairs
from elsa_groups.similarity.users import Users

# Up to so many pairs all are looked at, otherwise so many at random: a share is then known to 0.05%.
MAX_PAIRS = 1_000_000
_MOST_BINS, _FEWEST_BINS = 80, 10


@dataclass(frozen=True)
class PairSimilarities:
    """Similarity of pairs of users over bins of equal width.

    Attributes
    ----------
    edges : NDArray[np.float64], shape (n_bins + 1,)
        Bin edges, from the smallest to the largest number in the figure.
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
        if self.n_seen == n_pairs(self.n_users):
            return f"all {self.n_seen:,} pairs" if self.n_seen > 1 else "the only pair"
        return f"{self.n_seen:,} random pairs"


def count_pairs(users: Users, limits: Limits, *, threads: int = 1) -> PairSimilarities:
    """Count the reference similarities of all pairs of users, or of a sample where there are many.

    Parameters
    ----------
    users : Users
        Two or more.
    limits : Limits
        Thresholds.
    threads : int
        Workers; the result does not depend on it.

    Notes
    -----
    At most a million dot products, 0.3 s at 256 dimensions, whatever the number of users; memory: 24 bytes
    for each. The sample is the same for the same users.
    """
    similar, divergent, _ = limits
    total = n_pairs(users.n_users)
    if total <= MAX_PAIRS:
        values = users.similarities(*np.triu_indices(users.n_users, 1))
    else:
        values = sample_similarities(users, MAX_PAIRS, seed=0, runtime=Runtime(threads))
    # Few pairs in many bins are noise.
    n_bins = int(np.clip(np.sqrt(len(values)), _FEWEST_BINS, _MOST_BINS))
    low, high = min(values.min(), divergent, similar), max(values.max(), divergent, similar)
    # Identical values still need bins of some width.
    pad = 0.01 if high - low < 1e-9 else 0.0
    counts, edges = np.histogram(values, n_bins, (low - pad, high + pad))
    return PairSimilarities(
        edges=edges,
        counts=counts,
        n_users=users.n_users,
        mean=float(values.mean()),
        similar=similar,
        divergent=divergent,
        similar_share=float((values >= similar).mean()),
        divergent_share=float((values <= divergent).mean()),
    )


@default_settings()
def draw_pairs(pairs: PairSimilarities) -> Figure:
    """Draw the shares of pairs over their similarity, what either threshold takes in colour."""
    figure, (axes,) = new_figure(f"Similarity of {pairs.seen} of users", 1)
    low, high = pairs.edges[[0, -1]]
    _fill(axes, pairs, ORANGE, f"divergent: {pairs.divergent_share:.1%}", low, pairs.divergent)
    _fill(axes, pairs, GREY, "neither", pairs.divergent, pairs.similar)
    _fill(axes, pairs, BLUE, f"similar: {pairs.similar_share:.1%}", pairs.similar, high)
    axes.margins(x=0.02)
    show_percent(axes)
    axes.set_ylabel("share of pairs")
    axes.set_xlabel("similarity of two users")
    add_legend(axes, above=0.09, columns=3)
    mark_thresholds(axes, pairs.divergent, pairs.similar)
    label_thresholds(axes, pairs.divergent, pairs.similar)
    settle(figure)
    return figure


def _fill(axes: Axes, pairs: PairSimilarities, color: str, label: str, start: float, stop: float) -> None:
    """Draw the shares from ``start`` to ``stop``, which may lie inside a bin."""
    stairs = axes.stairs(pairs.counts / pairs.n_seen, pairs.edges, fill=True, color=color, label=label)
    stairs.set_clip_path(Rectangle((start, 0.0), stop - start, 1.0, transform=axes.get_xaxis_transform()))


def describe_pairs(pairs: PairSimilarities) -> str:
    """Say in words and numbers what :func:`draw_pairs` shows."""
    return (
        f"Histogram of the similarity of {pairs.seen} of {pairs.n_users:,} users, mean {pairs.mean:.3f}."
        f" {pairs.divergent_share:.1%} of them are divergent, at most {pairs.divergent:.3f}, and"
        f" {pairs.similar_share:.1%} similar, at least {pairs.similar:.3f}."
    )
