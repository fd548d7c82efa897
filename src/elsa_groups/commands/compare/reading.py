"""What a comparison reads of each groups run."""

from pathlib import Path

from elsa_groups.base.files import read_json
from elsa_groups.commands.compare.comparison import ComparedRun
from elsa_groups.tracking.compared import logged_metrics
from elsa_groups.tracking.load import Record, RecordedFiles

SUMMARY = "groups/summary.json"


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
    table = read_json(files.read(SUMMARY))
    rows = [dict(zip(table["columns"], values, strict=True)) for values in table["data"]]
    defined = [{name: value for name, value in row.items() if value is not None} for row in rows]
    metrics = logged_metrics(record.run_id)
    return ComparedRun(record.run_id, record.name, record.lineage, {r["key"]: r for r in defined}, metrics)
