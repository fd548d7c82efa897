"""Groups of another model's users: from its vectors to groups, their parent, and the same groups again."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from elsa_groups import draw_groups
from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError
from elsa_groups.data.load import load
from elsa_groups.tracking.vectors_parent import vectors_parent

from .conftest import Store, launch

DEMO = ("dataset=Demo", "dataset.n_users=150", "dataset.n_items=240")
SMALL = (
    *DEMO, "n_groups=12", "baseline.n_groups=12", "evidence.halves=2", "similarity.source=vectors",
    "~families.divergent", "families.similar.compositions=[[3]]", "families.opposing.compositions=[[2,1]]",
)  # fmt: skip
FAMILIES = {
    "similar": {"compositions": [[3]], "within": "similar"},
    "opposing": {"compositions": [[2, 1]], "within": "similar", "across": "divergent"},
    "random": {"compositions": [[3]]},
}
LEFT_OUT = 5


@pytest.fixture(scope="module")
def data():
    options = {"n_users": 150, "n_items": 240}
    return load("Demo", Path("unused"), min_user_interactions=5, min_item_interactions=5, **options)


@pytest.fixture(scope="module")
def vectors(data):
    """Of all users but the last few, one of whom has no direction."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(data.n_users - LEFT_OUT, 8)).astype(np.float32)
    vectors[4] = 0
    return vectors


@pytest.fixture(scope="module")
def items(data):
    return np.random.default_rng(4).normal(size=(data.n_items, 8)).astype(np.float32)


def write_parquet(path, ids, vectors):
    listed = pa.array(list(vectors), pa.list_(pa.float32()))
    pq.write_table(pa.table({"user_id": list(ids), "vector": listed}), path)


def write_array(path, ids, vectors):
    np.save(path, vectors)
    path.with_suffix(".txt").write_text("\n".join(ids) + "\n", encoding="utf-8")


def members_of(store, run_id):
    folder = next(store.folder.glob(f"mlruns/*/{run_id}/artifacts/groups"))
    return {path.stem: np.load(path) for path in folder.glob("*_[0-9].npy")}


def files_of(store, run_id):
    return next(store.folder.glob(f"mlruns/*/{run_id}/artifacts"))


@pytest.fixture
def store(new_store):
    return new_store()


def generate(store: Store, *arguments, command="generate"):
    done = launch(store, command, *SMALL, *arguments)
    assert done.code == 0, done.err
    return done


@pytest.fixture
def drawn(store, data, vectors, tmp_path):
    """A groups run, shuffled rows of vectors being its users'; with item vectors not."""
    order = np.random.default_rng(5).permutation(len(vectors))
    path = tmp_path / "users of a model.parquet"
    write_parquet(path, [data.user_ids[row] for row in order], vectors[order])
    return generate(store, f"vectors.path='{path}'"), path


def test_groups_are_those_of_the_library_and_their_parent_holds_the_vectors(
    store, data, vectors, drawn, tmp_path
):
    done, path = drawn
    run_id, client = done.last_id, store.client
    everyone = np.zeros((data.n_users, 8), np.float32)
    everyone[: len(vectors)] = vectors
    found = draw_groups(
        everyone, FAMILIES, histories=data.matrix, n_groups=12,
        settings={"evidence": {"halves": 2}, "baseline": {"n_groups": 12}},
    )  # fmt: skip
    members = members_of(store, run_id)
    assert set(members) == set(found) == {"similar_3", "opposing_2_1", "random_3"}
    for key, groups in found.items():
        assert groups.members.tobytes() == members[key].tobytes()
    lineage = json.loads((files_of(store, run_id) / "lineage.json").read_text())
    assert lineage["users"]["n_users"] == found.n_users == len(vectors) - 1
    parent = client.get_run(lineage["parent"]["run_id"])
    assert parent.data.tags["elsa_groups.kind"] == "vectors"
    assert (files_of(store, parent.info.run_id) / "vectors.parquet").read_bytes() == path.read_bytes()
    assert list(lineage["parent"]["files"]) == ["vectors.parquet"]
    assert lineage["parent"]["checkpoint_sha256"] == lineage["parent"]["files"]["vectors.parquet"]
    assert f"{LEFT_OUT + 1} of {data.n_users} users have no vector" in done.err
    # Nothing recommends, and that is said.
    assert "recommendation overlap is left out" in done.err
    assert not [name for name in client.get_run(run_id).data.metrics if "recommendation" in name]
    page = (files_of(store, run_id) / "report.html").read_text()
    assert "which another model gave" in page
    assert "No item vectors were given: recommendation overlap is left out." in page
    assert (files_of(store, run_id) / "evidence.parquet").is_file()


