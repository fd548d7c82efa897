"""Distribution of the similarity of the groups of a type, beside random groups."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from elsa_groups.report.colors import BLUE, GREEN, GREY, INK, ORANGE
from elsa_groups.report.figures.data import Floats, Histogram, Series
from elsa_groups.report.figures.style import (
    LINE_HEIGHT,
    SMALL_SIZE,
    WIDTH,
    Room,
    default_settings,
    label_thresholds,
    legend_height,
    mark_thresholds,
    new_figure,
    show_percent,
    size_of,
)
from elsa_groups.report.text_tables import shorten


@default_settings()
def draw_histogram(histogram: Histogram) -> Figure:
    """Draw a histogram as shares of groups, the baseline behind, thresholds and means marked.

    A type of several subgroups gets a second panel, with the similarity inside and between them.
    """
    h = histogram
    two = h.within is not None or h.across is not None
    room = Room(left=0.62, head=LINE_HEIGHT + 0.08 + legend_height(1), between=legend_height(1) + 0.28)
    title = f"{shorten(h.key, 24)} · {_groups(h.groups.n_groups)}"
    figure, panels = new_figure(title, 2 if two else 1, room, panel_height=1.1)
    random = f"random, mean {h.random.mean:.3f}"
    _fill(panels[0], h.edges, h.random, GREY, random)
    whole = "all pairs" if two else "this type"
    _fill(panels[0], h.edges, h.groups, GREEN if two else BLUE, f"{whole}, mean {h.groups.mean:.3f}")
    if h.across is not None:
        _fill(panels[1], h.edges, h.across, ORANGE, f"across, mean {h.across.mean:.3f}")
    if h.within is not None:
        _fill(panels[1], h.edges, h.within, BLUE, f"within, mean {h.within.mean:.3f}")
    for axes in panels:
        axes.set_xlim(h.edges[0], h.edges[-1])
        axes.yaxis.set_major_locator(MaxNLocator(4))
        show_percent(axes)
        axes.set_ylabel("share of groups")
        axes.yaxis.set_label_coords(-0.44 / (WIDTH - room.left - room.right), 0.5)
        _add_legend(axes, above=LINE_HEIGHT + 0.06 if axes is panels[0] else 0.0)
        mark_thresholds(axes, h.divergent, h.similar)
    label_thresholds(panels[0], h.divergent, h.similar)
    panels[-1].set_xlabel("group similarity: mean over pairs; ▲ mean of groups")
    return figure


def _add_legend(axes: Axes, above: float) -> None:
    """Put a legend so many inches above the axes, what is painted last first."""
    height = axes.get_position().height * size_of(axes)[1]
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0 + above / height), ncols=2, frameon=False,
        fontsize=SMALL_SIZE, labelcolor=INK, borderaxespad=0.2, borderpad=0.0, handlelength=1.2,
        handletextpad=0.5, columnspacing=1.2, reverse=True,
    )  # fmt: skip


def describe_histogram(histogram: Histogram) -> str:
    """Say in a sentence what a histogram shows."""
    h = histogram
    told = (
        f"Histogram of the similarity of {h.groups.n_groups:,} groups of {h.key}, mean {h.groups.mean:.3f},"
        f" before that of {h.random.n_groups:,} random groups, mean {h.random.mean:.3f}; pairs are similar"
        f" from {h.similar:.4f} and divergent up to {h.divergent:.4f}."
    )
    if h.within is not None:
        told += f" Pairs within subgroups have mean {h.within.mean:.3f}."
    if h.across is not None:
        told += f" Pairs across subgroups have mean {h.across.mean:.3f}."
    return told


def _groups(count: int, kind: str = "") -> str:
    return f"{count:,} {kind} group{'s' if count != 1 else ''}".replace("  ", " ")


def _fill(axes: Axes, edges: Floats, series: Series, color: str, label: str) -> None:
    """Draw the shares of a series over the bins, and its mean as a triangle on the axis."""
    axes.stairs(series.counts / series.n_groups, edges, fill=True, color=color, alpha=0.75, label=label)
    axes.plot(
        [series.mean], [0.0], marker="^", markersize=7, color=color, markeredgecolor="white", clip_on=False,
        linestyle="none", zorder=5,
    )  # fmt: skip
