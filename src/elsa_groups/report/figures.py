"""Figures: one style, readable at 500 px, the same bytes for the same numbers.

matplotlib is imported where a figure is drawn, through its objects alone: no pyplot.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

# Okabe and Ito's colours, which people with any colour vision can tell apart; greys for the background.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, GREY, GRID = "#202124", "#A9AFB5", "#ECEEF0"
# Points and inches: 1,000 pixels wide, so that letters are still 12 pixels high at half of that.
WIDTH, DPI = 5.0, 200
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 10.5, 9.0, 8.5

_BINS = 40
# Width of a threshold's label, as a share of the axes.
_LABEL_WIDTH = 0.29


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
    """Distribution of a key's group similarity beside random groups, over common bins.

    Attributes
    ----------
    key : str
        The key.
    edges : NDArray[np.float64], shape (n_bins + 1,)
        Bin edges; the last bin is closed.
    groups, random : Series
        Group similarity of the key and of its baseline.
    within, across : Series or None
        Mean similarity of a group's pairs inside subgroups and between them, where there are such pairs.
    similar, divergent : float
        Thresholds.
    """

    key: str
    edges: Floats
    groups: Series
    random: Series
    within: Series | None
    across: Series | None
    similar: float
    divergent: float

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


def count_similarities(
    key: str,
    similarities: Floats,
    random_similarities: Floats,
    *,
    similar: float,
    divergent: float,
    within: Floats | None = None,
    across: Floats | None = None,
) -> Histogram:
    """Count group similarities in 40 equal bins, from the smallest to the largest number in the figure.

    Parameters
    ----------
    key : str
        The key.
    similarities, random_similarities : (n,) float64 in [0, 1], n >= 1
        Of the groups of the key and of its baseline; the numbers of groups may differ.
    similar, divergent : float in [0, 1]
        Thresholds.
    within, across : (n_groups,) float64 in [0, 1] or NaN, optional
        For a key of several subgroups: mean similarity inside subgroups and between them.

    Raises
    ------
    ValueError
        If there are no groups, or no random groups.
    """
    for name, values in (("similarities", similarities), ("random_similarities", random_similarities)):
        if not len(values):
            raise ValueError(f"{name}: expected at least one group, came none")
    inside, between = _defined(within), _defined(across)
    edges = _edges(np.concatenate([similarities, random_similarities, inside, between, [similar, divergent]]))
    return Histogram(
        key=key,
        edges=edges,
        groups=_count(similarities, edges),
        random=_count(random_similarities, edges),
        within=_count(inside, edges) if len(inside) else None,
        across=_count(between, edges) if len(between) else None,
        similar=similar,
        divergent=divergent,
    )


def _defined(values: Floats | None) -> Floats:
    return np.empty(0) if values is None else values[~np.isnan(values)]


def _count(values: Floats, edges: Floats) -> Series:
    return Series(np.histogram(values, edges)[0], float(values.mean()))


def _edges(values: Floats) -> Floats:
    low, high = float(values.min()), float(values.max())
    # Identical values still need bins of some width.
    pad = 0.01 if high - low < 1e-9 else 0.0
    return np.linspace(low - pad, high + pad, _BINS + 1)


@contextmanager
def _default_settings() -> Iterator[None]:
    """Draw by matplotlib's own defaults, so that no user's settings change a figure."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


@_default_settings()
def draw_histogram(histogram: Histogram) -> "Figure":
    """Draw a histogram as shares of groups, the baseline behind, thresholds and means marked.

    A key of several subgroups gets a second panel, with the similarity inside and between them.
    """
    h = histogram
    two = h.within is not None or h.across is not None
    figure, panels = new_figure(f"{h.key} · {_groups(h.groups.n_groups)}", 2 if two else 1)
    _fill(
        panels[0],
        h.edges,
        h.random,
        GREY,
        f"{_groups(h.random.n_groups, 'random')}, mean {h.random.mean:.3f}",
    )
    _fill(panels[0], h.edges, h.groups, BLUE, f"this key, mean {h.groups.mean:.3f}")
    if h.across is not None:
        _fill(panels[1], h.edges, h.across, ORANGE, f"across, mean {h.across.mean:.3f}")
    if h.within is not None:
        _fill(panels[1], h.edges, h.within, GREEN, f"within subgroups, mean {h.within.mean:.3f}")
    for axes in panels:
        axes.margins(x=0.02)
        _finish(axes, above=0.09 if axes is panels[0] else 0.0)
        axes.axvline(h.divergent, color=INK, linestyle=(0, (1, 1.5)), linewidth=1.2)
        axes.axvline(h.similar, color=INK, linestyle=(0, (5, 2)), linewidth=1.2)
    _label_thresholds(panels[0], h.divergent, h.similar)
    panels[-1].set_xlabel("group similarity: mean over pairs of (1 + cos) / 2")
    _settle(figure)
    return figure


def _groups(count: int, kind: str = "") -> str:
    return f"{count:,} {kind} group{'s' if count != 1 else ''}".replace("  ", " ")


def new_figure(title: str, n_panels: int) -> "tuple[Figure, list[Axes]]":
    """Return a figure of panels one above the other in the common style, the horizontal axis shared.

    Parameters
    ----------
    title : str
        At the top left.
    n_panels : int
        Number of panels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 1.2 + 1.9 * n_panels), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.02, ha="left", fontsize=TITLE_SIZE, fontweight="bold", color=INK)
    panels: list[Axes] = list(figure.subplots(n_panels, sharex=True, squeeze=False)[:, 0])
    for axes in panels:
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(GREY)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=SMALL_SIZE, color=GREY, labelcolor=INK)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.label.set(size=TEXT_SIZE, color=INK)
        axes.yaxis.label.set(size=TEXT_SIZE, color=INK)
    return figure, panels


def _settle(figure: "Figure") -> None:
    """Lay out a finished figure once and for all: every drawing would start from the layout of the last."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _finish(axes: "Axes", above: float) -> None:
    """Scale and label the shares, and put the legend ``above`` the axes, in shares of their height."""
    axes.set_ylim(bottom=0)
    axes.set_ylabel("share of groups")
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0 + above), ncols=2, frameon=False, fontsize=SMALL_SIZE,
        labelcolor=INK, borderaxespad=0.2, borderpad=0.0, handlelength=1.4, columnspacing=1.5, reverse=True,
    )  # fmt: skip


def _fill(axes: "Axes", edges: Floats, series: Series, color: str, label: str) -> None:
    """Draw the shares of a series over the bins, and its mean as a triangle on the axis."""
    axes.stairs(series.counts / series.n_groups, edges, fill=True, color=color, alpha=0.75, label=label)
    axes.plot(
        [series.mean], [0.0], marker="^", markersize=7, color=color, markeredgecolor="white", clip_on=False,
        linestyle="none", zorder=5,
    )  # fmt: skip


def _label_thresholds(axes: "Axes", divergent: float, similar: float) -> None:
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


@_default_settings()
def save_png(figure: "Figure", path: Path) -> None:
    """Write a PNG without date or software, so that the same figure gives the same bytes."""
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
