"""The orders of an evaluation, read back from its files; grouprec need not be installed for that."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from elsa_groups.commands.evaluate.leaders import Order, PairedDifference
from elsa_groups.commands.evaluate.measures import COUPLED, HEADLINES

ORDERS, DIFFERENCES = "orders.parquet", "differences.parquet"


def read_headlines(read: Callable[[str], Path]) -> dict[str, Order]:
    """Return the orders by coupled nDCG@20 of the first recommender, by family and type.

    Parameters
    ----------
    read : callable
        From the name of a file of an evaluation to its local copy.
    """
    (measured,) = (each for each in HEADLINES if each.protocol == COUPLED)
    where = [(name, "=", getattr(measured, name)) for name in ("protocol", "metric", "over_members")]
    pairs: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(read(DIFFERENCES), filters=where).to_pylist():
        of_name = pairs.setdefault(row["groups_of"], [])
        # Of several, the first recommender's come first.
        if not of_name or row["recommender"] == of_name[0]["recommender"]:
            of_name.append(row)
    means: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(read(ORDERS), filters=where).to_pylist():
        if row["groups_of"] in pairs and row["recommender"] == pairs[row["groups_of"]][0]["recommender"]:
            means.setdefault(row["groups_of"], []).append(row)
    return {
        name: Order(
            name,
            rows[0]["recommender"],
            measured,
            rows[0]["groups"],
            {row["aggregator"]: row["mean"] for row in sorted(rows, key=lambda row: row["rank"])},
            tuple(_difference(row) for row in pairs[name]),
        )
        for name, rows in means.items()
    }


def _difference(row: dict[str, Any]) -> PairedDifference:
    numbers = (row[name] for name in ("difference", "low", "high", "standard_error", "same"))
    return PairedDifference(row["first"], row["second"], *numbers)
