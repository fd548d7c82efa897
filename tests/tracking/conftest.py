"""A small trained ELSA, and MLflow stores to log it in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from elsa_groups.base.digests import folder_digests
from elsa_groups.base.files import write_json
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.load import load
from elsa_groups.data.split import split_users
from elsa_groups.model.elsa import save_checkpoint
from elsa_groups.model.training import TrainingSettings, train
from elsa_groups.record.code import Code
from elsa_groups.record.schema import environment_record, parent_lineage

from ..launches import Store


@pytest.fixture(scope="session")
def interactions() -> Interactions:
    options = {"n_users": 200, "n_items": 300}
    return load("Demo", Path("unused"), min_user_interactions=5, min_item_interactions=5, **options)


@pytest.fixture(scope="session")
def encoder(interactions: Interactions) -> np.ndarray:
    settings = TrainingSettings(factors=16, epochs=15, batch_size=32, learning_rate=0.02, patience=15)
    split = split_users(interactions.n_users, val_ratio=0.1, test_ratio=0.1, seed=1)
    return train(interactions.matrix, split, settings=settings, seed=1, device="cpu").encoder


@pytest.fixture
def client(tmp_path: Path, empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.chdir(tmp_path)
    empty_store.copied_to(tmp_path)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield MlflowClient()
    mlflow.end_run()
    mlflow.set_tracking_uri(None)


def record_of(run_id: str, interactions: Interactions, artifacts: dict[str, str]) -> dict[str, Any]:
    """The lineage record that a parent of ours has."""
    environment = environment_record(Code("c0" * 20, b""), device="cpu", threads=1)
    return parent_lineage(
        run_id=run_id,
        model_id="m-1",
        interactions=interactions,
        settings={},
        artifacts=artifacts,
        environment=environment,
    )


@pytest.fixture
def log_parent(
    client: MlflowClient, interactions: Interactions, encoder: np.ndarray, tmp_path: Path
) -> Callable[..., str]:
    """Log a run as a parent and return its id; params, files, tags and status can be replaced."""

    def log(
        params: dict[str, Any] | None = None,
        *,
        weights: np.ndarray | None = encoder,
        ids: bool = True,
        digest: str | None = None,
        status: str = "FINISHED",
        tags: dict[str, str] | None = None,
        lineage: bool = False,
        experiment: str = "0",
    ) -> str:
        from elsa_groups.tracking.run import RunHandle, dataset_input

        run_id = client.create_run(experiment, tags=tags).info.run_id
        run = RunHandle(run_id, experiment)
        contract = {"model": "ELSA", "dataset": "Demo", "items": interactions.n_items, "factors": 16}
        filters = {"conf.dataset.min_user_interactions": 5, "conf.dataset.min_item_interactions": 5}
        run.log_params(contract | filters | (params or {}))
        run.log_inputs(dataset_input("Demo", digest or interactions.digest, "generated:Demo", "training"))
        folder = tmp_path / run_id
        folder.mkdir()
        if weights is not None:
            save_checkpoint(folder / "checkpoint.ckpt", weights)
        if ids:
            (folder / "items.json").write_text(json.dumps(interactions.item_ids))
            (folder / "users.json").write_text(json.dumps(interactions.user_ids))
        if lineage:
            write_json(folder / "lineage.json", record_of(run_id, interactions, folder_digests(folder)))
        run.log_files(folder)
        if status != "RUNNING":
            client.set_terminated(run_id, status)
        return run_id

    return log