def test_the_same_vectors_have_one_parent_and_others_another(store, data, vectors, items, drawn, tmp_path):
    done, path = drawn
    first = json.loads((files_of(store, done.last_id) / "lineage.json").read_text())["parent"]["run_id"]

    def parent_of(*arguments, command="generate"):
        run_id = generate(store, *arguments, command=command).last_id
        return store.client.get_run(run_id).data.tags["elsa_groups.parent"], run_id

    assert parent_of(f"vectors.path='{path}'", "seed=1", command="main")[0] == first
    assert parent_of(f"parent={first}", "seed=2")[0] == first
    # As an array, with item vectors, from MLflow's artifacts.
    write_array(tmp_path / "users.npy", data.user_ids[: len(vectors)], vectors)
    write_array(tmp_path / "items.npy", data.item_ids, items)
    client = MlflowClient(store.uri)
    for name in ("users.npy", "users.txt", "items.npy", "items.txt"):
        client.log_artifact(first, str(tmp_path / name), "model")
    uri = f"runs:/{first}/model"
    other, run_id = parent_of(f"vectors.artifact={uri}/users.npy", f"vectors.items={uri}/items.npy")
    assert other != first
    assert (
        members_of(store, run_id)["similar_3"].tobytes()
        == members_of(store, done.last_id)["similar_3"].tobytes()
    )
    metrics = store.client.get_run(run_id).data.metrics
    # By brute force: the items of two members that the dot product puts first, histories left out.
    scores = vectors.astype(np.float64) @ items.astype(np.float64).T
    scores[data.matrix[: len(vectors)].toarray() > 0] = -np.inf
    top = np.argsort(-scores, axis=1)[:, :20]
    groups = members_of(store, run_id)["similar_3"]
    shares = [
        np.mean([len({*top[u]} & {*top[v]}) / 20 for u, v in ((a, b), (a, c), (b, c))]) for a, b, c in groups
    ]
    assert metrics["similar_3/recommendation_overlap_at_20_mean"] == pytest.approx(np.mean(shares))


def test_the_groups_are_drawn_again_and_a_changed_vector_is_named(store, drawn):
    done, _ = drawn
    again = launch(store, "reproduce", f"groups_run_id={done.last_id}")
    assert again.code == 0, again.out + again.err
    assert "verdict: identical" in again.out
    lineage = json.loads((files_of(store, done.last_id) / "lineage.json").read_text())
    file = files_of(store, lineage["parent"]["run_id"]) / "vectors.parquet"
    table = pq.read_table(file)
    users = json.loads((files_of(store, lineage["parent"]["run_id"]) / "users.json").read_text())
    first = users[members_of(store, done.last_id)["similar_3"][0, 0]]
    rows = table.to_pylist()
    for row in rows:
        if row["user_id"] == first:
            row["vector"] = [-number for number in row["vector"]]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), file)
    changed = launch(store, "reproduce", f"groups_run_id={done.last_id}")
    assert changed.code == 3
    assert "parent.files.vectors.parquet: recorded" in changed.out
    assert "verdict: different" in changed.out
    file.unlink()
    gone = launch(store, "reproduce", f"groups_run_id={done.last_id}")
    assert gone.code == 4
    assert "vectors" in gone.err.splitlines()[-1]


def test_feasibility_and_a_sweep_take_vectors(store, drawn):
    _, path = drawn
    done = launch(store, "feasibility", *SMALL, f"vectors.path='{path}'", "feasibility.attempts=20")
    assert done.code == 0, done.err
    swept = launch(store, "generate", "-m", *SMALL, f"vectors.path='{path}'", "seed=1,2")
    assert swept.code == 0, swept.err
    kinds = [
        run.data.tags.get("elsa_groups.kind")
        for run in store.client.search_runs([e.experiment_id for e in store.client.search_experiments()])
    ]
    assert kinds.count("vectors") == 1
    assert kinds.count("groups") == 3


