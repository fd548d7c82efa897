"""Chromium, and MLflow's own pages of a small ELSA and two groups runs drawn from it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pytest

from ..launches import Store, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Trained so little, few users diverge; one family with subgroups is left.
SMALL = ["n_groups=20", "~families.divergent", "families.opposing.compositions=[[2,1]]"]
DATA = ["dataset.n_users=200", "dataset.n_items=300"]
TRAINED = [*DATA, "model.factors=16", "model.epochs=15"]
SETTINGS = {"q0.8 d0.2 · groups of Demo": (0.8, 0.2), "q0.95 d0.3 · groups of Demo": (0.95, 0.3)}


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        installed = shutil.which("chromium") or playwright.chromium.executable_path
        if not Path(installed).exists():
            pytest.skip("Chromium is not installed: apt-get install chromium, or playwright install chromium")
        browser = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass(frozen=True)
class Shown:
    """A server, and the runs that it shows: the parent's id and name, and the groups runs' ids by name."""

    store: Store
    parent: str
    parent_name: str
    groups: dict[str, str]

    @property
    def runs(self) -> str:
        """Address of the list of runs."""
        return f"{self.store.uri}/#/experiments/0/runs"


def _log_runs() -> tuple[str, str]:
    """Train a small ELSA and draw groups from it by two settings; return the parent's id and name."""
    from elsa_groups.cli.composing import compose_settings
    from elsa_groups.commands.generate.generate import generate_child
    from elsa_groups.commands.inputs import load_interactions
    from elsa_groups.commands.train import train_parent
    from elsa_groups.tracking.parent_search import resolve_parent

    settings = compose_settings("train", TRAINED)
    interactions = load_interactions(settings.dataset, settings.data_dir)
    run = train_parent(settings, interactions, [])
    parent = resolve_parent(run.run_id, interactions, seed=settings.seed)
    for similar, divergent in SETTINGS.values():
        levels = [f"thresholds.similar.quantile={similar}", f"thresholds.divergent.quantile={divergent}"]
        asked = compose_settings("generate", DATA + SMALL + levels)
        generate_child(asked, interactions, parent, overrides=levels)
    return parent.run_id, parent.name


@pytest.fixture(scope="session")
def shown(browser: "Browser", new_store: Callable[[], Store]) -> Iterator[Shown]:
    """MLflow's server before a store with a parent and its two groups runs, made in this process."""
    store = new_store()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(store.folder)
        for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", store.uri)
        mlflow.set_tracking_uri(None)
        parent, parent_name = _log_runs()
    found = store.client.search_runs(["0"], "tags.`elsa_groups.kind` = 'groups'")
    groups = {run.info.run_name: run.info.run_id for run in found}
    with served(store, store.uri) as remote:
        yield Shown(remote, parent, parent_name, groups)
