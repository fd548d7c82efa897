"""Runs of a store: found by what they say of themselves, and refused where they are not what is needed."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.store.entities import PagedList

from elsa_groups.base.errors import Absent, InputError
from elsa_groups.base.words import first_line, without_password
from elsa_groups.record.schema import LINEAGE
from elsa_groups.tracking.artifacts import RunArtifacts, artifacts_of

_NO_SUCH_RUN = {ErrorCode.Name(code) for code in (INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST)}


def with_tags(tags: Mapping[str, str | None]) -> str:
    """Return the condition, in MLflow's filter language, that tags have these values; None is any value."""
    return " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in tags.items() if value is not None)


def data_digests(run: Run) -> list[str]:
    """Return the digests of the data that a run has as inputs, as MLflow keeps them."""
    return [item.dataset.digest for item in run.inputs.dataset_inputs] if run.inputs else []


def runs_newest_first(client: MlflowClient, condition: str) -> Iterator[Run]:
    """Yield the runs of all active experiments that meet a condition in MLflow's filter language."""
    experiments = _all_pages(partial(client.search_experiments, view_type=ViewType.ACTIVE_ONLY))
    search = partial(
        client.search_runs,
        [experiment.experiment_id for experiment in experiments],
        condition,
        order_by=["attributes.start_time DESC"],
    )
    yield from _all_pages(search)


def _all_pages(search: Callable[..., PagedList[Any]]) -> Iterator[Any]:
    page = search()
    yield from page
    while page.token:
        page = search(page_token=page.token)
        yield from page


def existing_run(client: MlflowClient, run_id: str, *, what: str, expected: str) -> Run:
    """Return a run that is there and not deleted.

    Parameters
    ----------
    client : MlflowClient
        Client of the store.
    run_id : str
        The run.
    what : str
        What it is wanted as; messages begin with it.
    expected : str
        What a user may give.

    Raises
    ------
    Absent
        If there is no such run, or it is deleted.
    InputError
        If the store does not answer.
    """
    store = without_password(client.tracking_uri)
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in _NO_SUCH_RUN:
            raise Absent(f"{what}: no run {run_id!r} in {store}; expected {expected}") from error
        raise InputError(f"tracking store {store}: {first_line(error)}") from error
    if run.info.lifecycle_stage == "deleted":
        raise Absent(
            f"{what}: run {run_id} is deleted; `mlflow runs restore --run-id {run_id}` brings it back"
        )
    return run


def why_incomplete(client: MlflowClient, run: Run, artifacts: RunArtifacts | None = None) -> str | None:
    """Say why a run of ours cannot be built upon, in words that follow its id; None if it is complete.

    A run of ours is complete when it is FINISHED and has its lineage record, which is written last.
    """
    status = run.info.status
    if status in ("RUNNING", "SCHEDULED"):
        return f"is {status}; wait until it has finished"
    if status != "FINISHED":
        return f"ended {status}, so that it may be half-written; make it again"
    artifacts = artifacts or artifacts_of(client, run)
    if not artifacts.has(LINEAGE):
        return f"has {artifacts.absence(LINEAGE)}"
    return None