def test_a_changed_file_of_a_parent_is_refused_also_with_its_digest_in_the_record(store, data, drawn):
    parent = store.client.get_run(drawn[0].last_id).data.tags["elsa_groups.parent"]
    folder = files_of(store, parent)
    mlflow.set_tracking_uri(store.uri)
    assert vectors_parent(parent, data).run_id == parent
    table = pq.read_table(folder / "vectors.parquet")
    pq.write_table(table.slice(1), folder / "vectors.parquet")
    with pytest.raises(InputError, match=r"vectors\.parquet of run .* is not the one that was logged"):
        vectors_parent(parent, data)
    lineage = json.loads((folder / "lineage.json").read_text())
    lineage["artifacts"]["vectors.parquet"] = file_digest(folder / "vectors.parquet")
    (folder / "lineage.json").write_text(json.dumps(lineage))
    with pytest.raises(InputError, match=r"lineage\.json of run .* is not what was logged"):
        vectors_parent(parent, data)
    mlflow.set_tracking_uri(None)


def test_what_cannot_be_used_is_one_error_and_leaves_no_run(store, data, vectors, items, tmp_path):
    ids = list(data.user_ids[: len(vectors)])
    bad = vectors.copy()
    bad[0, 0] = np.nan
    path = tmp_path / "v.parquet"

    def error(*arguments):
        done = launch(store, "generate", *SMALL, *arguments)
        assert done.code == 1
        return done.err.splitlines()[-1]

    def of_users(ids, vectors):
        write_parquet(path, ids, vectors)
        return error(f"vectors.path={path}")

    assert "similarity.source=vectors: expected vectors.path=FILE" in error()
    assert "which is no file" in error(f"vectors.path={path}")
    assert "expected finite vectors, got NaN or infinity in 1 of" in of_users(ids, bad)
    assert "1 of 145 that are none: 'nobody'" in of_users(["nobody", *ids[1:]], vectors)
    assert f"got several for 1: '{ids[1]}'" in of_users([ids[1], *ids[1:]], vectors)
    write_parquet(path, ids, vectors)
    write_parquet(tmp_path / "i.parquet", data.item_ids, items[:, :7])
    given = f"vectors.path={path}", f"vectors.items={tmp_path}/i.parquet"
    assert "item_vectors.parquet: expected 8 dimensions, as users have, got 7" in error(*given)
    write_parquet(tmp_path / "i.parquet", data.item_ids[1:], items[1:])
    assert "expected a vector for each of the 240 items" in error(*given)
    over = "filters.max_recommendation_overlap.value=0.5"
    assert "expected the recommended items of users, got none" in error(f"vectors.path={path}", over)
    write_array(tmp_path / "v.npy", ids[1:], vectors)
    assert "expected an id for each of the 145 rows" in error(f"vectors.path={tmp_path}/v.npy")
    assert "no run 'nothing'" in error("vectors.artifact=runs:/nothing/v.npy")
    assert "expected an artifact as runs:/ID/PATH" in error("vectors.artifact=s3://v.npy")
    experiments = [e.experiment_id for e in store.client.search_experiments()]
    finished = [r for r in store.client.search_runs(experiments) if r.info.status == "FINISHED"]
    # Only the vectors that were good themselves have a run.
    assert [run.data.tags["elsa_groups.kind"] for run in finished] == ["vectors"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["similarity.source=elsa", "vectors.path=v.npy"], "expected similarity.source=vectors beside v.npy"),
        (["vectors.path=v.npy", "vectors.artifact=runs:/a/b"], "got both"),
        (["parent=abc", "vectors.items=v.npy"], "vectors.items: expected vectors.path or vectors.artifact"),
        (["vectors.path=v.npy", "pin=true"], "pin: expected false"),
    ],
)
def test_settings_that_contradict_are_refused(store, overrides, message):
    done = launch(store, "generate", *SMALL, *overrides)
    assert done.code == 1
    assert message in done.err
