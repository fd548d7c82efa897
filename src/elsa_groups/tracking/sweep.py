"""The runs of a sweep's jobs, which may be processes of any machine, and what became of each."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.environment_variables import MLFLOW_RUN_CONTEXT
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from elsa_groups.base.processes import changed_environment
from elsa_groups.base.words import first_line
from elsa_groups.tracking.run import JOB, SWEEP
from elsa_groups.tracking.search import runs_newest_first, with_tags

log = logging.getLogger(__name__)

# On the sweep's run: why a job failed, by its number.
_ERROR = "elsa_groups.error"


@dataclass(frozen=True)
class JobEnd:
    """What became of a job.

    Attributes
    ----------
    run_id : str or None
        Its run, as the groups run of a job that also evaluates; None if it did not come to that.
    status : str
        Of its run, as MLflow calls it.
    error : str or None
        Why it failed, in one line.
    """

    run_id: str | None
    status: str
    error: str | None

    @property
    def finished(self) -> bool:
        """Whether it did what it was asked for."""
        return self.status == "FINISHED" and self.error is None


@contextmanager
def job_runs(sweep_id: str, number: int) -> Iterator[None]:
    """Tag the runs that are created meanwhile as those of a sweep's job."""
    name = MLFLOW_RUN_CONTEXT.name
    tags = json.loads(os.environ.get(name) or "{}") | {SWEEP: sweep_id, JOB: str(number)}
    with changed_environment({name: json.dumps(tags)}):
        yield


def report_failure(sweep_id: str, number: int, reason: str) -> None:
    """Leave word of why a job failed on the run of its sweep; a store that is away is not its failure."""
    try:
        MlflowClient().set_tag(sweep_id, f"{_ERROR}.{number}", reason)
    except MlflowException as error:
        log.warning("sweep %s could not be told: %s", sweep_id, first_line(error))


def end_jobs(sweep_id: str, n_jobs: int, status: str) -> list[JobEnd]:
    """End what the jobs of a sweep have left RUNNING, and return what became of each.

    Parameters
    ----------
    sweep_id : str
        Run of the sweep.
    n_jobs : int
        Jobs are numbered from 1 to this.
    status : str
        What a run that is RUNNING ends as: its process was killed. One that lives all the same, as a batch
        system's may, has the last word.
    """
    client = MlflowClient()
    jobs = runs_newest_first(client, with_tags({SWEEP: sweep_id}))
    runs: dict[int, list[Run]] = {number: [] for number in range(1, n_jobs + 1)}
    for run in jobs:
        runs[int(run.data.tags[JOB])].append(run)
    reasons = client.get_run(sweep_id).data.tags
    return [
        _end_job(client, of_job, reasons.get(f"{_ERROR}.{number}"), status) for number, of_job in runs.items()
    ]


def _end_job(client: MlflowClient, runs: list[Run], reason: str | None, status: str) -> JobEnd:
    """End what a job has left RUNNING, and say what became of it.

    Parameters
    ----------
    client : MlflowClient
        Client of the store.
    runs : list of Run
        Those of the job, the newest first: one, or groups and their evaluation below them; or both again
        where a batch system began the job anew.
    reason : str or None
        Why it failed, if it said so.
    status : str
        What a run that is RUNNING ends as.
    """
    if not runs:
        return JobEnd(None, "FAILED" if reason else "not begun", reason)
    ends = {run.info.run_id: _ended(client, run, status) for run in runs}
    above = {run.info.run_id: run.data.tags.get(MLFLOW_PARENT_RUN_ID) for run in runs}
    result = next(run for run in runs if above[run.info.run_id] not in ends)
    told = [
        f"evaluation run {run_id} ended {end}"
        for run_id, end in ends.items()
        if above[run_id] == result.info.run_id and end != "FINISHED"
    ]
    if reason or result.info.status == "RUNNING":
        told.append(reason or "its process was killed")
    return JobEnd(result.info.run_id, ends[result.info.run_id], ": ".join(told) or None)


def _ended(client: MlflowClient, run: Run, status: str) -> str:
    """End a run that is RUNNING as a status; return what each run ended as."""
    if run.info.status != "RUNNING":
        return str(run.info.status)
    client.set_terminated(run.info.run_id, status)
    return status
