"""Stores and places of artifacts that cannot be used are refused before any work, in one line."""

import fcntl
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
import pytest
from alembic.util import CommandError
from sqlalchemy.exc import OperationalError, ProgrammingError

from elsa_groups import find_groups
from elsa_groups.base import stages
from elsa_groups.base.errors import InputError
from elsa_groups.tracking import store
from elsa_groups.tracking.run import tracked_run
from elsa_groups.tracking.store import check_store

from ..launches import served


def test_a_deleted_experiment_is_refused_with_the_way_back(client, monkeypatch):
    client.delete_experiment(client.create_experiment("old"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "old")
    with pytest.raises(InputError, match=r"experiment old: is deleted; `mlflow experiments restore"):
        check_store()


def test_an_unknown_experiment_is_refused_before_any_work(client, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "77")
    with pytest.raises(InputError, match="77"):
        check_store()


def test_artifacts_of_a_moved_store_go_where_they_went_and_that_is_said(client, tmp_path, caplog):
    gone = tmp_path / "gone" / "mlruns" / "home"
    home = client.create_experiment("home", str(gone))

    with caplog.at_level(logging.WARNING), tracked_run("groups", experiment_id=home):
        pass

    assert f"its artifacts go to {gone}, which is not there; was the store moved?" in caplog.text
    assert gone.is_dir()


def test_a_folder_of_artifacts_that_cannot_be_made_is_refused_before_there_is_a_run(client, tmp_path):
    (tmp_path / "file").touch()
    home = client.create_experiment("home", str(tmp_path / "file" / "mlruns" / "home"))
    with (
        pytest.raises(InputError, match=r"cannot be made again .*; move the store back"),
        tracked_run("groups", experiment_id=home),
    ):
        pass
    assert client.search_runs([home]) == []


def refusal() -> str:
    started = time.monotonic()
    with pytest.raises(InputError) as error:
        check_store()
    assert time.monotonic() - started < 10
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_store_that_is_there_or_is_yet_to_be_made_is_accepted(client, tmp_path):
    check_store()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/new/mlflow.db")
    check_store()
    assert (tmp_path / "new" / "mlflow.db").is_file()


def test_a_folder_is_no_database(client, tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}")
    assert refusal().startswith(f"tracking store sqlite:///{tmp_path}: ")
    assert "unable to open database file" in refusal()


def test_a_file_of_something_else_is_no_database(client, tmp_path):
    (tmp_path / "notes.db").write_text("groceries, and much else that is not a database\n" * 100)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/notes.db")
    assert "file is not a database" in refusal()


def test_a_database_at_a_wrong_port_is_refused_without_its_password(client):
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        mlflow.set_tracking_uri(f"postgresql+psycopg2://ann:secret@127.0.0.1:{port}/db")
        message = refusal()
    assert message.startswith(f"tracking store postgresql+psycopg2://***@127.0.0.1:{port}/db: ")
    assert "Connection refused" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    "uri", ["postgresql+none://ann:secret@host/db", "mysql+pymysql://ann:secret@host:54x/db"]
)
def test_an_address_that_no_driver_takes_is_refused(client, uri):
    mlflow.set_tracking_uri(uri)
    assert "secret" not in refusal()


def test_a_database_that_can_only_be_read_is_refused_where_runs_are_to_be_logged(client, tmp_path):
    file = tmp_path / "mlflow.db"
    before = file.read_bytes()
    mlflow.set_tracking_uri(f"sqlite:///file:{file}?mode=ro&uri=true")
    assert "attempt to write a readonly database" in refusal()
    check_store(writes=False)
    mlflow.set_tracking_uri(f"sqlite:///{file}")
    check_store()
    assert file.read_bytes() == before


def test_a_server_at_a_wrong_port_is_refused_without_its_password(client):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        mlflow.set_tracking_uri(f"http://ann:secret@127.0.0.1:{unheard.getsockname()[1]}")
        message = refusal()
    assert message.startswith("tracking store http://***@127.0.0.1:")
    assert "Connection refused" in message
    assert "secret" not in message


