"""A row for each group type: where its groups lie, before a band of random groups."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from elsa_groups.report.colors import BAND, GREY, INK
from elsa_groups.report.figures.data import Marks, Rows, Spread
from elsa_groups.report.figures.style import (
    LINE_HEIGHT,
    SMALL_SIZE,
    Room,
    add_figure_legend,
    default_settings,
    label_thresholds,
    legend_height,
    mark_thresholds,
    name_axes,
    new_figure,
    size_of,
    text_width,
    write_lines,
)
from elsa_groups.report.text_tables import shorten

# Of a row, in inches, and the longest name that is written in full beside it.
_ROW_HEIGHT, _NAME_LETTERS = 0.29, 16
# What a number on the axis takes of its width.
_TICK_WIDTH = 0.5
# Half the height of a band, and how far the second of two kinds of marks lies below the first.
_HALF_BAND, _STEP = 0.36, 0.3


@default_settings()
def draw_rows(title: str, rows: Rows, x: str, *, thresholds: tuple[float, float] | None = None) -> Figure:
    """Draw a row for each group type.

    Parameters
    ----------
    title : str
        At the top left.
    rows : Rows
        What is drawn.
    x : str
        Below the axis.
    thresholds : (float, float), optional
        Divergent and similar, as lines through all rows.
    """
    names = [shorten(name, _NAME_LETTERS) for name in rows.names]
    widths = [max(text_width(text) for text in (heading, *texts)) + 0.1 for heading, texts in rows.columns]
    n_lines = max(heading.count("\n") + 1 for heading, _ in rows.columns)
    room = Room(
        left=max(map(text_width, names)) + 0.14,
        right=sum(widths) + 0.06,
        head=legend_height(1) + LINE_HEIGHT * max(n_lines, 2 if thresholds else 1) + 0.06,
        foot=0.3 + LINE_HEIGHT * (x.count("\n") + 1),
    )
    figure, (axes,) = new_figure(title, 1, room, panel_height=_ROW_HEIGHT * len(names))
    axes.grid(visible=False)
    axes.set_yticks(range(len(names)), names)
    handles = [_draw_band(axes, rows.random), *_draw_marks(axes, rows.marks)]
    axes.margins(x=0.04)
    ticks = int(axes.get_position().width * size_of(axes)[0] / _TICK_WIDTH)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], min_n_ticks=min(max(2, ticks), 3)))
    if thresholds:
        mark_thresholds(axes, *thresholds)
        label_thresholds(axes, *thresholds)
    # Grid and limits last: a line through all rows would widen them.
    axes.set_ylim(len(names) - 0.5, -0.5)
    _write_columns(axes, rows.columns, widths)
    name_axes(figure, x)
    add_figure_legend(figure, [*handles[1:], handles[0]], columns=3)
    return figure


def _draw_band(axes: Axes, random: Spread) -> Artist:
    """Draw random groups as a band from 5 to 95 percent, their mean as a line across it."""
    # A band that begins at 0 would end the axis there, and cut marks at 0 in half.
    axes.use_sticky_edges = False
    rows = np.arange(len(random.mean), dtype=np.float64)
    axes.barh(rows, random.high - random.low, 2 * _HALF_BAND, random.low, color=BAND)
    axes.vlines(random.mean, rows - _HALF_BAND, rows + _HALF_BAND, color=GREY, linewidth=1.2)
    return Patch(facecolor=BAND, label="random groups")


def _draw_marks(axes: Axes, kinds: Sequence[Marks]) -> list[Artist]:
    drawn: list[Artist] = []
    both = [np.isfinite(marks.spread.mean) for marks in kinds]
    # A type that has one kind of pairs has its mark in the middle of its row.
    step = np.where(np.all(both, axis=0), _STEP, 0.0) if len(kinds) > 1 else np.zeros(len(both[0]))
    for number, marks in enumerate(kinds):
        rows = np.arange(len(step)) + (number - (len(kinds) - 1) / 2) * step
        axes.hlines(rows, marks.spread.low, marks.spread.high, color=marks.color, linewidth=1.3)
        (line,) = axes.plot(
            marks.spread.mean, rows, marker=marks.marker, markersize=4.5, linestyle="none",
            markeredgecolor=marks.color, markerfacecolor="white" if marks.hollow else marks.color,
            markeredgewidth=1.3, label=marks.label, zorder=3,
        )  # fmt: skip
        drawn.append(line)
    return drawn


def _write_columns(axes: Axes, columns: Sequence[tuple[str, list[str]]], widths: Sequence[float]) -> None:
    """Write columns of texts to the right of the panel, each to the left of its right end."""
    panel = axes.get_position().width * size_of(axes)[0]
    right = 1.0 + 0.02 / panel
    for (heading, texts), width in zip(columns, widths, strict=True):
        right += width / panel
        write_lines(axes, right, heading, align="right")
        for row, text in enumerate(texts):
            axes.text(
                right, row, text, transform=axes.get_yaxis_transform(), ha="right", va="center_baseline",
                color=INK, fontsize=SMALL_SIZE,
            )  # fmt: skip
