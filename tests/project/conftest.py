"""Stores that whole launches log to."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlflow
import pytest

from ..launches import ROOT, SHARED, Launch, Store, free_port, launch, served

__all__ = ["ROOT", "SHARED", "Launch", "Store", "free_port", "launch", "served"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a PostgreSQL database of its own, on loopback, gone in the end."""
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not binaries:
        pytest.skip("PostgreSQL is not installed under /usr/lib/postgresql")
    folder, port, password = Path(tempfile.mkdtemp(prefix="elsa-groups-")), free_port(), secrets.token_hex()

    def ask(program: str, *arguments: str) -> None:
        # PostgreSQL refuses to be root.
        other_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*other_user, str(binaries[-1].parent / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=60)

    try:
        (folder / "password").write_text(password)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            for path in (folder, folder / "password"):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        ask("initdb", "-U", "elsa", "-A", "scram-sha-256", f"--pwfile={folder}/password", "-E", "UTF8",
            "--locale=C", "--no-sync")  # fmt: skip
        options = f"-p {port} -h 127.0.0.1 -k '' -c fsync=off"
        ask("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", options)
    except (OSError, KeyError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder)
        pytest.skip(f"PostgreSQL does not start: {getattr(error, 'stderr', None) or error}")
    try:
        yield f"postgresql+psycopg2://elsa:{password}@127.0.0.1:{port}/postgres"
    finally:
        ask("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def copied_demo(filled_store) -> Callable[[], tuple[Store, Launch]]:
    """Make a copy of the store that one `mlflow run . -P dataset=Demo` left, and what it said."""

    def fill(store: Store) -> dict[str, Any]:
        launch = store.mlflow_run("-P", "dataset=Demo")
        assert launch.code == 0, launch.err
        return asdict(launch)

    def make() -> tuple[Store, Launch]:
        store, launch = filled_store("demo", fill)
        return store, Launch(**launch)

    return make


@pytest.fixture(scope="session")
def demo(copied_demo) -> tuple[Store, Launch]:
    """One `mlflow run . -P dataset=Demo` that several tests look at."""
    return copied_demo()


@pytest.fixture(autouse=True)
def _no_ambient_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    mlflow.set_tracking_uri(None)