def test_a_server_that_never_answers_is_given_up(client, monkeypatch):
    monkeypatch.setattr(store, "TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mlflow.set_tracking_uri(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "timed out" in refusal()


def test_what_variables_say_of_retries_is_followed(client, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with slow_server(0.0) as address:
        mlflow.set_tracking_uri(address)
        refusal()
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ


def test_a_real_server_is_accepted(new_store):
    kept = new_store()
    before = mlflow.get_tracking_uri()
    with served(kept, kept.uri) as remote:
        mlflow.set_tracking_uri(remote.uri)
        try:
            check_store()
        finally:
            mlflow.set_tracking_uri(before)


@contextmanager
def slow_server(seconds: float) -> Iterator[str]:
    """Address of a server that takes its time before it refuses."""

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            time.sleep(seconds)
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://ann:secret@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_it_is_said_that_a_server_is_waited_for(client, monkeypatch, caplog):
    monkeypatch.setattr(stages, "SILENCE", 0.2)
    with caplog.at_level(logging.INFO), slow_server(1.0) as address:
        mlflow.set_tracking_uri(address)
        assert "403" in refusal()
    (word,) = [record.message for record in caplog.records if "waiting" in record.message]
    assert word.startswith("tracking store http://***@127.0.0.1:")


def refused_place(location: str) -> str:
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("elsewhere", location)
    with pytest.raises(InputError) as error, tracked_run("ELSA", experiment_id=experiment):
        pass
    assert client.search_runs([experiment]) == []
    return str(error.value)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("ftp://ann:secret@127.0.0.1:1/groups", "Connection refused"),
        ("strange://place/groups", "Could not find a registered artifact repository"),
    ],
)
def test_a_place_of_artifacts_that_cannot_be_used_is_refused_before_there_is_a_run(client, location, reason):
    message = refused_place(location)
    assert f"its artifacts go to {location.replace('ann:secret', '***')}, which cannot be used" in message
    assert reason in message


def test_a_place_whose_library_is_missing_is_refused_before_there_is_a_run(client, monkeypatch):
    for library in ("boto3", "botocore"):
        monkeypatch.setitem(sys.modules, library, None)
    assert "boto3 for s3" in refused_place("s3://bucket/groups")


def test_a_file_in_the_place_of_artifacts_is_refused_before_there_is_a_run(client, tmp_path):
    (tmp_path / "file").touch()
    message = refused_place(str(tmp_path / "file" / "here"))
    assert f"{tmp_path}/file is no folder that you can write to" in message


def test_a_store_left_half_made_says_what_to_do(client, tmp_path):
    half = tmp_path / "half.db"
    shutil.copy(tmp_path / "mlflow.db", half)
    with closing(sqlite3.connect(half)) as database, database:
        # As a process leaves it that is killed while it makes the tables.
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        database.execute("DROP TABLE input_tags")
    mlflow.set_tracking_uri(f"sqlite:///{half}")
    said = refusal()
    assert said.startswith(f"tracking store sqlite:///{half}: its tables were left half made")
    assert "remove the database if it has no runs yet" in said


def test_tables_are_made_by_one_process_at_a_time(tmp_path):
    code = (
        "import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]);"
        " from elsa_groups.tracking.store import check_store; check_store()"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path}/new.db"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    started = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in started]
    assert [code for _, code in ends] == [0, 0], ends


def test_a_store_that_has_its_tables_is_not_waited_for(client, tmp_path):
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        check_store()
        check_store(writes=False)
    finally:
        os.close(held)


@pytest.mark.parametrize(
    "error",
    [
        CommandError("Can't locate revision identified by 'abc'"),
        OperationalError("SELECT 1\nFROM runs", {}, sqlite3.OperationalError("disk I/O error")),
        ProgrammingError("SELECT 1\nFROM runs", {}, sqlite3.ProgrammingError("no such column: x")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_alembic_and_sqlalchemy_say_is_one_line(client, tmp_path, monkeypatch, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(store.MlflowClient, "search_experiments", fail)
    said = refusal()
    assert said.startswith(f"tracking store sqlite:///{tmp_path}/mlflow.db: {str(error).splitlines()[0]}")
    assert "\n" not in said
    with pytest.raises(InputError, match=r"tracking store sqlite.*; give tracking_uri") as raised:
        find_groups()
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_database_is_one_line(client, tmp_path):
    (tmp_path / "letter.db").write_text("Dear all,\n" * 100)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/letter.db")
    said = refusal()
    assert "file is not a database" in said
    assert "\n" not in said


def test_a_store_is_checked_without_a_file_left_in_the_temporary_folder(client, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    before = {path.name for path in tmp_path.iterdir()}
    check_store()
    assert list((tmp_path / "temporary").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} - before <= {"mlruns"}
