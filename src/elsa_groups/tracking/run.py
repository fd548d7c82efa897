"""The life of an MLflow run: adopt or create it, nest it, and end it as what happened."""

import errno
import json
import logging
import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, Metric, Param, Run
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils import name_utils
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_LOGGED_ARTIFACTS,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
)
from numpy.typing import NDArray

from elsa_groups.base.errors import InputError, Killed, NotLogged
from elsa_groups.base.files import write_json
from elsa_groups.base.processes import changed_environment, this_process
from elsa_groups.base.temporary import temporary_folder
from elsa_groups.base.words import first_line
from elsa_groups.data.interactions import Interactions
from elsa_groups.record.schema import LINEAGE, Document, record_digest
from elsa_groups.tracking.experiment import introduce, view_address
from elsa_groups.tracking.orphans import PROCESS, end_orphans
from elsa_groups.tracking.store import check_artifact_place, local_path, named_experiment, store_uri

log = logging.getLogger(__name__)

# Tags of our runs: what kind they are, what they belong to, and, on a run that `mlflow run` launched, the one
# that was written; on a sweep's, the one that compares its jobs.
KIND = "elsa_groups.kind"
DATASET = "elsa_groups.dataset"
PARENT = "elsa_groups.parent"
USER_SET = "elsa_groups.user_set"
DIGEST = "elsa_groups.digest"
RECORD = "elsa_groups.record"
REPRODUCES = "elsa_groups.reproduces"
EXPORTS = "elsa_groups.exports"
EVALUATES = "elsa_groups.evaluates"
VERDICT = "elsa_groups.verdict"
WRITTEN = "elsa_groups.run"
SWEEP = "elsa_groups.sweep"
JOB = "elsa_groups.job"
COMPARISON = "elsa_groups.comparison"

# Where `mlflow ui` serves unless told otherwise.
_LOCAL_SERVER = "http://127.0.0.1:5000"

# MLflow refuses a longer digest of a dataset.
DIGEST_LENGTH = 36

# MLflow cuts what a longer description says.
DESCRIPTION_LENGTH = 8000

# What MLflow calls a run that nobody named, as bold-fox-123.
_PREDICATES, _NOUNS = name_utils._GENERATOR_PREDICATES, name_utils._GENERATOR_NOUNS
_GENERATED = re.compile(f"({'|'.join(_PREDICATES)})-({'|'.join(_NOUNS)})-[0-9]{{1,4}}")

_MAX_PARAM = 6000


