"""One style for all figures: legible at 350 px, drawn once, the same bytes for the same numbers.

Only the objects of matplotlib are used, and never pyplot. Panels are placed in inches, by the widths of the
texts beside them: matplotlib's own layouts draw a figure twice or more.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from elsa_groups.report.colors import GREY, GRID, INK
from elsa_groups.report.text_tables import shorten

Floats = NDArray[np.float64]

# Inches and pixels: letters of 8.5 points are still 10 pixels high on a screen of 390.
WIDTH, DPI = 4.0, 250
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 10.0, 9.0, 8.5

# Lines of the divergent and the similar threshold.
DOTTED, DASHED = (0, (1, 1.5)), (0, (5, 2))

# In inches: from the left, and the heights of the title, a row of a legend and a line of small text.
EDGE, TITLE_HEIGHT, LINE_HEIGHT = 0.08, 0.28, 0.15
_LEGEND_ROW, _ROW_HEIGHT = 0.19, 0.18


@dataclass(frozen=True)
class Room:
    """What is left free around panels, in inches.

    Attributes
    ----------
    left, right : float
        Beside the panels of a row, for what is written there.
    head : float
        Between the title and the first row of panels.
    between : float
        Between two rows of panels, or two panels of a row.
    foot : float
        Below the last row.
    """

    left: float = 0.55
    right: float = 0.24
    head: float = 0.1
    between: float = 0.5
    foot: float = 0.42


@contextmanager
def default_settings() -> Iterator[None]:
    """Draw by matplotlib's own defaults, so that no user's settings change a figure."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def new_figure(
    title: str, n_panels: int = 1, room: Room | None = None, *, columns: int = 1, panel_height: float = 1.35
) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels in the common style, one above the other or in rows of several.

    Parameters
    ----------
    title : str
        At the top left.
    n_panels : int
        Number of panels.
    room : Room, optional
        What is left free around them.
    columns : int
        Panels in a row; the last row may be shorter.
    panel_height : float
        In inches.
    """
    room = room or Room()
    rows = -(-n_panels // columns)
    above = TITLE_HEIGHT + room.head
    height = above + rows * panel_height + (rows - 1) * room.between + room.foot
    width = (WIDTH - room.left - room.right - (columns - 1) * room.between) / columns
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(
        title, x=EDGE / WIDTH, y=1.0 - EDGE / height, ha="left", va="top", fontsize=TITLE_SIZE,
        fontweight="bold", color=INK,
    )  # fmt: skip
    panels = []
    for number in range(n_panels):
        row, column = divmod(number, columns)
        left = room.left + column * (width + room.between)
        bottom = height - above - (row + 1) * panel_height - row * room.between
        place = (left / WIDTH, bottom / height, width / WIDTH, panel_height / height)
        panels.append(figure.add_axes(place))
        _put_in_style(panels[-1])
    return figure, panels


def new_rows(
    title: str, panels: Sequence[tuple[str, Sequence[str]]], x: str, *, right: float = 0.24
) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels one above the other, each with rows that are named at its left.

    Parameters
    ----------
    title : str
        At the top left.
    panels : sequence of (str, sequence of str)
        Name of each panel, and names of its rows, the first on top.
    x : str
        Below the axes.
    right : float
        What is left free on the right, in inches.
    """
    left = max(text_width(row) for _, rows in panels for row in rows) + 0.14
    room = Room(left=left, right=right, head=LINE_HEIGHT + 0.08, between=0.5, foot=0.46)
    height = _ROW_HEIGHT * max(len(rows) for _, rows in panels)
    figure, drawn = new_figure(title, len(panels), room, panel_height=height)
    for axes, (name, rows) in zip(drawn, panels, strict=True):
        name_panel(axes, name)
        axes.grid(visible=False)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.5, -0.5)
    name_axes(figure, x)
    return figure, drawn


