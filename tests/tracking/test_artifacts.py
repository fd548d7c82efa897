"""Artifacts where MLflow finds them, where it does not, and where it says nothing of it."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from elsa_groups.base.errors import InputError
from elsa_groups.tracking.artifacts import RunArtifacts, artifacts_of


@pytest.fixture
def run_id(client: MlflowClient, tmp_path: Path) -> str:
    """A run in an experiment whose artifacts are beside the store."""
    folder = tmp_path / "to log"
    (folder / "groups").mkdir(parents=True)
    (folder / "groups" / "a.npy").write_bytes(b"a")
    (folder / "lineage.json").write_text("{}")
    home = client.create_experiment("home", (tmp_path / "mlruns" / "7").as_uri())
    run_id = client.create_run(home).info.run_id
    client.log_artifacts(run_id, str(folder))
    return run_id


def artifacts(client: MlflowClient, run_id: str) -> RunArtifacts:
    return artifacts_of(client, client.get_run(run_id))


def moved_store(tmp_path: Path, to: str) -> MlflowClient:
    """The store of the tests, moved with its artifacts."""
    folder = tmp_path / to
    folder.mkdir(parents=True)
    shutil.move(tmp_path / "mlflow.db", folder)
    shutil.move(tmp_path / "mlruns", folder)
    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


def test_artifacts_are_listed_and_copied(client, run_id, tmp_path):
    there = artifacts(client, run_id)
    assert there.names() == ["groups", "lineage.json"]
    assert there.names("groups") == ["groups/a.npy"]
    assert there.has("groups/a.npy")
    assert not there.has("groups/b.npy")
    assert not there.has("nothing/a.npy")
    assert there.download("groups/a.npy", tmp_path / "new").read_bytes() == b"a"
    copy = there.download("", tmp_path / "all")
    assert sorted(path.name for path in copy.rglob("*")) == ["a.npy", "groups", "lineage.json"]


@pytest.mark.parametrize("path", ["groups/b.npy", "overlap", "nothing/a.npy"])
def test_an_absent_artifact_is_refused_by_run_name_and_place(client, run_id, tmp_path, path):
    with pytest.raises(InputError) as error:
        artifacts(client, run_id).download(path, tmp_path)
    place = client.get_run(run_id).info.artifact_uri
    assert f"run {run_id} has no artifact {path} under {place}; was the run cut short" in str(error.value)


def test_a_run_without_artifacts_gives_no_empty_folder(client, tmp_path):
    run_id = client.create_run("0").info.run_id
    with pytest.raises(InputError, match="has no artifact at all under"):
        artifacts(client, run_id).download("", tmp_path)


def test_an_empty_folder_of_artifacts_is_an_absent_one(client, run_id, tmp_path):
    (tmp_path / "mlruns" / "7" / run_id / "artifacts" / "groups" / "a.npy").unlink()
    with pytest.raises(InputError, match="has no artifact groups under"):
        artifacts(client, run_id).download("groups", tmp_path / "new")


@pytest.mark.parametrize("to", ["moved", "it's #1, 100% moved/and deeper"])
def test_artifacts_moved_with_their_store_are_found(client, run_id, tmp_path, to):
    elsewhere = moved_store(tmp_path, to)
    there = artifacts(elsewhere, run_id)
    assert there.names("groups") == ["groups/a.npy"]
    assert there.download("groups/a.npy", tmp_path / "new").read_bytes() == b"a"


def test_a_store_moved_without_its_artifacts_is_refused_with_what_to_do(client, run_id, tmp_path):
    elsewhere = moved_store(tmp_path, "moved")
    shutil.move(tmp_path / "moved" / "mlruns", tmp_path / "lost")
    # What is left beside the store is another run's.
    (tmp_path / "moved" / "artifacts").mkdir()
    (tmp_path / "moved" / "mlruns" / "7" / "other" / "artifacts").mkdir(parents=True)
    with pytest.raises(InputError, match=r"a folder that is not here; if the store was moved, move its"):
        artifacts(elsewhere, run_id).download("groups", tmp_path)


def fake(run_id: str, artifact_uri: str, tracking_uri: str) -> RunArtifacts:
    info = SimpleNamespace(run_id=run_id, artifact_uri=artifact_uri)
    return artifacts_of(SimpleNamespace(tracking_uri=tracking_uri), SimpleNamespace(info=info))


def test_the_longest_end_of_the_old_path_is_taken(tmp_path):
    for end in ("r/artifacts", "2/r/artifacts", "mlruns/2/r/artifacts"):
        (tmp_path / end).mkdir(parents=True)
        found = fake("r", "/gone/mlruns/2/r/artifacts", f"sqlite:///{tmp_path}/x.db")
        assert found.uri == (tmp_path / end).as_uri()


def test_a_relative_address_of_a_store_means_the_folder_one_is_in(tmp_path, monkeypatch):
    (tmp_path / "r" / "artifacts").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    found = fake("r", "/gone/r/artifacts", "sqlite:///x.db")
    assert found.uri == (tmp_path / "r" / "artifacts").as_uri()


def test_a_moved_folder_of_runs_is_its_own_root(tmp_path):
    (tmp_path / "renamed" / "2" / "r" / "artifacts").mkdir(parents=True)
    for store in (str(tmp_path / "renamed"), (tmp_path / "renamed").as_uri()):
        found = fake("r", "file:///gone/mlruns/2/r/artifacts", store)
        assert found.uri == (tmp_path / "renamed" / "2" / "r" / "artifacts").as_uri()


@pytest.mark.parametrize("store", ["http://127.0.0.1:1", "postgresql://ann:secret@127.0.0.1:1/x"])
def test_a_store_elsewhere_has_no_folder_to_look_beside(store, tmp_path, monkeypatch):
    (tmp_path / "mlruns" / "2" / "r" / "artifacts").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert fake("r", "/gone/mlruns/2/r/artifacts", store).uri == "/gone/mlruns/2/r/artifacts"


def test_storage_that_does_not_answer_is_named_without_its_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    there = RunArtifacts("r", "http://ann:secret@127.0.0.1:9/api/2.0/mlflow-artifacts/artifacts/2/r", "x")
    with pytest.raises(InputError, match=r"run r: cannot read http://[*]{3}@") as error:
        there.download("groups", tmp_path)
    assert "secret" not in str(error.value)
