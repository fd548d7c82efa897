"""The files of an evaluation: all numbers, a table, figures, a page and a record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from elsa_groups import __version__
from elsa_groups.base.digests import file_digest
from elsa_groups.base.files import write_json, write_text
from elsa_groups.commands.evaluate.figures import order_figures
from elsa_groups.commands.evaluate.leaders import Order, Values
from elsa_groups.commands.evaluate.measures import MEASURED
from elsa_groups.commands.evaluate.page import render_evaluation
from elsa_groups.commands.evaluate.reading import DIFFERENCES, ORDERS
from elsa_groups.commands.evaluate.tables import (
    TABLE,
    differences_columns,
    leaders_rows,
    orders_columns,
    sentences,
)
from elsa_groups.report.figures.run import save_pictures
from elsa_groups.report.tables import mlflow_table
from elsa_groups.settings.commands import EvaluateSettings
from elsa_groups.settings.plain import plain
from elsa_groups.tracking.evaluations import EVALUATION_RECORD
from elsa_groups.tracking.load import GroupsRun

PAGE, GROUPS = "evaluation.html", "evaluation.parquet"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came of an evaluation.

    Attributes
    ----------
    run_id : str
        Its run.
    settings : EvaluateSettings
        What was asked for.
    groups : GroupsRun
        The groups.
    types : sequence of Values
        What was measured, by type.
    orders : sequence of Order
        Of every type and family, recommender and measure.
    absent : mapping of str to str
        Why recommenders are left out.
    no_intervals : mapping of str to str
        Why types have no intervals.
    facts : mapping of str to number or text
        Of members, held-out items, and what has been seen of them.
    spent : mapping of str to float
        Seconds and MiB.
    """

    run_id: str
    settings: EvaluateSettings
    groups: GroupsRun
    types: Sequence[Values]
    orders: Sequence[Order]
    absent: Mapping[str, str]
    no_intervals: Mapping[str, str]
    facts: Mapping[str, Any]
    spent: Mapping[str, float]


def write_files(folder: Path, evaluation: Evaluation) -> None:
    """Write all files of an evaluation to a folder, the record with the digests of the others last."""
    orders = evaluation.orders
    _write_groups(folder / GROUPS, evaluation)
    for name, columns in ((ORDERS, orders_columns(orders)), (DIFFERENCES, differences_columns(orders))):
        pq.write_table(pa.table(columns), folder / name)
    write_json(folder / TABLE, mlflow_table(leaders_rows(orders)))
    (folder / "figures").mkdir()
    pictures = save_pictures(folder / "figures", order_figures(orders))
    record = _record(evaluation)
    write_text(folder / PAGE, render_evaluation(record, orders=orders, pictures=pictures))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
    write_json(folder / EVALUATION_RECORD, record | {"artifacts": digests}, indent=2)


def _record(evaluation: Evaluation) -> dict[str, Any]:
    groups = evaluation.groups
    return {
        "kind": "evaluation",
        "run_id": evaluation.run_id,
        "groups_run_id": groups.run_id,
        "groups_digest": groups.digest,
        "data_digest": groups.lineage["data"]["digest"],
        "dataset": groups.dataset,
        "settings": plain(evaluation.settings),
        "versions": {"elsa-groups": __version__, "grouprec": version("grouprec"), "numpy": np.__version__},
        "facts": dict(evaluation.facts),
        "left_out": dict(evaluation.absent),
        "no_intervals": dict(evaluation.no_intervals),
        "spent": dict(evaluation.spent),
        "leaders": sentences(evaluation.orders),
    }


def _write_groups(path: Path, evaluation: Evaluation) -> None:
    """Write one row a group, recommender, aggregator, protocol, metric and summary over members."""
    writer: pq.ParquetWriter | None = None
    for of in evaluation.types:
        for recommender, values in of.of_groups.items():
            table = _groups_table(of.name, recommender, evaluation.settings.aggregators, values)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    if writer is not None:
        writer.close()


def _groups_table(key: str, recommender: str, names: Sequence[str], values: NDArray[np.float64]) -> pa.Table:
    _, n_aggregators, n_measures = values.shape
    numbers = np.arange(values.size)
    measure, aggregator = numbers % n_measures, numbers // n_measures % n_aggregators
    columns = {
        "key": _named(np.zeros(values.size, np.int32), [key]),
        "group": numbers // (n_measures * n_aggregators),
        "recommender": _named(np.zeros(values.size, np.int32), [recommender]),
        "aggregator": _named(aggregator, names),
        "protocol": _named(measure, [of.protocol for of in MEASURED]),
        "metric": _named(measure, [of.metric for of in MEASURED]),
        "over_members": _named(measure, [of.over_members for of in MEASURED]),
        "value": pa.array(values.ravel(), from_pandas=True),
    }
    return pa.table(columns)


def _named(codes: NDArray[np.integer], names: Sequence[str]) -> pa.DictionaryArray:
    """Return names by their numbers, each of them once in the dictionary."""
    distinct, place = np.unique(names, return_inverse=True)
    return pa.DictionaryArray.from_arrays(place[codes].astype(np.int32), distinct.tolist())
