"""Ranks of aggregators in several runs: a panel for each family and group type."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from elsa_groups.commands.compare.orders import RankedRuns
from elsa_groups.report.colors import BAND, BLUE, INK
from elsa_groups.report.figures.run import RunFigure
from elsa_groups.report.figures.style import SMALL_SIZE, default_settings, new_rows

RANKS_FIGURE = "ranks"
# Columns of a panel, and panels of the figure, that can still be read; the table has all.
_RUNS_UP_TO, _PANELS_UP_TO = 20, 12


def rank_figures(ranked: Sequence[RankedRuns]) -> list[RunFigure]:
    """Return the figure of ranks where there are evaluations, and not too many runs to be read."""
    shown = [of for of in ranked if len(of.runs) <= _RUNS_UP_TO][:_PANELS_UP_TO]
    return [RunFigure.of(RANKS_FIGURE, draw_ranks(shown), describe_ranks(shown))] if shown else []


@default_settings()
def draw_ranks(ranked: Sequence[RankedRuns]) -> Figure:
    """Draw the rank of every aggregator (rows) in every run (columns), the leader dark."""
    orders = [np.argsort(of.ranks.mean(axis=0), kind="stable") for of in ranked]
    names = [
        (of.name, [of.aggregators[row] for row in order]) for of, order in zip(ranked, orders, strict=True)
    ]
    figure, panels = new_rows("Rank of each aggregator", names, "run")
    for axes, of, order in zip(panels, ranked, orders, strict=True):
        _draw_panel(axes, of, order)
    return figure


def _draw_panel(axes: Axes, of: RankedRuns, order: NDArray[np.intp]) -> None:
    ranks = of.ranks
    for row, aggregator in enumerate(order):
        for column in range(len(of.runs)):
            rank = ranks[column, aggregator]
            color = BLUE if rank == 1 else BAND
            axes.add_patch(Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, facecolor=color))
            axes.text(
                column, row, f"{rank:g}", ha="center", va="center_baseline", fontsize=SMALL_SIZE - 1.5,
                color="#FFFFFF" if rank == 1 else INK,
            )  # fmt: skip
    axes.set_xticks(range(len(of.runs)), [str(run + 1) for run in of.runs])
    axes.set_xlim(-0.5, len(of.runs) - 0.5)


def describe_ranks(ranked: Sequence[RankedRuns]) -> str:
    """Say in words and numbers what :func:`draw_ranks` shows."""
    best = []
    for of in ranked:
        means = of.ranks.mean(axis=0)
        first = int(np.argmin(means))
        best.append(f"{of.name} {of.aggregators[first]} ({means[first]:.1f})")
    return (
        "A panel for each family and group type: a column for each run, a row for each aggregator, and in the"
        " cells its rank by nDCG@20, 1 the highest mean, in blue. The best mean rank over runs:"
        f" {', '.join(best)}."
    )
