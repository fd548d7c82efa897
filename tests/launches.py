"""A temporary MLflow store, the project launched into it as a user would, and a server before it."""

import importlib
import io
import logging
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient

from elsa_groups.cli import lifecycle
from elsa_groups.commands.generate import files
from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures import run as figures
from elsa_groups.report.figures.counting import count_similarities
from elsa_groups.report.figures.data import Histogram
from elsa_groups.similarity.limits import Thresholds
from elsa_groups.similarity.users import Users

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
# Columns of MLflow's tables that say where artifacts are.
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)


@dataclass(frozen=True)
class Launch:
    """What a launched process left: exit code, output, and the id in its last line."""

    code: int
    out: str
    err: str

    @property
    def last_id(self) -> str:
        return self.out.strip().splitlines()[-1].rpartition(" ")[2]


@dataclass(frozen=True)
class Store:
    """An MLflow store in a folder of its own, and MLflow's variables that its launches need."""

    folder: Path
    uri: str
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_sqlite(cls, folder: Path) -> "Store":
        return cls(folder, f"sqlite:///{folder}/mlflow.db")

    def copied_to(self, folder: Path, but: tuple[str, ...] = ()) -> "Store":
        """A copy of a SQLite store that has not what it was copied from as the place of its artifacts."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns(*but), dirs_exist_ok=True)
        with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
            for table, column in PLACES:
                move = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
                database.execute(move, (str(self.folder), str(folder)))
        return Store.of_sqlite(folder)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    @property
    def environment(self) -> dict[str, str]:
        keep = "MLFLOW_ENV_ROOT"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_") or k == keep}
        path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
        return clean | self.variables | {"MLFLOW_TRACKING_URI": self.uri, "PATH": path}

    def mlflow_run(self, *arguments: str, env_manager: str = "local", timeout: int = 600) -> Launch:
        command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", env_manager, *arguments]
        return self._launch(command, self.environment, timeout)

    def python(self, entry_point: str, *arguments: str, timeout: int = 600) -> Launch:
        command = [sys.executable, "-m", f"elsa_groups.cli.{entry_point}", *arguments]
        return self._launch(command, self.environment | {"PYTHONPATH": str(ROOT / "src")}, timeout)

    def _launch(self, command: list[str], environment: dict[str, str], timeout: int) -> Launch:
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=timeout
        )
        return Launch(done.returncode, done.stdout, done.stderr)

    def artifact(self, run_id: str, path: str, to: Path) -> Path:
        return Path(self.client.download_artifacts(run_id, path, str(to)))

    def running(self) -> list[str]:
        experiments = [e.experiment_id for e in self.client.search_experiments()]
        runs = self.client.search_runs(experiments, "attributes.status = 'RUNNING'")
        return [run.info.run_id for run in runs]


def wait_for_processes(count: int, started: Sequence[object]) -> None:
    """Wait until so many processes are noted as started, a minute at most."""
    end = time.monotonic() + 60
    while len(started) < count:
        assert time.monotonic() < end, f"{len(started)} of {count} processes have started: {started}"
        time.sleep(0.01)


# What a launch takes hold of.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)
LOGGERS = ("", "elsa_groups", "mlflow", "mlflow.store.db.utils", "alembic", "torch")


@contextmanager
def kept_process() -> Iterator[None]:
    """Undo what a launch changes for good: logs, and what signals do."""
    signals = {number: signal.getsignal(number) for number in SIGNALS}
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    # A launch ends with its terminal, also if the tests are run by nohup, which has them ignore that.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in signals.items():
            signal.signal(number, handler)
        for logger, level, handlers in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers


def only_histograms(
    _: Users, results: Sequence[Result], thresholds: Thresholds, **__: Any
) -> list[Histogram]:
    """Return what the histograms of group types show, and none of the other figures."""
    limits = {"similar": thresholds.similar, "divergent": thresholds.divergent}
    return count_similarities(results, **limits) if results else []


def leave_undrawn(patch: pytest.MonkeyPatch) -> None:
    """Draw no pictures of groups, which take longest."""
    patch.setattr(files, "figures_of", only_histograms)
    patch.setattr(lifecycle, "helping", lambda *_, **__: nullcontext())
    patch.setattr(figures, "draw_histogram", lambda _: Figure())
    patch.setattr(figures, "save_png", lambda _, path: path.write_bytes(b""))
    patch.setattr(figures, "save_svg", lambda _, path: path.write_text('<svg viewBox="0 0 1 1"></svg>'))


def launch(
    store: Store, entry_point: str, *arguments: str, cwd: Path | None = None, drawn: bool = False
) -> Launch:
    """Launch in this process, which spares what a new one imports; the code is what it would exit with.

    Pictures, which take longest, are left undrawn unless somebody looks at them.
    """
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with (
        kept_process(),
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        patch.setenv("MLFLOW_TRACKING_URI", store.uri)
        patch.chdir(cwd or store.folder)
        patch.setattr(sys, "argv", [entry_point, *arguments])
        if not drawn:
            leave_undrawn(patch)
        try:
            importlib.import_module(f"elsa_groups.cli.{entry_point}").main()
        except SystemExit as end:
            code = end.code
    return Launch(code, out.getvalue(), err.getvalue())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(store: Store, backend: str, port: int | None = None) -> Iterator[Store]:
    """The store behind `mlflow server`, which also carries its artifacts; ended in the end."""
    port = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    kept = ["--backend-store-uri", backend, "--artifacts-destination", str(store.folder / "kept")]
    environment = {k: v for k, v in store.environment.items() if k != "MLFLOW_TRACKING_URI"}
    # Its workers for other tasks take as long to start as the server itself.
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    log = store.folder / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [*command, *kept, "--workers", "1"], cwd=store.folder, env=environment, start_new_session=True,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        remote = replace(store, uri=f"http://127.0.0.1:{port}")
        wait_for(f"{remote.uri}/health", server, log)
        yield remote
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"no answer from {url}: {log.read_text()[-3000:]}")
