"""All keys of a run side by side: similarity of their groups beside random ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures.style import (
    BLUE,
    GREY,
    add_figure_legend,
    default_settings,
    label_thresholds,
    mark_thresholds,
    name_axes,
    new_rows,
    say_keys,
    say_range,
    settle,
    write_beside,
)


@dataclass(frozen=True)
class KeySimilarities:
    """Similarity of the groups of each key, and of random groups of the same sizes.

    Attributes
    ----------
    keys : tuple of str
        The keys, in the order in which they are drawn.
    groups, random : NDArray[np.float64], shape (n_keys, 5)
        Quantiles 0.05, 0.25, 0.75 and 0.95 over the groups of a key, and their mean.
    similar, divergent : float
        Thresholds.
    """

    keys: tuple[str, ...]
    groups: NDArray[np.float64]
    random: NDArray[np.float64]
    similar: float
    divergent: float


def summarise_similarities(results: Sequence[Result], *, similar: float, divergent: float) -> KeySimilarities:
    """Take quantiles and means of the group similarities of one key or more.

    Parameters
    ----------
    results : sequence of Result
        The keys.
    similar, divergent : float in [0, 1]
        Thresholds.
    """
    return KeySimilarities(
        keys=tuple(result.groups.key for result in results),
        groups=np.array([_summarise(result.quality.similarity) for result in results]),
        random=np.array([_summarise(result.baseline) for result in results]),
        similar=similar,
        divergent=divergent,
    )


def _summarise(values: NDArray[np.float64]) -> list[float]:
    return [*np.quantile(values, [0.05, 0.25, 0.75, 0.95]), float(values.mean())]


@default_settings()
def draw_similarities(summary: KeySimilarities) -> Figure:
    """Draw a row for each key: its groups, random ones below them, and both thresholds through all rows."""
    figure, axes = new_rows("Similarity of the groups of each key", summary.keys, margin=1.4)
    rows = np.arange(len(summary.keys), dtype=np.float64)
    random = _draw_spread(axes, rows + 0.2, summary.random, GREY, "random groups")
    groups = _draw_spread(axes, rows - 0.14, summary.groups, BLUE, "groups of the key")
    for row, mean in enumerate(summary.groups[:, -1]):
        write_beside(axes, row, f"{mean:.3f}")
    axes.margins(x=0.03)
    mark_thresholds(axes, summary.divergent, summary.similar)
    label_thresholds(axes, summary.divergent, summary.similar)
    name_axes(figure, "dot and number: mean; bar: middle half; line: 5% to 95%")
    add_figure_legend(figure, [groups, random])
    settle(figure)
    return figure


def _draw_spread(
    axes: Axes, rows: NDArray[np.float64], spread: NDArray[np.float64], color: str, label: str
) -> Artist:
    low, first, last, high, mean = spread.T
    axes.hlines(rows, low, high, color=color, linewidth=1.2)
    axes.hlines(rows, first, last, color=color, linewidth=4.0)
    (marks,) = axes.plot(
        mean, rows, marker="o", markersize=5, color=color, markeredgecolor="white", linestyle="none",
        label=label, zorder=3,
    )  # fmt: skip
    return marks


def describe_similarities(summary: KeySimilarities) -> str:
    """Say in words and numbers what :func:`draw_similarities` shows."""
    groups, random = (
        say_range(dict(zip(summary.keys, spread[:, -1].tolist(), strict=True)))
        for spread in (summary.groups, summary.random)
    )
    return (
        f"Similarity of the groups of {say_keys(summary.keys)}, mean {groups}, beside random groups of the"
        f" same size, mean {random}. Thresholds: divergent at most {summary.divergent:.3f}, similar at least"
        f" {summary.similar:.3f}."
    )
