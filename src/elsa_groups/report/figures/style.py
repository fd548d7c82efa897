"""One style for all figures: readable at 500 px, the same bytes for the same numbers.

Only the objects of matplotlib are used, and never pyplot.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from elsa_groups.report.text_tables import shorten

Floats = NDArray[np.float64]

# Okabe and Ito's colours, which people with any colour vision can tell apart; greys for the background.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, GREY, GRID = "#202124", "#A9AFB5", "#ECEEF0"
# Of cells, from the faintest to the fullest.
BLUES, GREYS = ("#E6F1F8", BLUE), ("#F2F3F4", "#7D848B")
# Points and inches: 1,000 pixels wide, so that letters are still 12 pixels high at half of that.
WIDTH, DPI = 5.0, 200
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 10.5, 9.0, 8.5

# Lines of the divergent and the similar threshold.
DOTTED, DASHED = (0, (1, 1.5)), (0, (5, 2))

# Height of a row of a key, in inches, and the longest key that is written in full beside it.
_ROW_HEIGHT, _KEY_WIDTH = 0.3, 20
# Letters that fit above all panels of a row together.
_PANEL_LETTERS = 48

# Of the title, and of a row of a legend below it, in inches.
_TITLE_HEIGHT, _LEGEND_ROW = 0.26, 0.24
# Width of a threshold's label, as a share of the axes.
_LABEL_WIDTH = 0.29


@contextmanager
def default_settings() -> Iterator[None]:
    """Draw by matplotlib's own defaults, so that no user's settings change a figure."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def new_figure(
    title: str,
    n_panels: int,
    *,
    columns: int = 1,
    panel_height: float = 1.9,
    margin: float = 1.2,
    sharex: bool = True,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels in the common style, one above the other or in rows of several.

    Parameters
    ----------
    title : str
        At the top left.
    n_panels : int
        Number of panels.
    columns : int
        Panels in a row; the last row may be shorter.
    panel_height, margin : float
        Height of a row of panels, and of all that is above and below the rows, in inches.
    sharex, sharey : bool
        Whether all panels have the same horizontal or vertical axis.
    """
    rows = -(-n_panels // columns)
    size = (WIDTH, margin + panel_height * rows)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.02, ha="left", fontsize=TITLE_SIZE, fontweight="bold", color=INK)
    grid = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    for axes in panels[n_panels:]:
        axes.remove()
    for axes in panels[max(0, n_panels - columns) : n_panels]:
        # The lowest of a column, also where the last row does not reach it.
        axes.tick_params(labelbottom=True)
    for axes in panels[:n_panels]:
        _put_in_style(axes)
    return figure, panels[:n_panels]


def new_rows(title: str, keys: Sequence[str], margin: float) -> tuple[Figure, Axes]:
    """Return a figure with a row for each key, the first on top, at heights 0, 1, ...

    Parameters
    ----------
    title : str
        At the top left.
    keys : sequence of str
        Keys, written on the left.
    margin : float
        Height of all that is above and below the rows, in inches.
    """
    figure, (axes,) = new_figure(title, 1, panel_height=_ROW_HEIGHT * len(keys), margin=margin)
    axes.set_yticks(range(len(keys)), [shorten(key, _KEY_WIDTH) for key in keys])
    axes.set_ylim(len(keys) - 0.5, -0.5)
    return figure, axes


def write_beside(axes: Axes, row: int, text: str) -> None:
    """Write a text to the right of a row."""
    axes.text(
        1.02, row, text, transform=axes.get_yaxis_transform(), va="center", color=INK, fontsize=SMALL_SIZE
    )


def _put_in_style(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL_SIZE, color=GREY, labelcolor=INK)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.label.set(size=TEXT_SIZE, color=INK)
    axes.yaxis.label.set(size=TEXT_SIZE, color=INK)


def name_axes(figure: Figure, x: str, y: str = "") -> None:
    """Name the axes that all panels have in common."""
    figure.supxlabel(x, fontsize=TEXT_SIZE, color=INK)
    if y:
        figure.supylabel(y, fontsize=TEXT_SIZE, color=INK)


def name_panel(axes: Axes, key: str, columns: int) -> None:
    """Write the key of a panel above it, one of ``columns`` in its row."""
    axes.set_title(shorten(key, _PANEL_LETTERS // columns), loc="left", fontsize=SMALL_SIZE, color=INK)


def settle(figure: Figure) -> None:
    """Lay out a finished figure once and for all: every drawing would start from the layout of the last."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def show_percent(axes: Axes) -> None:
    """Write the vertical axis, shares from 0 up, in percent."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")


def add_legend(axes: Axes, above: float, columns: int = 2, *, reverse: bool = False) -> None:
    """Put the legend ``above`` the axes, in shares of their height."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0 + above), ncols=columns, frameon=False,
        fontsize=SMALL_SIZE, labelcolor=INK, borderaxespad=0.2, borderpad=0.0, handlelength=1.4,
        columnspacing=1.5, reverse=reverse,
    )  # fmt: skip


