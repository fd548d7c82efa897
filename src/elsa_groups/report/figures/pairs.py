"""Distribution of the similarity of pairs of users, and what the thresholds cut off it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from elsa_groups.report.colors import BLUE, GREY, ORANGE
from elsa_groups.report.figures.data import PairSimilarities
from elsa_groups.report.figures.style import (
    LINE_HEIGHT,
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
