"""Distribution of the similarity of pairs of users, and what the thresholds cut off it."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from elsa_groups.base.runtime import Runtime
from elsa_groups.report.figures.bins import bin_edges
from elsa_groups.report.figures.style import (
    BLUE,
    GREY,
    LINE_HEIGHT,
    ORANGE,
    WIDTH,
    Room,
    add_figure_legend,
    default_settings,
    label_thresholds,
    legend_height,
    mark_thresholds,
    new_figure,
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
    low, high = float(values.min()), float(values.max())
    edges = bin_edges(low, high, similar=similar, divergent=divergent, n_bins=n_bins)
    counts, _ = np.histogram(values, edges)
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
    room = Room(left=0.62, head=LINE_HEIGHT + 0.08 + legend_height(1))
    figure, (axes,) = new_figure(f"Similarity of {pairs.seen} of users", 1, room)
    starts = pairs.edges[:-1]
    # By a bin's lower end; with crossed thresholds a pair may be both, and is drawn as similar.
    similar, divergent = starts >= pairs.similar, starts <= pairs.divergent
    handles = [
        _fill(axes, pairs, divergent & ~similar, ORANGE, f"divergent: {pairs.divergent_share:.1%}"),
        _fill(axes, pairs, ~divergent & ~similar, GREY, "neither"),
        _fill(axes, pairs, similar, BLUE, f"similar: {pairs.similar_share:.1%}"),
    ]
    axes.set_xlim(pairs.edges[0], pairs.edges[-1])
    axes.yaxis.set_major_locator(MaxNLocator(4))
    show_percent(axes)
    axes.set_ylabel("share of pairs")
    axes.yaxis.set_label_coords(-0.44 / (WIDTH - room.left - room.right), 0.5)
    axes.set_xlabel("similarity of two users")
    mark_thresholds(axes, pairs.divergent, pairs.similar)
    label_thresholds(axes, pairs.divergent, pairs.similar)
    add_figure_legend(figure, handles, columns=3)
    return figure


def _fill(axes: Axes, pairs: PairSimilarities, which: NDArray[np.bool_], color: str, label: str) -> StepPatch:
    """Draw the shares of some of the bins."""
    shares = np.where(which, pairs.counts / pairs.n_seen, 0.0)
    return axes.stairs(shares, pairs.edges, fill=True, color=color, label=label)


def describe_pairs(pairs: PairSimilarities) -> str:
    """Say in words and numbers what :func:`draw_pairs` shows."""
    return (
        f"Histogram of the similarity of {pairs.seen} of {pairs.n_users:,} users, mean {pairs.mean:.3f}."
        f" {pairs.divergent_share:.1%} of them are divergent, at most {pairs.divergent:.4f}, and"
        f" {pairs.similar_share:.1%} similar, at least {pairs.similar:.4f}."
    )
