"""What a comparison reads of each groups run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from elsa_groups.base.files import read_json
from elsa_groups.commands.compare.comparison import ComparedRun
from elsa_groups.commands.evaluate.leaders import Order
from elsa_groups.commands.evaluate.reading import read_headlines
from elsa_groups.measures.extremes import EXTREMES
from elsa_groups.report.tables import table_rows
from elsa_groups.tracking.compared import logged_metrics
from elsa_groups.tracking.evaluations import EVALUATION_RECORD, newest_evaluation
from elsa_groups.tracking.load import Record, RecordedFiles

SUMMARY, EVIDENCE = "groups/summary.json", "evidence.parquet"


def read_compared(record: Record, folder: Path) -> ComparedRun:
    """Return what a comparison shows of a run; its summary is checked against its record.

    Parameters
    ----------
    record : Record
        The run.
    folder : Path
        Where files may be copied to; each run needs one of its own.
    """
    files = RecordedFiles(record.artifacts, folder, record.lineage)
    rows = table_rows(read_json(files.read(SUMMARY)))
    defined = [{name: value for name, value in row.items() if value is not None} for row in rows]
    by_key = {row["key"]: row | _intervals(files, row["key"]) for row in defined}
    metrics, extremes = logged_metrics(record.run_id), {key: _extremes(files, key) for key in by_key}
    run = ComparedRun(record.run_id, record.name, record.lineage, by_key, metrics, extremes)
    return replace(run, orders=_orders(record, folder / "evaluation"))


def _orders(record: Record, folder: Path) -> dict[str, Order] | None:
    """Return the orders of aggregators by the newest evaluation of a run's groups, if it has one."""
    found = newest_evaluation(record.run_id)
    if found is None:
        return None
    evaluation = read_json(found.download(EVALUATION_RECORD, folder))
    return read_headlines(RecordedFiles(found, folder, evaluation).read)


def _intervals(files: RecordedFiles, key: str) -> dict[str, float]:
    """Return the confidence intervals of all measures of a type, those of the summary among them."""
    if EVIDENCE not in files.lineage["artifacts"]:
        return {}
    of_key = pq.read_table(files.read(EVIDENCE), filters=[("key", "=", key), ("baseline", "=", "random")])
    return {
        f"{row['measure']}_{end}": row[end]
        for row in of_key.to_pylist()
        for end in ("low", "high")
        if row[end] is not None
    }


def _extremes(files: RecordedFiles, key: str) -> dict[str, NDArray[np.float64]]:
    """Return the extremes of the pairs of each group of a type; nothing of runs that are older than them."""
    path = f"groups/{key}_measures.parquet"
    if path not in files.lineage["artifacts"]:
        return {}
    table = pq.read_table(files.read(path))
    if not {*EXTREMES} <= {*table.column_names}:
        return {}
    # What is undefined is null there.
    return {name: table[name].to_numpy().astype(np.float64) for name in EXTREMES}
