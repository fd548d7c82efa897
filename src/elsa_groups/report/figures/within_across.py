"""Subgroups: how similar members are within them, against how similar across them."""

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
    BLUES,
    DASHED,
    DOTTED,
    INK,
    ORANGE,
    add_figure_legend,
    color_cells,
    default_settings,
    name_axes,
    name_panel,
    new_figure,
    say_keys,
    say_range,
    settle,
)

Floats = NDArray[np.float64]

# More groups than these are counted in cells: as marks they would hide each other.
_MOST_MARKS = 1_000
_CELLS = 40


@dataclass(frozen=True)
class Sides:
    """Mean similarity within subgroups and across them, for each group of a key.

    Attributes
    ----------
    key : str
        The key.
    within, across : Floats, shape (n_groups,)
        For each group.
    """

    key: str
    within: Floats
    across: Floats


def find_sides(results: Sequence[Result]) -> list[Sides]:
    """Return the keys whose groups have pairs within subgroups and pairs across them."""
    return [
        Sides(result.groups.key, result.quality.within, result.quality.across)
        for result in results
        if len(result.groups.sizes) > 1 and max(result.groups.sizes) > 1
    ]


@default_settings()
def draw_sides(keys: Sequence[Sides], *, similar: float, divergent: float) -> Figure:
    """Draw a panel for each key, within over across, both thresholds along both axes.

    Up to 1,000 groups of a key are marks, more are counted in cells.
    """
    columns = min(3, len(keys))
    figure, panels = new_figure(
        "Similarity within subgroups and across them", len(keys), columns=columns,
        panel_height={1: 2.6, 2: 2.0}.get(columns, 1.4), sharey=True,
    )  # fmt: skip
    for axes, sides in zip(panels, keys, strict=True):
        name_panel(axes, sides.key, columns)
        if len(sides.within) <= _MOST_MARKS:
            axes.plot(sides.across, sides.within, ".", color=BLUE, alpha=0.5, markersize=5, markeredgewidth=0)
        else:
            _count_in_cells(axes, sides)
        (mean,) = axes.plot(
            [sides.across.mean()], [sides.within.mean()], "D", color=ORANGE, markeredgecolor="white",
            markersize=6, label="mean",
        )  # fmt: skip
        lines = _mark_both(axes, similar=similar, divergent=divergent)
    limits = divergent, similar
    panels[0].set_xlim(_limits(np.concatenate([sides.across for sides in keys]), limits))
    panels[0].set_ylim(_limits(np.concatenate([sides.within for sides in keys]), limits))
    name_axes(figure, "across subgroups", "within subgroups")
    add_figure_legend(figure, [mean, *lines], columns=3)
    settle(figure)
    return figure


def _mark_both(axes: Axes, *, similar: float, divergent: float) -> list[Artist]:
    """Draw both thresholds along both axes."""
    lines: list[Artist] = []
    for value, name, style in (
        (divergent, f"divergent ≤ {divergent:.3f}", DOTTED),
        (similar, f"similar ≥ {similar:.3f}", DASHED),
    ):
        lines.append(axes.axhline(value, color=INK, linestyle=style, linewidth=0.9, label=name))
        axes.axvline(value, color=INK, linestyle=style, linewidth=0.9)
    return lines


def _limits(values: Floats, thresholds: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of an axis that shows all values and the threshold that they are nearest to."""
    nearest = min(thresholds, key=lambda threshold: abs(threshold - values.mean()))
    low, high = min(values.min(), nearest), max(values.max(), nearest)
    room = max(0.06 * (high - low), 0.002)
    return float(low - room), float(high + room)


def _count_in_cells(axes: Axes, sides: Sides) -> None:
    """Colour cells by the number of groups in them, on a logarithmic scale."""
    counts, across, within = np.histogram2d(sides.across, sides.within, _CELLS)
    color_cells(axes, across, within, counts.T, colors=BLUES, limits=(0.5, counts.max()))


def describe_sides(keys: Sequence[Sides], *, similar: float, divergent: float) -> str:
    """Say in words and numbers what :func:`draw_sides` shows."""
    within = say_range({sides.key: float(sides.within.mean()) for sides in keys})
    across = say_range({sides.key: float(sides.across.mean()) for sides in keys})
    return (
        f"Similarity within subgroups over that across them, for the groups of"
        f" {say_keys([sides.key for sides in keys])}: mean within {within}, across {across}."
        f" Thresholds: similar at least {similar:.3f}, divergent at most {divergent:.3f}."
    )
