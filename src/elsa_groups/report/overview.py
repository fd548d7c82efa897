"""All keys of a run side by side: similarity of their groups beside random ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from elsa_groups.report.style import (
    BLUE,
    GREY,
    ROW_HEIGHT,
    add_legend,
    default_settings,
    label_thresholds,
    mark_thresholds,
    name_axes,
    new_rows,
    settle,
    write_beside,
)
from elsa_groups.report.tables import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
def draw_similarities(summary: KeySimilarities) -> "Figure":
    """Draw a row for each key: its groups, random ones below them, and both thresholds through all rows."""
    n_keys = len(summary.keys)
    figure, axes = new_rows("Similarity of the groups of each key", summary.keys, margin=1.25)
    rows = np.arange(n_keys, dtype=np.float64)
    _draw_spread(axes, rows + 0.2, summary.random, GREY, "random groups")
    _draw_spread(axes, rows - 0.14, summary.groups, BLUE, "groups of the key")
    for row, mean in enumerate(summary.groups[:, -1]):
        write_beside(axes, row, f"{mean:.3f}")
    axes.margins(x=0.03)
    mark_thresholds(axes, summary.divergent, summary.similar)
    add_legend(axes, above=0.17 / (ROW_HEIGHT * n_keys), reverse=True)
    label_thresholds(axes, summary.divergent, summary.similar)
    name_axes(figure, "dot and number: mean; bar: middle half; line: 5% to 95%")
    settle(figure)
    return figure


def _draw_spread(
    axes: "Axes", rows: NDArray[np.float64], spread: NDArray[np.float64], color: str, label: str
) -> None:
    low, first, last, high, mean = spread.T
    axes.hlines(rows, low, high, color=color, linewidth=1.2)
    axes.hlines(rows, first, last, color=color, linewidth=4.0)
    axes.plot(
        mean, rows, marker="o", markersize=5, color=color, markeredgecolor="white", linestyle="none",
        label=label, zorder=3,
    )  # fmt: skip


def describe_similarities(summary: KeySimilarities) -> str:
    """Say in words and numbers what :func:`draw_similarities` shows."""
    means, random = summary.groups[:, -1], summary.random[:, -1]
    low, high = int(means.argmin()), int(means.argmax())
    if len(means) == 1:
        said = f"of {summary.keys[0]}, mean {means[0]:.3f}, random groups {random[0]:.3f}"
    else:
        said = (
            f"of {len(means)} keys: means from {means[low]:.3f} ({summary.keys[low]}) to"
            f" {means[high]:.3f} ({summary.keys[high]}), of random groups from {random.min():.3f} to"
            f" {random.max():.3f}"
        )
    return (
        f"Similarity of groups {said}. Thresholds: divergent at most {summary.divergent:.3f}, similar at"
        f" least {summary.similar:.3f}."
    )
