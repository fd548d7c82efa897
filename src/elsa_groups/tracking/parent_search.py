"""Find the parent that groups are drawn from: the one that a reference names, or the newest that fits."""

import logging
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from elsa_groups.base.errors import InputError
from elsa_groups.base.keeping import kept
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.split import LEAST_USERS
from elsa_groups.tracking.parent import ELSA, VECTORS, Parent, load_parent
from elsa_groups.tracking.run import DIGEST_LENGTH, KIND, PARENT, param_text
from elsa_groups.tracking.search import data_digests, existing_run, runs_newest_first, why_incomplete
from elsa_groups.tracking.store import store_uri

log = logging.getLogger(__name__)

NEWEST = "newest"
_FILTER = ("min_user_interactions", "min_item_interactions")
# Settings of training that runs may be older than, and what was done then.
_BEFORE = {"conf.split": "random"}


def resolve_parent(reference: str, interactions: Interactions, *, seed: int) -> Parent:
    """Return the parent that a reference names, checked against the data.

    Parameters
    ----------
    reference : str
        A run id, ``models:/NAME/VERSION``, ``models:/NAME@alias``, ``models:/m-...``, or ``newest``: the
        newest FINISHED ELSA run whose data digest and filter are those of the data.
    interactions : Interactions
        The data.
    seed : int
        Of the shuffled orders that a foreign checkpoint's item order is compared with.

    Raises
    ------
    InputError
        If there is no such run, or it does not fit; the message says which and why.
    """
    if reference == NEWEST:
        run = find_newest(interactions)
        if run is None:
            train = f"train one with `mlflow run . -e train -P dataset={interactions.dataset}`"
            if interactions.n_users < LEAST_USERS:
                train = f"training takes {LEAST_USERS} users or more, and there are {interactions.n_users}"
            raise InputError(
                f"parent=newest: no finished ELSA run of dataset {interactions.dataset} with this data digest"
                f" and filter in {store_uri()}; {train}, or give parent=<run id>"
            )
    else:
        run = named_run(reference)
    # Jobs of a sweep have the same one, which is read and checked once for all.
    asked = run.info.run_id, interactions.digest
    return kept("parent", asked, lambda: load_parent(run, interactions, seed=seed))


def check_parent(reference: str, kind: str = ELSA) -> None:
    """Refuse a reference that names no run of a kind to generate from, before data are loaded.

    Raises
    ------
    InputError
        If there is no such run, or it is deleted or not over.
    """
    if reference != NEWEST:
        named_run(reference, kind)


def named_parent(reference: str) -> str:
    """Return the id of the run that a reference other than ``newest`` names.

    Raises
    ------
    InputError
        If there is no such run, or it is deleted or not over.
    """
    return str(named_run(reference, ELSA, VECTORS).info.run_id)


def find_newest(interactions: Interactions, params: Mapping[str, object] | None = None) -> Run | None:
    """Return the newest FINISHED ELSA run on exactly these data, or None; log why others are skipped.

    Parameters
    ----------
    interactions : Interactions
        The data.
    params : mapping, optional
        Settings that it must have logged, by dotted name, as MLflow's params are: some of all there are.
    """
    client = MlflowClient()
    wanted = _params_of(interactions, params or {})
    condition = f"params.model = 'ELSA' and params.dataset = '{interactions.dataset}'"
    for run in runs_newest_first(client, condition):
        reason = _misfit(run, interactions, wanted) or _why_unusable(client, run)
        if reason is None:
            return run
        log.info("parent: skipping %s: %s", run.info.run_id, reason)
    return None


def _why_unusable(client: MlflowClient, run: Run) -> str | None:
    """Say why a run is not over as it should be; of another's we only know its status."""
    if KIND in run.data.tags:
        try:
            return why_incomplete(client, run)
        except InputError as error:
            # The storage of one run must not hide the others.
            return str(error)
    return None if run.info.status == "FINISHED" else f"it is {run.info.status}"


def _params_of(interactions: Interactions, params: Mapping[str, object]) -> dict[str, object]:
    of_data = {f"dataset.{name}": getattr(interactions, name) for name in _FILTER}
    return {f"conf.{name}": value for name, value in {**of_data, **params}.items()}


def _misfit(run: Run, interactions: Interactions, wanted: Mapping[str, object]) -> str | None:
    if interactions.digest[:DIGEST_LENGTH] not in data_digests(run):
        return "trained on other data"
    logged = _BEFORE | run.data.params
    for name, value in wanted.items():
        if logged.get(name) != param_text(value):
            return f"{name} is {logged.get(name)}, wanted {value}"
    return None


def named_run(reference: str, *kinds: str) -> Run:
    """Return the run that a reference other than ``newest`` names; one of these kinds, by default ELSA.

    Raises
    ------
    InputError
        If there is no such run, or it is deleted, of another kind or not over.
    """
    client = MlflowClient()
    run_id = _run_of_model(reference) if reference.startswith("models:/") else reference
    expected = f"a run id, models:/... or {NEWEST}"
    run = existing_run(client, run_id, what="parent", expected=expected)
    kind = run.data.tags.get(KIND)
    wanted = kinds or (ELSA,)
    if kind not in wanted and not (kind is None and ELSA in wanted):
        raise InputError(_other_kind(run, kind))
    reason = why_incomplete(client, run) if kind else None
    if run.info.status in ("RUNNING", "SCHEDULED"):
        reason = f"is {run.info.status}; wait until it has finished"
    if reason:
        raise InputError(f"parent: run {run_id} {reason}")
    return run


def _other_kind(run: Run, kind: str | None) -> str:
    """Return what to tell a user who gave a run that does not hold what is needed."""
    if kind in (None, ELSA):
        return f"parent: run {run.info.run_id} holds no vectors; leave it out, or similarity.source=vectors"
    if kind == VECTORS:
        return f"parent: run {run.info.run_id} holds vectors; set similarity.source=vectors"
    parent = run.data.tags.get(PARENT)
    holds = "holds groups" if kind == "groups" else f"is of kind {kind}"
    hint = f"its parent is {parent}: give parent={parent}" if parent else "give the id of an ELSA run"
    return f"parent: run {run.info.run_id} {holds}; {hint}"


def _run_of_model(uri: str) -> str:
    client = MlflowClient()
    name = uri.removeprefix("models:/")
    try:
        if name.startswith("m-"):
            run_id = client.get_logged_model(name).source_run_id
        elif "@" in name:
            run_id = client.get_model_version_by_alias(*name.rsplit("@", 1)).run_id
        else:
            run_id = client.get_model_version(*name.rsplit("/", 1)).run_id
    except (MlflowException, TypeError) as error:
        raise InputError(
            f"parent: no model {uri!r} in {store_uri()}; expected models:/NAME/VERSION,"
            " models:/NAME@alias or models:/m-..."
        ) from error
    if not run_id:
        raise InputError(f"parent: model {uri} does not say which run it came from; give the run id instead")
    return str(run_id)
