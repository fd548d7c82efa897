"""Distribution of the similarity of the groups of a type, beside random groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures.bins import bin_edges
from elsa_groups.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LINE_HEIGHT,
    ORANGE,
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

Floats = NDArray[np.float64]

_BINS = 40


@dataclass(frozen=True)
class Series:
    """One distribution in a histogram.

    Attributes
    ----------
    counts : NDArray[np.int64], shape (n_bins,)
        Groups in each bin.
    mean : float
        Mean over the groups.
    """

    counts: NDArray[np.int64]
    mean: float

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class Histogram:
    """Distribution of the group similarity of a type beside random groups.

    Attributes
    ----------
    key : str
        The group type.
    edges : NDArray[np.float64], shape (n_bins + 1,)
        Bin edges, the same for all group types of a run; the last bin is closed. Both thresholds are
        among them, the divergent one as the next larger number, so that values equal to it are below.
    groups, random : Series
        Group similarity of the type and of random groups.
    similar, divergent : float
        Thresholds.
    within, across : Series or None
        Mean similarity of a group's pairs inside subgroups and between them, where there are such pairs.
    """

    key: str
    edges: Floats
    groups: Series
    random: Series
    similar: float
    divergent: float
    within: Series | None = None
    across: Series | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, for JSON: all that the figure is drawn from."""
        named = {"": self.groups, "random_": self.random, "within_": self.within, "across_": self.across}
        series = {name: s for name, s in named.items() if s is not None}
        return {
            "key": self.key,
            "edges": self.edges.tolist(),
            **{f"{name}counts": s.counts.tolist() for name, s in series.items()},
            **{f"{name}mean": s.mean for name, s in series.items()},
            "thresholds": {"similar": self.similar, "divergent": self.divergent},
        }


def count_similarities(results: Sequence[Result], *, similar: float, divergent: float) -> list[Histogram]:
    """Count the group similarities of every group type, all over the same bins.

    Parameters
    ----------
    results : sequence of Result
        One group type or more, each of at least one group.
    similar, divergent : float in [0, 1]
        Thresholds, which are edges of bins.
    """
    parts = [_parts_of(result) for result in results]
    everything = np.concatenate([values for part in parts for values in part.values()])
    low, high = float(everything.min()), float(everything.max())
    edges = bin_edges(low, high, similar=similar, divergent=divergent, n_bins=_BINS)
    return [
        Histogram(
            result.groups.key,
            edges,
            similar=similar,
            divergent=divergent,
            **{name: _count(v, edges) for name, v in part.items()},
        )
        for result, part in zip(results, parts, strict=True)
    ]


def _parts_of(result: Result) -> dict[str, Floats]:
    """Return what is counted of a group type: pairs within and across subgroups where it has several."""
    quality = result.quality
    parts = {"groups": quality.similarity, "random": result.baseline}
    if len(result.groups.sizes) > 1:
        sides = {"within": quality.within, "across": quality.across}
        defined = {name: values[~np.isnan(values)] for name, values in sides.items()}
        parts |= {name: values for name, values in defined.items() if len(values)}
    return parts


def _count(values: Floats, edges: Floats) -> Series:
    return Series(np.histogram(values, edges)[0], float(values.mean()))


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
