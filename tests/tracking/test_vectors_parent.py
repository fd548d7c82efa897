"""Vectors among MLflow's artifacts are found by every kind of address, ids beside them."""

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from elsa_groups.base.errors import InputError
from elsa_groups.tracking.vectors_parent import download_vectors


@pytest.fixture
def model(new_store, tmp_path, monkeypatch):
    """Id of a LoggedModel that has vectors, and is version 1 of als, the best one."""
    store = new_store()
    mlflow.set_tracking_uri(store.uri)
    monkeypatch.chdir(store.folder)
    files = tmp_path / "files"
    files.mkdir()
    np.save(files / "u.npy", np.eye(3))
    (files / "u.txt").write_text("a\nb\nc\n")
    client = MlflowClient()
    with mlflow.start_run() as run:
        model = mlflow.initialize_logged_model(name="als")
        client.log_model_artifacts(model.model_id, str(files))
        mlflow.finalize_logged_model(model.model_id, "READY")
    client.create_registered_model("als")
    uri = f"models:/{model.model_id}"
    client.create_model_version("als", uri, run.info.run_id, model_id=model.model_id)
    client.set_registered_model_alias("als", "best", "1")
    yield model.model_id
    mlflow.set_tracking_uri(None)


@pytest.mark.parametrize("address", ["models:/{id}/u.npy", "models:/als/1/u.npy", "models:/als@best/u.npy"])
def test_vectors_of_models_are_found_with_their_ids(model, address, tmp_path):
    path = download_vectors(address.format(id=model), tmp_path / "to", "vectors.artifact")
    assert np.load(path).tolist() == np.eye(3).tolist()
    assert path.with_suffix(".txt").read_text() == "a\nb\nc\n"


@pytest.mark.parametrize("address", ["models:/als/2/u.npy", "models:/als/1/w.npy", "models:/m-1/u.npy"])
def test_what_is_not_there_is_refused_by_its_address(model, address, tmp_path):
    with pytest.raises(InputError, match=rf"vectors.items: no artifact .*{address[-6:]}"):
        download_vectors(address, tmp_path / "to", "vectors.items")
