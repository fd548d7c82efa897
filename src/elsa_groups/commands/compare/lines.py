"""Lines of group types over a setting: intervals at every point, names at their right ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from elsa_groups.commands.compare.looks import Look
from elsa_groups.report.figures.style import LINE_HEIGHT, SMALL_SIZE, size_of, text_width
from elsa_groups.report.text_tables import shorten

# Values of a setting that all have a tick, and the room that one needs, in inches.
_TICKS_UP_TO, _TICK_GAP = 8, 0.08
# Letters of a name, and what is between a line and its name, in inches.
_NAME_LETTERS, _TO_NAME = 18, 0.14


@dataclass(frozen=True)
class Point:
    """A value that was tried, what came of it, and its 95% confidence interval where there is one."""

    x: float
    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Line:
    """What came of a group type along a setting.

    Attributes
    ----------
    name : str
        Of the group type.
    points : sequence of Point
        By ascending value, one or more.
    look : Look
        Colour and line.
    marker : str
        At every point.
    hollow : bool
        Whether markers are.
    """

    name: str
    points: Sequence[Point]
    look: Look
    marker: str
    hollow: bool


def draw_line(axes: Axes, line: Line) -> None:
    """Draw a line through the means, and a vertical one over each interval."""
    color = line.look.color
    axes.plot(
        [point.x for point in line.points], [point.mean for point in line.points], color=color,
        linestyle=line.look.line, linewidth=1.3, marker=line.marker, markersize=4.0,
        markeredgewidth=1.0 if line.hollow else 0.0, markerfacecolor="white" if line.hollow else color,
    )  # fmt: skip
    known = [(point.x, *point.interval) for point in line.points if point.interval is not None]
    if known:
        axes.vlines(*zip(*known, strict=True), color=color, linewidth=0.9, alpha=0.7)


def names_width(names: Sequence[str]) -> float:
    """Return the room for names at the ends of lines, in inches."""
    return max(text_width(shorten(name, _NAME_LETTERS)) for name in names) + _TO_NAME + 0.06


def name_ends(axes: Axes, lines: Sequence[Line]) -> None:
    """Write the name of every line beside its right end, names that would meet pushed apart."""
    if not lines:
        return
    place = axes.get_position()
    width, height = (
        size * part for size, part in zip(size_of(axes), (place.width, place.height), strict=True)
    )
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    lines = sorted(lines, key=lambda line: line.points[-1].mean)
    ends = np.array([(line.points[-1].x, line.points[-1].mean) for line in lines])
    ends = (ends - (left, low)) / (right - left, high - low)
    heights = _push_apart(ends[:, 1] * height, height) / height
    beside = 1.0 + _TO_NAME / width
    leaders = [
        (tuple(end), (beside - 0.02 / width, at))
        for end, at in zip(ends.tolist(), heights.tolist(), strict=True)
    ]
    colors = [line.look.color for line in lines]
    axes.add_collection(
        LineCollection(leaders, colors=colors, linewidths=0.5, transform=axes.transAxes, clip_on=False),
        autolim=False,
    )
    for line, at in zip(lines, heights, strict=True):
        axes.text(
            beside, at, shorten(line.name, _NAME_LETTERS), transform=axes.transAxes, va="center_baseline",
            color=line.look.color, fontsize=SMALL_SIZE,
        )  # fmt: skip


def _push_apart(heights: np.ndarray, top: float) -> np.ndarray:
    """Return ascending heights at least a line apart, as far below the top as they can be."""
    placed = heights.copy()
    for row in range(1, len(placed)):
        placed[row] = max(placed[row], placed[row - 1] + LINE_HEIGHT)
    placed[-1] = min(placed[-1], max(top, (len(placed) - 1) * LINE_HEIGHT))
    for row in range(len(placed) - 2, -1, -1):
        placed[row] = min(placed[row], placed[row + 1] - LINE_HEIGHT)
    return placed


def tick_values(axes: Axes, values: Sequence[float], *, written: bool) -> None:
    """Put ticks at the values that were tried, unless they are too many or too close to each other.

    Parameters
    ----------
    axes : Axes
        A panel whose limits are final.
    values : sequence of float
        What was tried.
    written : bool
        Whether the values are written at their ticks.
    """
    tried = sorted(set(values))
    if len(tried) > _TICKS_UP_TO:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        tried = [value for value in axes.get_xticks() if axes.get_xlim()[0] <= value <= axes.get_xlim()[1]]
    left, right = axes.get_xlim()
    width = axes.get_position().width * size_of(axes)[0]
    labels, end = [], -np.inf
    for value in tried:
        text = f"{value:g}"
        middle, half = (value - left) / (right - left) * width, text_width(text) / 2
        fits = written and middle - half > end
        labels.append(text if fits else "")
        end = middle + half + _TICK_GAP if fits else end
    axes.set_xticks(tried, labels)