@dataclass(frozen=True)
class RunHandle:
    """A run being written.

    Attributes
    ----------
    run_id, experiment_id : str
        Where it is.
    given_name : str or None
        What the user called it, as `mlflow run --run-name` does.
    """

    run_id: str
    experiment_id: str
    given_name: str | None = None

    def log_params(self, params: dict[str, Any]) -> None:
        """Log params; values beyond MLflow's limit are cut (the artifacts hold them whole).

        Those that `mlflow run` logged as its ``-P`` already stay as they were typed: MLflow refuses another
        spelling of a value, and with it the whole batch.
        """
        there = MlflowClient().get_run(self.run_id).data.params
        entities = [Param(name, param_text(value)) for name, value in params.items() if name not in there]
        MlflowClient().log_batch(self.run_id, params=entities)

    def log_metrics(self, metrics: dict[str, float], step: int = 0, *, model_id: str | None = None) -> None:
        """Log metrics; with a LoggedModel's id they are on that model's page as well."""
        now = int(time.time() * 1000)
        entities = [
            Metric(name, float(value), now, step, model_id=model_id) for name, value in metrics.items()
        ]
        MlflowClient().log_batch(self.run_id, metrics=entities)

    def set_tags(self, tags: dict[str, str]) -> None:
        """Set tags."""
        for name, value in tags.items():
            MlflowClient().set_tag(self.run_id, name, value)

    def describe(self, text: str) -> None:
        """Set what MLflow's UI shows as the run's description, in Markdown."""
        self.set_tags({MLFLOW_RUN_NOTE: text})

    def log_files(self, folder: Path, *, but: str | None = None) -> None:
        """Upload a folder's content as artifacts, except for one file of it."""
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                MlflowClient().log_artifacts(self.run_id, str(path), path.name)
            elif path.name != but:
                self.log_file(path)

    def log_file(self, path: Path) -> None:
        """Upload one file as an artifact."""
        MlflowClient().log_artifact(self.run_id, str(path))

    def mark_tables(self, *paths: str) -> None:
        """Tell MLflow's UI, and :func:`mlflow.load_table`, which artifacts are tables."""
        tables = [{"path": path, "type": "table"} for path in paths]
        self.set_tags({MLFLOW_LOGGED_ARTIFACTS: json.dumps(tables)})

    def log_elsa_model(self, encoder: NDArray[np.float32], dataset: str) -> str:
        """Log item vectors as a LoggedModel that scores histories, without pickle; return its id."""
        # Takes seconds to import, and only training logs a model.
        import mlflow.pytorch
        import torch

        from elsa_groups.model.logged_model import ELSA

        model = ELSA(torch.from_numpy(encoder))
        example = np.zeros((2, len(encoder)), np.float32)
        requirements = [f"{name}=={version(name)}" for name in ("torch", "numpy")]
        info = mlflow.pytorch.log_model(
            model,
            name=f"elsa-{dataset}",
            serialization_format="pt2",
            input_example=example,
            pip_requirements=requirements,
        )
        return str(info.model_id)

    def register_model(self, model_id: str, name: str, alias: str | None) -> None:
        """Make this run's LoggedModel a version of a registered model, once, known by an alias if asked.

        Raises
        ------
        InputError
            If MLflow does not take the name or the alias.
        """
        client = MlflowClient()
        try:
            versions = client.search_model_versions(f"name = '{name}' and run_id = '{self.run_id}'")
            version = versions[0].version if versions else self._new_version(model_id, name)
            if alias:
                client.set_registered_model_alias(name, alias, str(version))
        except MlflowException as error:
            raise InputError(
                f"register_as: {first_line(error)}; run {self.run_id} itself is complete, give another name"
            ) from error
        log.info("registered as models:/%s/%s%s", name, version, f" and @{alias}" if alias else "")

    def _new_version(self, model_id: str, name: str) -> int:
        client = MlflowClient()
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return int(
            client.create_model_version(name, f"models:/{model_id}", self.run_id, model_id=model_id).version
        )

    def how_to_see(self) -> str:
        """Return the address of the run's page, or the command that serves it if the store is no server."""
        store = store_uri()
        if not store.startswith("http"):
            return shlex.join(["mlflow", "ui", "--backend-store-uri", store])
        return f"{store.rstrip('/')}/#/experiments/{self.experiment_id}/runs/{self.run_id}"

    def beside_others(self) -> str:
        """Return the address of all groups runs of the experiment, by default on this machine."""
        store = store_uri()
        return view_address(store if store.startswith("http") else _LOCAL_SERVER, self.experiment_id)

    def place_of(self, artifact: str) -> str:
        """Return where an artifact is: its path on this machine, or else its address."""
        uri = MlflowClient().get_run(self.run_id).info.artifact_uri
        folder = local_path(uri)
        return str(folder / artifact) if folder else f"runs:/{self.run_id}/{artifact}"

    def log_recorded(self, folder: Path, lineage: Document) -> None:
        """Log a folder's files, and last the record of them, with which the run is complete."""
        self.set_tags({RECORD: record_digest(lineage)})
        self.log_files(folder)
        write_json(folder / LINEAGE, lineage, indent=2)
        self.log_file(folder / LINEAGE)

    def log_data(self, data: Interactions, context: str, model_id: str | None = None) -> None:
        """Log interactions, and the LoggedModel if there is one, as inputs; see :func:`dataset_input`."""
        self.log_inputs(dataset_input(data.dataset, data.digest, data.source.uri, context), model_id)

    def log_inputs(self, dataset: DatasetInput, model_id: str | None = None) -> None:
        """Log a dataset, and the LoggedModel if there is one, as inputs."""
        models = [LoggedModelInput(model_id)] if model_id else None
        MlflowClient().log_inputs(self.run_id, datasets=[dataset], models=models)


def dataset_input(name: str, digest: str, uri: str, context: str) -> DatasetInput:
    """Return a dataset, known by name and digest, as an input of a run.

    Parameters
    ----------
    name : str
        Name of the dataset.
    digest : str
        Hex digest; MLflow keeps its first 36 characters.
    uri : str
        The file it was read from.
    context : str
        What the run does with it, as MLflow's UI shows it.
    """
    dataset = Dataset(name, digest[:DIGEST_LENGTH], "local", json.dumps({"uri": uri}))
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)])


def param_text(value: Any) -> str:
    """Return a setting as the text that MLflow stores; params come back as text."""
    return "null" if value is None else str(value)[:_MAX_PARAM]


