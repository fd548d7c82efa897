"""Recommendation overlap of the groups of every key, beside random groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures.style import (
    BLUE,
    INK,
    add_figure_legend,
    default_settings,
    name_axes,
    name_panel,
    new_figure,
    say_keys,
    say_range,
    settle,
    show_percent,
)

_BINS = 20


@dataclass(frozen=True)
class KeyOverlap:
    """Distribution of the recommendation overlap at 20 of a key's groups.

    Attributes
    ----------
    key : str
        The key.
    groups, random : NDArray[np.int64], shape (20,)
        Groups of the key, and random ones, in each bin.
    mean, random_mean : float
        Means over them.
    """

    key: str
    groups: NDArray[np.int64]
    random: NDArray[np.int64]
    mean: float
    random_mean: float


@dataclass(frozen=True)
class Overlaps:
    """All keys over common bins.

    Attributes
    ----------
    edges : NDArray[np.float64], shape (21,)
        From 0 to the largest overlap of all.
    keys : tuple of KeyOverlap
        The keys, in the order in which they are drawn.
    """

    edges: NDArray[np.float64]
    keys: tuple[KeyOverlap, ...]


def count_overlaps(results: Sequence[Result]) -> Overlaps:
    """Count the recommendation overlap of the groups of one key or more, and of their random groups."""
    pairs = [(r.tastes.recommendation_overlap_at_20, np.asarray(r.random_overlap)) for r in results]
    # Where nobody is recommended what another is, bins still need some width.
    largest = max(max(float(groups.max()), float(random.max())) for groups, random in pairs) or 1.0
    edges = np.linspace(0.0, largest, _BINS + 1)
    keys = tuple(
        KeyOverlap(
            result.groups.key,
            np.histogram(groups, edges)[0],
            np.histogram(random, edges)[0],
            float(groups.mean()),
            float(random.mean()),
        )
        for result, (groups, random) in zip(results, pairs, strict=True)
    )
    return Overlaps(edges, keys)


@default_settings()
def draw_overlaps(overlaps: Overlaps) -> Figure:
    """Draw a panel for each key: shares of its groups by recommendation overlap, random groups as a line."""
    columns = min(3, len(overlaps.keys))
    figure, panels = new_figure(
        "Recommendations that members have in common", len(overlaps.keys), columns=columns,
        panel_height=1.9 if columns == 1 else 1.25, sharey=True,
    )  # fmt: skip
    for axes, of in zip(panels, overlaps.keys, strict=True):
        groups = axes.stairs(
            of.groups / of.groups.sum(), overlaps.edges, fill=True, color=BLUE, label="groups of the key"
        )
        random = axes.stairs(
            of.random / of.random.sum(), overlaps.edges, baseline=None, color=INK, linewidth=1.2,
            label="random groups",
        )  # fmt: skip
        name_panel(axes, of.key, columns)
        axes.xaxis.set_major_locator(MaxNLocator(3))
    # With all drawn: it ends the scaling of the axis that they share.
    for axes in panels:
        show_percent(axes)
    name_axes(figure, "recommendation overlap@20, mean over pairs", "share of groups")
    add_figure_legend(figure, [groups, random])
    settle(figure)
    return figure


def describe_overlaps(overlaps: Overlaps) -> str:
    """Say in words and numbers what :func:`draw_overlaps` shows."""
    groups, random = (
        say_range({of.key: getattr(of, name) for of in overlaps.keys}) for name in ("mean", "random_mean")
    )
    return (
        "Histograms of the share of their first 20 recommendations that members have in common, for"
        f" {say_keys([of.key for of in overlaps.keys])}: mean {groups}, beside random groups of the same"
        f" size, mean {random}."
    )
