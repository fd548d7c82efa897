"""The kinds of stores that a parent and its groups are kept in, and stores that were moved."""

from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest

from elsa_groups import find_groups, load_groups
from elsa_groups.base.errors import InputError
from elsa_groups.tracking.parent_search import check_parent

from .conftest import Store, launch, served

# Trained so little, few users diverge.
SMALL = [
    "dataset=Demo", "dataset.n_users=300", "dataset.n_items=400", "n_groups=3", "baseline.n_groups=20",
    "evidence.halves=null", "~families.divergent", "~families.opposing",
]  # fmt: skip
KEYS = ["similar_3", "similar_5", "random_3"]


def main(store: Store) -> str:
    """Train a small parent and draw a few groups; return the id of their run."""
    done = launch(store, "main", *SMALL, "model.epochs=2", "model.factors=16")
    assert done.code == 0, done.err
    return done.last_id


def check_groups(store: Store, run_id: str) -> None:
    """The groups of a run come back, by its id and by those of its parent and dataset."""
    run = load_groups(run_id, tracking_uri=store.uri)
    assert list(run) == KEYS
    assert run["similar_5"].members.shape == run["similar_5"].user_ids.shape == (3, 5)
    child = store.client.get_run(run_id)
    assert child.data.tags["mlflow.parentRunId"] == run.parent_run_id
    assert child.info.experiment_id == store.client.get_run(run.parent_run_id).info.experiment_id
    found = find_groups(dataset="Demo", parent=run.parent_run_id, tracking_uri=store.uri)
    assert run_id in [each.run_id for each in found]


@pytest.fixture(scope="module")
def local(filled_store) -> tuple[Store, str]:
    """A store of SQLite and local artifacts, with one parent and groups of it; moved by the last test."""
    return filled_store("local", main)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def remote(request, new_store) -> Store:
    store = new_store()
    in_sqlite = request.param == "SQLite"
    backend = f"sqlite:///{store.folder}/served.db" if in_sqlite else request.getfixturevalue("postgres")
    with served(store, backend) as remote:
        yield remote


def test_groups_are_kept_behind_a_server(remote, tmp_path):
    run_id = main(remote)

    run = remote.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert remote.running() == []
    check_groups(remote, run_id)
    mlflow.set_tracking_uri(remote.uri)
    parent = run.data.tags["mlflow.parentRunId"]
    check_parent(parent)
    with pytest.raises(InputError, match=f"holds groups; its parent is {parent}: give parent={parent}"):
        check_parent(run_id)
    with pytest.raises(InputError, match=r"no run '0123456789abcdef' in http:"):
        check_parent("0123456789abcdef")
    halfwritten = remote.client.create_run("0", tags={"elsa_groups.kind": "elsa"}).info.run_id
    remote.client.set_terminated(halfwritten)
    with pytest.raises(InputError, match=r"has no artifact lineage.json under mlflow-artifacts:.*cut short"):
        check_parent(halfwritten)


def test_groups_are_kept_in_a_folder_of_runs_and_found_where_it_is_moved_to(new_store, monkeypatch):
    # The environment of MLflow's own client in this process, as in the launched ones.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    folder = new_store().folder
    store = Store(folder, str(folder / "runs"), {"MLFLOW_ALLOW_FILE_STORE": "true"})
    run_id = main(store)
    check_groups(store, run_id)

    moved = Path(store.uri).rename(folder / "it's moved")

    check_groups(replace(store, uri=str(moved)), run_id)


def test_a_child_launched_in_another_experiment_goes_to_its_parents(local, monkeypatch):
    store, first = local
    parent = store.client.get_run(first).data.tags["mlflow.parentRunId"]
    # As `mlflow run --experiment-name other` launches it, and ends its run.
    other = store.client.create_experiment("other")
    launched = store.client.create_run(other).info.run_id
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_RUN_ID", launched)
        patch.setenv("MLFLOW_EXPERIMENT_ID", other)
        done = launch(store, "generate", *SMALL, f"parent={parent}")
    store.client.set_terminated(launched)

    assert done.code == 0, done.err
    check_groups(store, done.last_id)
    (run,) = store.client.search_runs([other])
    assert (run.info.run_id, run.data.tags["elsa_groups.run"]) == (launched, done.last_id)
    with pytest.raises(InputError, match=f"it launched run {done.last_id}: give that one"):
        load_groups(launched, tracking_uri=store.uri)


def test_groups_are_drawn_from_a_parent_in_a_store_that_was_moved(local, tmp_path):
    store, first = local
    before = load_groups(first, tracking_uri=store.uri)
    folder = store.folder.rename(tmp_path / "it's moved")
    moved = Store(folder, f"sqlite:///{folder}/mlflow.db")

    check_groups(moved, first)
    done = launch(moved, "generate", *SMALL, f"parent={before.parent_run_id}")

    assert done.code == 0, done.err
    assert "its artifacts are in" in done.err
    check_groups(moved, done.last_id)
    after = load_groups(done.last_id, tracking_uri=moved.uri)
    assert after.digest == before.digest
    for key in KEYS:
        np.testing.assert_array_equal(after[key].user_ids, before[key].user_ids)