@contextmanager
def tracked_run(
    name: str, *, parent: str | None = None, experiment_id: str | None = None, adopt: bool = True
) -> Iterator[RunHandle]:
    """Write a run, which ends FINISHED, FAILED by an exception, or KILLED by a signal.

    Parameters
    ----------
    name : str
        Run name, where the user gave the launched run none.
    parent : str, optional
        Id of the run to nest under, which must exist.
    experiment_id : str, optional
        Experiment to be in; by default the launched run's, or the environment's.
    adopt : bool
        Whether the run that `mlflow run` launched this process with, if there is one and it is in the
        wanted experiment, is to be this run. Otherwise a new run is created, and the launched one gets
        a tag with its id.
    """
    client = MlflowClient()
    launched = launched_run()
    if experiment_id is None:
        experiment_id = launched.experiment_id if launched else _default_experiment()
    check_artifact_place(client, experiment_id)
    end_orphans(client)
    introduce(client, experiment_id, launched=launched.run_id if launched else None)
    adopted = adopt and launched is not None and launched.experiment_id == experiment_id
    run_id = launched.run_id if launched and adopted else None
    ours = {PROCESS: this_process()} | ({MLFLOW_PARENT_RUN_ID: parent} if parent else {})
    try:
        if run_id is None:
            # At once, so that whoever finds the run knows what to do with it if this process is gone.
            run_id = str(client.create_run(experiment_id, tags=resolve_tags() | ours).info.run_id)
        if adopt and launched and not adopted:
            client.set_tag(launched.run_id, WRITTEN, run_id)
        handle = RunHandle(run_id, experiment_id)
        if adopt and launched and launched.given_name:
            name = launched.given_name
        handle.set_tags(ours | {MLFLOW_RUN_NAME: name})
        # Those of a sweep's jobs are written while its own is.
        mlflow.start_run(run_id=run_id, nested=True)
        yield handle
        mlflow.end_run("FINISHED")
    except BaseException as error:
        if run_id is not None:
            _end(run_id, error)
        if isinstance(error, MlflowException):
            raise NotLogged(f"tracking store {store_uri()}: {first_line(error)}") from error
        raise
    finally:
        # The end of any run makes MLflow forget the launched one, which another part still has to adopt.
        if launched and not adopted:
            os.environ["MLFLOW_RUN_ID"] = launched.run_id


def _end(run_id: str, error: BaseException) -> None:
    """End a run as what an error says; a store that is away must not hide that error."""
    status = "KILLED" if isinstance(error, Killed) else "FAILED"
    # A store that has had its chances is asked once more, and not for minutes again.
    few = {MLFLOW_HTTP_REQUEST_MAX_RETRIES.name: "1"}
    with changed_environment(few if isinstance(error, (MlflowException, NotLogged)) else {}):
        try:
            # A run that was not started yet is not the one that MLflow would end.
            if (active := mlflow.active_run()) and active.info.run_id == run_id:
                mlflow.end_run(status)
            MlflowClient().set_terminated(run_id, status)
        except Exception as reason:
            log.warning(
                "run %s could not be ended as %s: %s; the next command that logs to this store ends it (if it"
                " was deleted with its experiment, once that is restored)",
                run_id, status, first_line(reason),
            )  # fmt: skip


@contextmanager
def writing_folder() -> Iterator[Path]:
    """Give a folder to write a run's files to, which is removed in the end.

    Raises
    ------
    InputError
        If the disk is full.
    """
    try:
        with temporary_folder() as folder:
            yield folder
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{gettempdir()}: files of the run could not be written ({error.strerror}); set TMPDIR to a"
            " folder with more room"
        ) from error


@contextmanager
def keep_if_not_logged(folder: Path, run_id: str) -> Iterator[None]:
    """Keep a run's files in the working folder if the store does not take them.

    Raises
    ------
    InputError
        In place of what the store raised; says where the files are.
    """
    try:
        yield
    except Exception as error:
        kept = Path.cwd() / f"groups-{run_id}"
        try:
            shutil.copytree(folder, kept)
            where = f"its groups are kept in {kept}"
        except OSError as reason:
            where = f"its groups could not be kept in {kept} either ({reason.strerror or reason})"
        raise NotLogged(
            f"run {run_id}: not logged to {store_uri()} ({first_line(error)}); {where}. It is incomplete: the"
            " same command logs the same groups to a new run"
        ) from error


@contextmanager
def watched_run(run_id: str) -> Iterator[None]:
    """End a run that another process writes, if work on it fails here and that process is no longer there.

    Parameters
    ----------
    run_id : str
        The run. One that has ended is left alone; the other process, if it lives, has the last word.
    """
    try:
        yield
    except BaseException as error:
        client = MlflowClient()
        # A store that this machine does not reach must not hide the error.
        with suppress(MlflowException):
            if client.get_run(run_id).info.status == "RUNNING":
                client.set_terminated(run_id, "KILLED" if isinstance(error, Killed) else "FAILED")
        raise


def launched_run() -> RunHandle | None:
    """Return the run that `mlflow run` started this process with, if there is one that nobody has written."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if not run_id:
        return None
    try:
        run = MlflowClient().get_run(run_id)
    except MlflowException as error:
        raise InputError(
            f"MLFLOW_RUN_ID: expected a run of {store_uri()}, got {run_id} ({first_line(error)}); unset it"
        ) from error
    is_free = run.info.status == "RUNNING" and KIND not in run.data.tags
    return RunHandle(run_id, run.info.experiment_id, _given_name(run)) if is_free else None


def _given_name(run: Run) -> str | None:
    """Return a run's name, or None where MLflow made it up; nothing else tells the two apart."""
    name = run.info.run_name
    return None if not name or _GENERATED.fullmatch(name) else name


def _default_experiment() -> str:
    """Return where MLflow's own variables send a new run."""
    client = MlflowClient()
    if experiment := named_experiment(client):
        return str(experiment.experiment_id)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    return str(client.create_experiment(name)) if name else "0"
