"""A temporary MLflow store, and the project launched into it as a user would."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


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
    """An MLflow store in a folder of its own."""

    folder: Path
    uri: str

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    @property
    def environment(self) -> dict[str, str]:
        keep = "MLFLOW_ENV_ROOT"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_") or k == keep}
        path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
        return clean | {"MLFLOW_TRACKING_URI": self.uri, "PATH": path}

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


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """Make a store, its tables in place: concurrent first uses of a fresh SQLite file race."""

    def make() -> Store:
        folder = tmp_path_factory.mktemp("store")
        uri = f"sqlite:///{folder}/mlflow.db"
        with pytest.MonkeyPatch.context() as patch:
            # The default experiment keeps its artifacts beside where its tables were made.
            patch.chdir(folder)
            MlflowClient(uri).search_experiments()
        return Store(folder, uri)

    return make


@pytest.fixture(scope="session")
def demo(new_store: Callable[[], Store]) -> tuple[Store, Launch]:
    """One `mlflow run . -P dataset=Demo` that several tests look at."""
    store = new_store()
    launch = store.mlflow_run("-P", "dataset=Demo")
    assert launch.code == 0, launch.err
    return store, launch


@pytest.fixture(autouse=True)
def _no_ambient_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    mlflow.set_tracking_uri(None)
