"""Which aggregator leads for each family, and how far the others are behind."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from elsa_groups.commands.evaluate.leaders import Order, say_leader
from elsa_groups.commands.evaluate.measures import COUPLED, DECOUPLED
from elsa_groups.commands.evaluate.tables import headlines
from elsa_groups.report.colors import BLUE, GREY, INK
from elsa_groups.report.figures.run import RunFigure
from elsa_groups.report.figures.style import SMALL_SIZE, default_settings, new_rows

# Panels of a figure: of families, and of their types as far as there is room.
_PANELS_UP_TO = 16
_TITLES = {COUPLED: "Held-out items of members", DECOUPLED: "Members' own scores"}


def order_figures(orders: Sequence[Order]) -> list[RunFigure]:
    """Return a figure of the leaders for each protocol."""
    figures = []
    for protocol in (COUPLED, DECOUPLED):
        shown = headlines(orders, protocol)[:_PANELS_UP_TO]
        if shown:
            figure = draw_leaders(f"{_TITLES[protocol]}: behind the leader", shown)
            figures.append(RunFigure.of(f"leaders_{protocol}", figure, describe_leaders(shown)))
    return figures


@default_settings()
def draw_leaders(title: str, orders: Sequence[Order]) -> Figure:
    """Draw a panel for each type or family, a row for each aggregator, the leader first.

    Parameters
    ----------
    title : str
        At the top left.
    orders : sequence of Order
        By one measure.
    """
    names = [(order.name, [*order.means]) for order in orders]
    figure, panels = new_rows(title, names, "nDCG@20 minus that of the leader, 95% interval", right=0.46)
    for axes, order in zip(panels, orders, strict=True):
        _draw_order(axes, order)
    return figure


def _draw_order(axes: Axes, order: Order) -> None:
    axes.axvline(0.0, color=GREY, linewidth=1.0)
    others = order.to_leader()
    for row, (name, mean) in enumerate(order.means.items()):
        behind = others[name].seen_from(name) if name in others else None
        at = mean - order.means[order.leader]
        if behind and behind.low is not None and behind.high is not None:
            axes.hlines(row, behind.low, behind.high, color=BLUE, linewidth=1.3)
        told = behind is None or behind.is_told
        axes.plot(
            at, row, marker="o", markersize=4.5, linestyle="none", markeredgecolor=BLUE,
            markerfacecolor=BLUE if told else "white", markeredgewidth=1.2,
        )  # fmt: skip
        axes.text(
            1.03, row, f"{mean:.3f}", transform=axes.get_yaxis_transform(), ha="left", va="center_baseline",
            color=INK, fontsize=SMALL_SIZE,
        )  # fmt: skip
    axes.margins(x=0.05)
    axes.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))


def describe_leaders(orders: Sequence[Order]) -> str:
    """Say in words what :func:`draw_leaders` shows."""
    told = "; ".join(f"{order.name}: {say_leader(order)}" for order in orders)
    return (
        "A panel for each family and group type, aggregators from the best down, on the right their means."
        f" A filled mark is told from the leader, a hollow one is not. {told}."
    )
