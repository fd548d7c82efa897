"""Figures: one style, readable at 500 px, the same bytes for the same numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

# Okabe and Ito's colours, which people with any colour vision can tell apart.
BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#9AA0A6", "#202124"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E4E6E8",
    "legend.frameon": False,
    "text.color": INK,
}
SIZE, DPI = (8.0, 4.6), 125
_BINS = 40


@dataclass(frozen=True)
class Histogram:
    """Distribution of a key's group similarity beside random groups, over common bins.

    Attributes
    ----------
    key : str
        The key.
    edges : NDArray[np.float64], shape (n_bins + 1,)
        Bin edges; the last bin is closed.
    counts, random_counts : NDArray[np.int64], shape (n_bins,)
        Groups of the key and of the baseline in each bin.
    similar, divergent : float
        Thresholds.
    """

    key: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    random_counts: NDArray[np.int64]
    similar: float
    divergent: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, for JSON."""
        return {
            "key": self.key,
            "edges": self.edges.tolist(),
            "counts": self.counts.tolist(),
            "random_counts": self.random_counts.tolist(),
            "thresholds": {"similar": self.similar, "divergent": self.divergent},
        }


def count_similarities(
    key: str,
    similarities: NDArray[np.float64],
    random_similarities: NDArray[np.float64],
    *,
    similar: float,
    divergent: float,
) -> Histogram:
    """Count group similarities in 40 bins that hold all of them and the thresholds.

    Parameters
    ----------
    key : str
        The key.
    similarities, random_similarities : (n,) float64 in [0, 1]
        Of the groups of the key and of its baseline; the numbers may differ.
    similar, divergent : float
        Thresholds.
    """
    everything = np.concatenate([similarities, random_similarities, [similar, divergent]])
    low, high = float(everything.min()), float(everything.max())
    # Identical values still need a bin of some width.
    pad = 0.01 if high - low < 1e-9 else 0.02 * (high - low)
    edges = np.linspace(low - pad, high + pad, _BINS + 1)
    counts, random_counts = (np.histogram(values, edges)[0] for values in (similarities, random_similarities))
    return Histogram(key, edges, counts, random_counts, similar, divergent)


def draw_histogram(histogram: Histogram) -> Figure:
    """Draw a histogram as shares of groups, the baseline behind, the thresholds marked."""
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]  # keys are a literal type
        figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        n_groups, n_random = int(histogram.counts.sum()), int(histogram.random_counts.sum())
        random_shares = histogram.random_counts / max(n_random, 1)
        shares = histogram.counts / max(n_groups, 1)
        axes.stairs(
            random_shares, histogram.edges, fill=True, color="#D5D8DB", label=f"random ({n_random:,})"
        )
        axes.stairs(
            shares,
            histogram.edges,
            fill=True,
            color=BLUE,
            alpha=0.75,
            label=f"{histogram.key} ({n_groups:,})",
        )
        top = float(max(shares.max(), random_shares.max())) * 1.18
        _mark(axes, histogram.divergent, "divergent", ORANGE, top, right_of_line=False)
        _mark(axes, histogram.similar, "similar", GREEN, top, right_of_line=True)
        axes.set(
            title=f"Similarity of {histogram.key} groups",
            xlabel="mean similarity of the members' pairs, (1 + cos) / 2",
            ylabel="share of groups",
            xlim=(histogram.edges[0], histogram.edges[-1]),
            ylim=(0, top),
        )
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _mark(axes: Axes, at: float, name: str, color: str, top: float, *, right_of_line: bool) -> None:
    """Mark a threshold by a dashed line whose label leans away from the other one."""
    axes.axvline(at, color=color, linestyle=(0, (4, 2)), linewidth=1.8)
    low, high = axes.get_xlim()
    shift = 0.008 * (high - low)
    axes.text(
        at + (shift if right_of_line else -shift),
        top * 0.985,
        f"{name} {at:.3f}",
        color=color,
        ha="left" if right_of_line else "right",
        va="top",
        fontsize=12,
    )


def save_png(figure: Figure, path: Path) -> None:
    """Write a PNG without date or software, so that the same figure gives the same bytes."""
    figure.savefig(path, format="png", metadata={"Software": None})
