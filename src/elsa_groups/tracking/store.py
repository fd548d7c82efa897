"""The tracking store and the place of its artifacts: what they are called, and whether they can be used."""

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import mlflow
import sqlalchemy
from alembic.util import CommandError
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.store.db.utils import create_sqlalchemy_engine
from mlflow.store.tracking.dbmodels.models import SqlExperiment
from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from elsa_groups.base.errors import InputError
from elsa_groups.base.processes import changed_environment
from elsa_groups.base.stages import said_if_slow
from elsa_groups.base.words import first_line, without_password

log = logging.getLogger(__name__)

# Seconds after which a server that does not answer is given up.
TIMEOUT = "20"

# What a database says when tables are made a second time.
_HALF_MADE = re.compile("already exists|duplicate column")

_WAITING = "waiting for an answer"
_ELSEWHERE = "set MLFLOW_EXPERIMENT_NAME to an experiment whose artifacts go elsewhere"


def check_store(*, writes: bool = True) -> None:
    """Refuse a tracking store that cannot be used, before any work.

    It is tried once, for a few seconds: MLflow itself would try a database or a server for minutes.

    Parameters
    ----------
    writes : bool
        Whether runs are to be logged to it, so that one which can only be read will not do.

    Raises
    ------
    InputError
        Naming the store, what is said of it and what to set.
    """
    try:
        with (
            said_if_slow(f"tracking store {store_uri()}", _WAITING),
            _one_at_a_time(mlflow.get_tracking_uri()),
        ):
            _open_database(mlflow.get_tracking_uri(), writes=writes)
            client = MlflowClient()
            with _tried_once():
                client.search_experiments(max_results=1)
                experiment = named_experiment(client)
    except (MlflowException, SQLAlchemyError, CommandError, ImportError, ValueError) as error:
        if _HALF_MADE.search(str(error)):
            raise InputError(
                f"tracking store {store_uri()}: its tables were left half made by a process cut short"
                f" ({first_line(error)}); restore a copy, or remove the database if it has no runs yet"
            ) from error
        raise InputError(
            f"tracking store {store_uri()}: {first_line(error)}"
            " (set MLFLOW_TRACKING_URI to another store, or MLFLOW_ALLOW_FILE_STORE=true to keep using a"
            " folder of runs)"
        ) from error
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        raise InputError(
            f"experiment {experiment.name}: is deleted; `mlflow experiments restore --experiment-id"
            f" {experiment.experiment_id}` brings it back, or set MLFLOW_EXPERIMENT_NAME to another"
        )


@contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """Keep other processes of this machine from making the tables of the same new SQLite file meanwhile."""
    if not uri.startswith("sqlite") or _has_tables(uri):
        yield
        return
    folder = Path(sqlalchemy.make_url(uri).database or "").resolve().parent
    with ExitStack() as held:
        # The folder itself, so that no file is left beside the database, nor one that others could put first.
        # Where it cannot be locked, as in some network folders, one goes on as MLflow does.
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            held.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _has_tables(uri: str) -> bool:
    """Whether a SQLite file has all of MLflow's tables, and the first row, which it writes last."""
    file = sqlalchemy.make_url(uri).database or ""
    if not file.startswith("file:") and not Path(file).exists():
        return False
    engine = create_sqlalchemy_engine(uri)  # type: ignore[no-untyped-call]
    try:
        there = sqlalchemy.inspect(engine).get_table_names()
        with engine.connect() as connection:
            experiment = connection.execute(sqlalchemy.select(SqlExperiment.experiment_id).limit(1)).first()
        return experiment is not None and set(SqlExperiment.metadata.tables).issubset(there)
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()


def _tried_once() -> AbstractContextManager[None]:
    """Have MLflow ask a server once, and not wait for long, unless its own variables say otherwise."""
    ours = {MLFLOW_HTTP_REQUEST_MAX_RETRIES.name: "0", MLFLOW_HTTP_REQUEST_TIMEOUT.name: TIMEOUT}
    return changed_environment({name: value for name, value in ours.items() if name not in os.environ})


def _open_database(uri: str, *, writes: bool) -> None:
    """Connect to a store that is a database, once; one of SQLite that is not there yet is left to MLflow."""
    if urlparse(uri).scheme.partition("+")[0] not in DATABASE_ENGINES:
        return
    address = sqlalchemy.make_url(uri)
    file = address.database or ""
    if address.get_backend_name() == "sqlite" and not (file.startswith("file:") or Path(file).exists()):
        return
    engine = create_sqlalchemy_engine(uri)  # type: ignore[no-untyped-call]
    try:
        with engine.connect() as connection:
            if writes and engine.dialect.name == "sqlite":
                _write_nothing(connection)
    finally:
        engine.dispose()


def _write_nothing(connection: sqlalchemy.Connection) -> None:
    """Raise what SQLite does where a database can only be read; one that somebody else writes to will do."""
    try:
        version = connection.exec_driver_sql("PRAGMA user_version").scalar()
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
    except OperationalError as error:
        if "readonly" in str(error.orig):
            raise
    finally:
        connection.rollback()


def named_experiment(client: MlflowClient) -> Experiment | None:
    """Return the experiment that MLflow's own variables name, if it is there."""
    if experiment_id := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return client.get_experiment(experiment_id)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    return client.get_experiment_by_name(name) if name else None


def check_artifact_place(client: MlflowClient, experiment_id: str) -> None:
    """Refuse a place of artifacts that cannot be used, before the work whose results would go there.

    Raises
    ------
    InputError
        Naming the place, why it cannot be used and what to do.
    """
    location = client.get_experiment(experiment_id).artifact_location
    folder = local_path(location)
    where = f"experiment {experiment_id}: its artifacts go to {without_password(location)}"
    if folder is not None:
        # The default one, mlruns/<experiment>, is made by the first run.
        if not folder.parent.parent.is_dir():
            _make_again(folder, where)
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            raise InputError(f"{where}, but {nearest} is no folder that you can write to; {_ELSEWHERE}")
        return
    try:
        with said_if_slow(where, _WAITING):
            artifact_repository(location, client.tracking_uri).list_artifacts()
    except Exception as error:
        # Each kind of storage has a library of its own, and errors of its own.
        raise InputError(
            f"{where}, which cannot be used ({first_line(error)}); install what it needs (boto3 for s3) and"
            f" see that it is open to you, or {_ELSEWHERE}"
        ) from error


def _make_again(folder: Path, where: str) -> None:
    """Make the folder of an experiment's artifacts where a store was moved away from it."""
    where = f"{where}, which is not there; was the store moved?"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"{where} It cannot be made again ({error.strerror}); move the store back"
        ) from error
    log.warning(
        "%s The folder is made again: new artifacts are there, and the old ones stay where they are", where
    )


def artifact_repository(uri: str, tracking_uri: str) -> Any:
    """Return MLflow's access to artifacts, of a run or of a whole experiment."""
    uri = add_databricks_profile_info_to_artifact_uri(uri, tracking_uri)  # type: ignore[no-untyped-call]
    return get_artifact_repository(uri, tracking_uri=tracking_uri)


def local_path(uri: str) -> Path | None:
    """Return the path that a URI means to MLflow, which takes percents for escapes in plain paths too."""
    address = urlparse(uri)
    if address.scheme == "file":
        return Path(url2pathname(address.path))
    return None if address.scheme else Path(url2pathname(uri))


def store_uri() -> str:
    """Return where MLflow logs to, as it may be shown."""
    return without_password(mlflow.get_tracking_uri())