def add_figure_legend(figure: Figure, handles: Sequence[Artist], columns: int = 2) -> None:
    """Put a legend between the title and all panels.

    Parameters
    ----------
    figure : Figure
        From :func:`new_figure`.
    handles : sequence of Artist
        What is explained, each by its own label.
    columns : int
        Entries in a row.
    """
    height = figure.get_figheight()
    legend = figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.02, 1.0 - _TITLE_HEIGHT / height),
        ncols=columns, frameon=False, fontsize=SMALL_SIZE, labelcolor=INK, borderaxespad=0.0, borderpad=0.0,
        handlelength=1.4, columnspacing=1.5,
    )  # fmt: skip
    # The layout knows the title alone: a legend outside of panels it would put over it.
    legend.set_in_layout(False)
    rows = -(-len(handles) // columns)
    figure.set_layout_engine("constrained", rect=(0.0, 0.0, 1.0, 1.0 - _LEGEND_ROW * rows / height))


def color_cells(
    axes: Axes,
    x_edges: Floats,
    y_edges: Floats,
    values: Floats,
    *,
    colors: tuple[str, str],
    limits: tuple[float, float],
) -> QuadMesh:
    """Colour the cells of a table by their values, on a logarithmic scale; those of 0 stay empty.

    Parameters
    ----------
    axes : Axes
        Where to draw.
    x_edges, y_edges : (n_columns + 1,) and (n_rows + 1,) float64
        Where cells end.
    values : (n_rows, n_columns) float64 >= 0
        Of the cells.
    colors : (str, str)
        The faintest and the fullest colour.
    limits : (float, float)
        Values that have these colours; values beyond have them, too.
    """
    return axes.pcolormesh(
        x_edges, y_edges, np.ma.masked_equal(values, 0.0), norm=LogNorm(*limits),
        cmap=LinearSegmentedColormap.from_list("cells", colors),
    )  # fmt: skip


def mark_thresholds(axes: Axes, divergent: float, similar: float) -> None:
    """Draw the divergent threshold as a dotted vertical line and the similar one as a dashed line."""
    axes.axvline(divergent, color=INK, linestyle=DOTTED, linewidth=1.2)
    axes.axvline(similar, color=INK, linestyle=DASHED, linewidth=1.2)


def label_thresholds(axes: Axes, divergent: float, similar: float) -> None:
    """Name both thresholds above their lines; labels that would meet or stick out are pushed apart."""
    low, high = axes.get_xlim()
    at = (np.array([divergent, similar]) - low) / (high - low)
    half = _LABEL_WIDTH / 2
    centres = at.clip(half, 1 - half)
    if abs(centres[1] - centres[0]) < _LABEL_WIDTH:
        apart = half if at[0] <= at[1] else -half
        centres = centres.mean().clip(2 * half, 1 - 2 * half) + np.array([-apart, apart])
    texts = (f"divergent ≤ {divergent:.3f}", f"similar ≥ {similar:.3f}")
    for centre, text in zip(centres, texts, strict=True):
        axes.text(
            centre, 1.01, text, transform=axes.transAxes, ha="center", va="bottom", color=INK,
            fontsize=SMALL_SIZE,
        )  # fmt: skip


def say_range(means: Mapping[str, float]) -> str:
    """Say the smallest and the largest of some means, and which keys have them.

    >>> say_range({"similar_3": 0.9, "divergent_3": 0.49, "random_3": 0.57})
    '0.490 (divergent_3) to 0.900 (similar_3)'
    >>> say_range({"similar_3": 0.9})
    '0.900'
    """
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    if len(means) == 1:
        return f"{means[low]:.3f}"
    return f"{means[low]:.3f} ({low}) to {means[high]:.3f} ({high})"


def say_keys(keys: Sequence[str]) -> str:
    """Name a key, or say how many there are.

    >>> say_keys(["similar_3"]), say_keys(["similar_3", "similar_5"])
    ('similar_3', '2 keys')
    """
    return keys[0] if len(keys) == 1 else f"{len(keys)} keys"


@default_settings()
def save_png(figure: Figure, path: Path) -> None:
    """Write a PNG without date or software, so that the same figure gives the same bytes."""
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
