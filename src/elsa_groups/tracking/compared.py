"""Groups runs to compare: found or named, and as much read of each as a comparison needs."""

import logging
from collections.abc import Sequence
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, ErrorCode
from numpy.typing import NDArray

from elsa_groups.base.errors import Absent, InputError
from elsa_groups.base.words import first_line, without_password
from elsa_groups.record.group_files import read_members
from elsa_groups.tracking.load import Record, RecordedFiles, load_groups_run, open_record
from elsa_groups.tracking.run import KIND, PARENT
from elsa_groups.tracking.search import existing_run, runs_newest_first, with_tags

log = logging.getLogger(__name__)

Members = NDArray[np.int64]
_NOT_UNDERSTOOD = ErrorCode.Name(INVALID_PARAMETER_VALUE)


def open_named(run_ids: Sequence[str]) -> list[Record]:
    """Return the records of groups runs by their ids, each once.

    Raises
    ------
    InputError
        If one of them is not there, deleted, or no complete groups run; the message names it.
    """
    return [open_record(run_id) for run_id in dict.fromkeys(run_ids)]


def find_records(*, parent: str | None = None, condition: str | None = None) -> list[Record]:
    """Return the records of the complete groups runs of all active experiments that meet what is given.

    Parameters
    ----------
    parent : str, optional
        Only those of the ELSA run with this id.
    condition : str, optional
        Only those that meet this filter, in MLflow's language.

    Raises
    ------
    InputError
        If MLflow does not understand the filter, or the store does not answer. Incomplete runs are skipped,
        and logged with the reason.
    """
    wanted = with_tags({KIND: "groups", PARENT: parent}) + ("" if condition is None else f" and {condition}")
    try:
        found = list(runs_newest_first(MlflowClient(), wanted))
    except MlflowException as error:
        if condition is not None and error.error_code == _NOT_UNDERSTOOD:
            raise InputError(f"filter: {first_line(error)}; got {condition}") from error
        store = without_password(mlflow.get_tracking_uri())
        raise InputError(f"tracking store {store}: {first_line(error)}") from error
    records = []
    for run in found:
        try:
            records.append(open_record(run.info.run_id))
        except InputError as error:
            log.warning("compare: skipping %s", error)
    return records


def logged_metrics(run_id: str) -> dict[str, float]:
    """Return what was logged of a run as metrics."""
    return dict(MlflowClient().get_run(run_id).data.metrics)


def read_users(
    records: Sequence[Record], keys: Sequence[str], folder: Path
) -> dict[str, list[Members | None]]:
    """Return the groups of each type of each run, users numbered in the same way in all of them.

    Parameters
    ----------
    records : sequence of Record
        The runs.
    keys : sequence of str
        The keys.
    folder : Path
        Where files may be copied to.

    Returns
    -------
    dict of str to list of ((n_groups, size) int64 or None)
        By key, for each run; None where it lacks the key.

    Notes
    -----
    Where all runs number the same users, their arrays are read; otherwise also the ids beside them.
    """
    orders = {record.lineage["data"]["users_digest"] for record in records}
    read = _rows_of_users if len(orders) == 1 else _numbered_ids
    return read(records, keys, folder)


def _rows_of_users(
    records: Sequence[Record], keys: Sequence[str], folder: Path
) -> dict[str, list[Members | None]]:
    found: dict[str, list[Members | None]] = {key: [] for key in keys}
    for record in records:
        files = RecordedFiles(record.artifacts, folder / record.run_id, record.lineage)
        for key, rows in found.items():
            group = record.lineage["groups"].get(key)
            rows.append(group and read_members(f"groups/{key}.npy", group["sha256"], files))
    return found


def _numbered_ids(records: Sequence[Record], keys: Sequence[str], _: Path) -> dict[str, list[Members | None]]:
    runs = [load_groups_run(record.run_id) for record in records]
    everybody = np.unique(np.concatenate([run[key].user_ids.ravel() for run in runs for key in run]))
    return {
        key: [np.searchsorted(everybody, run[key].user_ids) if key in run else None for run in runs]
        for key in keys
    }


def common_parent(records: Sequence[Record]) -> str | None:
    """Return the ELSA run that all runs were drawn from, if there is one and it is still there."""
    parents = {record.lineage["parent"]["run_id"] for record in records}
    if len(parents) > 1:
        return None
    try:
        run = existing_run(MlflowClient(), parents.pop(), what="parent", expected="a run id")
    except Absent:
        return None
    return str(run.info.run_id)


def common_experiment(records: Sequence[Record]) -> str | None:
    """Return the experiment that all runs are in, if there is one."""
    experiments = {record.experiment_id for record in records}
    return experiments.pop() if len(experiments) == 1 else None