def _put_in_style(axes: Axes) -> None:
    axes.set_facecolor("none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL_SIZE, color=GREY, labelcolor=INK, pad=2.5)
    axes.tick_params(axis="y", length=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(size=TEXT_SIZE, color=INK)
        axis.labelpad = 2.5


def text_width(text: str, size: float = SMALL_SIZE) -> float:
    """Return the width of the widest line of a text of so many points, in inches."""
    font = FontProperties(size=size)
    widths = [text_to_path.get_text_width_height_descent(line, font, False)[0] for line in text.split("\n")]
    return max(widths) / 72.0


def name_axes(figure: Figure, x: str, y: str = "") -> None:
    """Name the axes that all panels have in common, at the lower and the left edge."""
    width, height = figure.get_size_inches()
    figure.text(0.5, 0.05 / height, x, ha="center", va="bottom", fontsize=TEXT_SIZE, color=INK)
    if y:
        figure.text(0.05 / width, 0.5, y, rotation=90, va="center", fontsize=TEXT_SIZE, color=INK)


def name_panel(axes: Axes, name: str) -> None:
    """Write a name above the left end of a panel, cut to its width."""
    width = axes.get_position().width * WIDTH
    letters = len(name)
    while letters > 5 and text_width(shorten(name, letters)) > width:
        letters -= 1
    axes.set_title(shorten(name, letters), loc="left", fontsize=SMALL_SIZE, color=INK, pad=3.0)


def show_percent(axes: Axes) -> None:
    """Write the vertical axis, shares from 0 up, in percent."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")


def legend_height(n_rows: int) -> float:
    """Return what a legend of so many rows takes of the head of a figure, in inches."""
    return _LEGEND_ROW * n_rows + 0.05


def add_figure_legend(figure: Figure, handles: Sequence[Artist], columns: int = 2) -> None:
    """Put a legend between the title and all panels, for which the head of the figure must have room.

    Parameters
    ----------
    figure : Figure
        From :func:`new_figure`.
    handles : sequence of Artist
        What is explained, each by its own label.
    columns : int
        Entries in a row.
    """
    figure.legend(
        handles=handles, loc="upper left",
        bbox_to_anchor=(EDGE / WIDTH, 1.0 - TITLE_HEIGHT / figure.get_figheight()),
        ncols=columns, frameon=False, fontsize=SMALL_SIZE, labelcolor=INK, borderaxespad=0.0, borderpad=0.0,
        handlelength=1.4, handletextpad=0.5, columnspacing=1.2, labelspacing=0.35,
    )  # fmt: skip


def mark_thresholds(axes: Axes, divergent: float, similar: float) -> None:
    """Draw the divergent threshold as a dotted vertical line and the similar one as a dashed line."""
    axes.axvline(divergent, color=INK, linestyle=DOTTED, linewidth=1.2)
    axes.axvline(similar, color=INK, linestyle=DASHED, linewidth=1.2)


def say_thresholds(divergent: float, similar: float) -> tuple[str, str]:
    """Return what stands at the lines of both thresholds.

    >>> say_thresholds(0.49834, 0.66167)
    ('divergent ≤ 0.4983', 'similar ≥ 0.6617')
    """
    return f"divergent ≤ {divergent:.4f}", f"similar ≥ {similar:.4f}"


def size_of(axes: Axes) -> tuple[float, float]:
    """Return width and height of the figure of a panel, in inches."""
    width, height = axes.figure.get_size_inches()  # type: ignore[union-attr]
    return float(width), float(height)


def write_lines(axes: Axes, x: float, text: str, *, align: str = "center") -> None:
    """Write above a panel, at a share of its width, the last line just above its upper end."""
    height = axes.get_position().height * size_of(axes)[1]
    for number, line in enumerate(reversed(text.split("\n"))):
        y = 1.0 + (0.05 + LINE_HEIGHT * number) / height
        axes.text(
            x, y, line, transform=axes.transAxes, ha=align, va="baseline", color=INK, fontsize=SMALL_SIZE
        )


def label_thresholds(axes: Axes, divergent: float, similar: float) -> None:
    """Name both thresholds above their lines, in two lines each where one would not do.

    Labels that would meet or stick out, of the figure on the left and of the panel on the right, are pushed
    apart and back.
    """
    low, high = axes.get_xlim()
    panel, left = (share * WIDTH for share in (axes.get_position().width, axes.get_position().x0))
    texts = say_thresholds(divergent, similar)
    if sum(map(text_width, texts)) > 0.9 * panel:
        texts = (texts[0].replace(" ≤", "\n≤"), texts[1].replace(" ≥", "\n≥"))
    width = (max(map(text_width, texts)) + 0.06) / panel
    at = (np.array([divergent, similar]) - low) / (high - low)
    half = width / 2
    least = half - (left - EDGE) / panel
    centres = at.clip(least, 1 - half)
    if abs(centres[1] - centres[0]) < width:
        apart = half if at[0] <= at[1] else -half
        centres = centres.mean().clip(least + half, 1 - 2 * half) + np.array([-apart, apart])
    for centre, text in zip(centres, texts, strict=True):
        write_lines(axes, float(centre), text)


def say_range(means: Mapping[str, float]) -> str:
    """Say the smallest and the largest of some means, and which group types have them.

    >>> say_range({"similar_3": 0.9, "divergent_3": 0.49, "random_3": 0.57})
    '0.490 (divergent_3) to 0.900 (similar_3)'
    >>> say_range({"similar_3": 0.9})
    '0.900'
    """
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    if len(means) == 1:
        return f"{means[low]:.3f}"
    return f"{means[low]:.3f} ({low}) to {means[high]:.3f} ({high})"


def say_types(names: Sequence[str]) -> str:
    """Name a group type, or say how many there are.

    >>> say_types(["similar_3"]), say_types(["similar_3", "similar_5"])
    ('similar_3', '2 group types')
    """
    return names[0] if len(names) == 1 else f"{len(names)} group types"


@default_settings()
def save_png(figure: Figure, path: Path) -> None:
    """Write a PNG without date or software, so that the same figure gives the same bytes."""
    # Half of the time of the usual compression, for a twelfth more bytes.
    quick = {"compress_level": 3}
    FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
        path, metadata={"Software": None}, pil_kwargs=quick
    )


@default_settings()
def save_svg(figure: Figure, path: Path) -> None:
    """Write an SVG whose texts are texts, without date, so that the same figure gives the same bytes."""
    matplotlib.rcParams["svg.fonttype"] = "none"
    # Names inside of the file are hashes; those of another figure on a page must be others.
    matplotlib.rcParams["svg.hashsalt"] = path.stem
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    FigureCanvasSVG(figure).print_svg(path, metadata=metadata)  # type: ignore[no-untyped-call]
