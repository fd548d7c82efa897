"""Tables and sentences of an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

from elsa_groups.commands.evaluate.leaders import Order, say_leader
from elsa_groups.commands.evaluate.measures import (
    COUPLED,
    DECOUPLED,
    HEADLINES,
    LIST,
    OVER_MEMBERS,
    ListMeasure,
)
from elsa_groups.report.tables import Row

TABLE = "leaders.json"
_METRIC = "ndcg_at_20"
_IN_TABLE = (*(("ndcg_at_20", over) for over in OVER_MEMBERS), ("recall_at_20", "mean"))

# Orders by type or family, recommender and measure.
Found = Mapping[tuple[str, str, ListMeasure], Order]


def headlines(
    orders: Sequence[Order], protocol: str = COUPLED, recommender: str | None = None
) -> list[Order]:
    """Return the orders by mean nDCG@20 of a recommender, mostly the first, of every type and family."""
    (measured,) = (each for each in HEADLINES if each.protocol == protocol)
    whose = recommender or orders[0].recommender
    return [order for order in orders if order.measured == measured and order.recommender == whose]


def leaders_rows(orders: Sequence[Order]) -> list[Row]:
    """Return one row a type or family, recommender, protocol and aggregator, the leader first.

    ``difference``, ``low`` and ``high`` are the leader's nDCG@20 minus that of the aggregator, and its 95%
    confidence interval; ``told`` says whether that is above 0.
    """
    found = {(order.name, order.recommender, order.measured): order for order in orders}
    rows = []
    for order in (order for order in orders if order.measured in HEADLINES):
        others = order.to_leader()
        for rank, name in enumerate(order.means, start=1):
            row: Row = {"groups_of": order.name, "recommender": order.recommender}
            row |= {"protocol": order.measured.protocol, "aggregator": name, "rank": rank}
            row |= {"groups": order.n_groups} | _means(found, order, name)
            if name in others:
                apart = others[name]
                row |= {"difference": apart.mean, "low": apart.low, "high": apart.high, "told": apart.is_told}
            rows.append(row)
    return rows


def _means(found: Found, order: Order, aggregator: str) -> dict[str, float]:
    protocol = order.measured.protocol
    wanted = [ListMeasure(protocol, metric, over) for metric, over in _IN_TABLE] + [
        ListMeasure(LIST, "novelty_at_20")
    ]
    return {
        "_".join(part for part in (each.metric, each.over_members) if part): found[
            order.name, order.recommender, each
        ].means[aggregator]
        for each in wanted
    }


def metrics_of_orders(orders: Sequence[Order], types: Sequence[str]) -> dict[str, float]:
    """Return the metrics: coupled nDCG@20 of the first recommender, ``<type>/ndcg_at_20/<aggregator>``."""
    return {
        f"{order.name}/{_METRIC}/{name}": mean
        for order in headlines(orders)
        if order.name in types
        for name, mean in order.means.items()
    }


def sentences(orders: Sequence[Order], recommender: str | None = None) -> dict[str, dict[str, str]]:
    """Say by protocol, for every type and family, which leads by a recommender, mostly the first."""
    return {
        protocol: {order.name: say_leader(order) for order in headlines(orders, protocol, recommender)}
        for protocol in (COUPLED, DECOUPLED)
    }


def closing_text(orders: Sequence[Order]) -> str:
    """Return what the terminal shows in the end."""
    told = sentences(orders)[COUPLED]
    width = max(map(len, told), default=0)
    lines = [f"{name:<{width}}  {text}" for name, text in told.items()]
    return "\n".join([f"nDCG@20 of held-out items by {orders[0].recommender}, mean over members:", *lines])


def describe_evaluation(orders: Sequence[Order], groups_run: str) -> str:
    """Say in Markdown what an evaluation found, and how to make it again."""
    lines = [f"- `{name}`: {text}" for name, text in sentences(orders)[COUPLED].items()]
    again = f"Again: `mlflow run . -e evaluate -P groups_run_id={groups_run}`"
    head = f"nDCG@20 of held-out items by {orders[0].recommender}; read `evaluation.html` first.  \n{again}"
    return "\n".join([head, "", *lines])[:7500]


def orders_columns(orders: Sequence[Order]) -> dict[str, list[Any]]:
    """Return the mean of every measure and aggregator by columns."""
    rows = [
        (*_which(order), rank, name, order.n_groups, mean)
        for order in orders
        for rank, (name, mean) in enumerate(order.means.items(), start=1)
    ]
    return _columns((*_WHICH, "rank", "aggregator", "groups", "mean"), rows)


def differences_columns(orders: Sequence[Order]) -> dict[str, list[Any]]:
    """Return the paired difference of any two aggregators by columns, with intervals where there are some."""
    rows = [
        (*_which(order), each.first, each.second, each.mean, each.low, each.high, each.error, each.same)
        for order in orders
        for each in order.differences
    ]
    return _columns((*_WHICH, "first", "second", "difference", "low", "high", "standard_error", "same"), rows)


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


_WHICH = ("groups_of", "recommender", "protocol", "metric", "over_members")


def _which(order: Order) -> tuple[str, ...]:
    of = order.measured
    return order.name, order.recommender, of.protocol, of.metric, of.over_members
