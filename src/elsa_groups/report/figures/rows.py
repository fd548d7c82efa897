"""A row for each group type: where its groups lie, before a band of random groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from elsa_groups.report.figures.style import (
    BAND,
    GREY,
    INK,
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

Floats = NDArray[np.float64]

# Of a row, in inches, and the longest name that is written in full beside it.
_ROW_HEIGHT, _NAME_LETTERS = 0.29, 16
# What a number on the axis takes of its width.
_TICK_WIDTH = 0.5
# Half the height of a band, and how far the second of two kinds of marks lies below the first.
_HALF_BAND, _STEP = 0.36, 0.3


@dataclass(frozen=True)
class Spread:
    """Where the groups of each type lie.

    Attributes
    ----------
    low, mean, high : Floats, shape (n_types,)
        Quantile 0.05, mean and quantile 0.95 over the groups of a type; NaN where there is nothing.
    """

    low: Floats
    mean: Floats
    high: Floats

    @classmethod
    def of(cls, values: Sequence[Floats]) -> "Spread":
        """Return the spread of one array a group type; one of NaN has nothing."""
        found = [
            (*np.quantile(v, [0.05, 0.95]), v.mean()) if len(v) else (np.nan,) * 3
            for v in (v[~np.isnan(v)] for v in values)
        ]
        low, high, mean = np.array(found, np.float64).T
        return cls(low, mean, high)

    @property
    def is_there(self) -> bool:
        """Whether any group type has any."""
        return not bool(np.isnan(self.mean).all())


@dataclass(frozen=True)
class Marks:
    """One kind of marks in all rows.

    Attributes
    ----------
    label : str
        In the legend.
    heading : str
        Above the column of means on the right.
    spread : Spread
        Where they are.
    color, marker : str
        How they look.
    hollow : bool
        Whether they are empty.
    """

    label: str
    heading: str
    spread: Spread
    color: str
    marker: str = "o"
    hollow: bool = False


@dataclass(frozen=True)
class Rows:
    """All rows.

    Attributes
    ----------
    names : tuple of str
        Of the group types, the first on top.
    random : Spread
        Of random groups of the same size.
    marks : tuple of Marks
        One or two kinds.
    notes : tuple of str
        A last column of texts; empty for none.
    heading : str
        Above it.
    """

    names: tuple[str, ...]
    random: Spread
    marks: tuple[Marks, ...]
    notes: tuple[str, ...] = ()
    heading: str = ""

    @property
    def columns(self) -> list[tuple[str, list[str]]]:
        """What is written on the right: for each column its heading and a text a row."""
        columns = [
            (marks.heading, ["" if np.isnan(m) else f"{m:.3f}" for m in marks.spread.mean])
            for marks in self.marks
        ]
        return columns + ([(self.heading, list(self.notes))] if self.notes else [])


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
