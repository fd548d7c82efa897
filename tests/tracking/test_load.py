"""Groups read back from their run, and runs that are not what they say."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from elsa_groups import find_groups, load_groups
from elsa_groups.base.digests import array_digest, file_digest
from elsa_groups.base.errors import InputError
from elsa_groups.cli.composing import compose_settings
from elsa_groups.groups.groups import Accounting, Groups
from elsa_groups.record.code import Code
from elsa_groups.record.schema import (
    environment_record,
    groups_digest,
    groups_lineage,
    groups_origin,
)
from elsa_groups.report.tables import members_table, write_parquet
from elsa_groups.similarity.limits import Thresholds

ROOT = Path(__file__).resolve().parents[2]
# The name of a family may itself end in a number.
FAMILIES = {"pairs_2_2": "pairs_2", "camps_2_1": "camps", "camps_1_1": "camps"}
KEYS = {"pairs_2_2": (2,), "camps_2_1": (2, 1), "camps_1_1": (1, 1)}
PARENT = {
    "model_id": None,
    "checkpoint_sha256": "cd" * 32,
    "factors": 16,
    "item_order": "items.json",
    "pinned": None,
}
NO_DIGEST = "0" * 64


@pytest.fixture
def members(interactions) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    draws = {key: [rng.permutation(interactions.n_users)[: sum(sizes)] for _ in range(4)]
             for key, sizes in KEYS.items()}  # fmt: skip
    return {key: np.array(groups, np.int64) for key, groups in draws.items()}


@pytest.fixture
def log_groups(client: MlflowClient, interactions, members, tmp_path) -> Callable[..., str]:
    """Log a groups run and return its id; some of it can be replaced."""

    def log(
        *,
        experiment: str = "0",
        parent: str = "p1",
        tags: dict[str, str] | None = None,
        status: str = "FINISHED",
        change_files: Callable[[Path], None] = lambda _: None,
        change_lineage: Callable[[dict], object] = lambda _: None,
        lineage_text: str | None = None,
    ) -> str:
        own = {"elsa_groups.kind": "groups", "elsa_groups.parent": parent, "elsa_groups.dataset": "Demo"}
        run = client.create_run(experiment, tags=own | (tags or {}), run_name="groups q0.90/0.10 seed 42")
        run_id = run.info.run_id
        folder = tmp_path / run_id
        (folder / "groups").mkdir(parents=True)
        for key, users in members.items():
            np.save(folder / "groups" / f"{key}.npy", users)
            nothing = np.zeros(len(users), np.int64)
            groups = Groups(key, users, KEYS[key], Accounting(nothing, nothing, nothing))
            table = members_table(groups, users, interactions.user_ids)
            write_parquet(folder / "groups" / f"{key}.parquet", table)
        origin = groups_origin(
            run_id=run_id,
            parent=PARENT | {"run_id": parent},
            interactions=interactions,
            users={"n_users": 3, "sha256": "ab" * 32, "n_trained": 2, "file_sha256": None},
            thresholds=Thresholds(0.7, 0.5, "exact", 3, 3),
            settings=compose_settings("generate", ["dataset=Demo"]),
        )
        lineage = groups_lineage(
            origin,
            absent={},
            groups={
                key: {
                    "family": FAMILIES[key],
                    "sizes": list(KEYS[key]),
                    "shape": list(users.shape),
                    "sha256": array_digest(users),
                }
                for key, users in members.items()
            },
            artifacts={f"groups/{path.name}": file_digest(path) for path in (folder / "groups").iterdir()},
            environment=environment_record(Code(None, b""), device="cpu", threads=1),
        )
        change_files(folder)
        change_lineage(lineage)
        if lineage_text != "":
            (folder / "lineage.json").write_text(lineage_text or json.dumps(lineage))
        client.log_artifacts(run_id, str(folder))
        if status != "RUNNING":
            client.set_terminated(run_id, status)
        return run_id

    return log


def refusal(run_id: str, **options) -> str:
    with pytest.raises(InputError) as error:
        load_groups(run_id, **options)
    return str(error.value)


def test_groups_are_read_by_key_with_rows_and_ids(log_groups, members, interactions):
    run_id = log_groups()
    run = load_groups(run_id)
    assert (run.run_id, run.parent_run_id, run.dataset) == (run_id, "p1", "Demo")
    assert (run.thresholds["similar"], run.thresholds["divergent"]) == (0.7, 0.5)
    assert run.settings["seed"] == 42
    assert run.lineage["data"]["n_users"] == interactions.n_users
    assert list(run) == list(KEYS)
    ids = np.array(interactions.user_ids)
    for key, groups in run.items():
        assert (groups.key, groups.sizes) == (key, KEYS[key])
        assert groups.members.dtype == np.int64
        np.testing.assert_array_equal(groups.members, members[key])
        assert groups.user_ids.dtype.kind == "U"
        np.testing.assert_array_equal(groups.user_ids, ids[members[key]])
    assert [run[key].family for key in run] == ["pairs_2", "camps", "camps"]


def test_subgroups_are_the_ids_of_each_side(log_groups, members, interactions):
    pair, one = load_groups(log_groups())["camps_2_1"].subgroups
    ids = np.array(interactions.user_ids)[members["camps_2_1"]]
    np.testing.assert_array_equal(pair, ids[:, :2])
    np.testing.assert_array_equal(one, ids[:, 2:])


def test_chosen_keys_are_loaded_without_the_others(log_groups):
    run_id = log_groups(change_files=lambda folder: (folder / "groups" / "pairs_2_2.npy").unlink())
    assert list(load_groups(run_id, keys=["camps_1_1", "camps_2_1"])) == ["camps_1_1", "camps_2_1"]
    assert list(load_groups(run_id, keys="camps_1_1")) == ["camps_1_1"]
    assert f"run {run_id} has no artifact groups/pairs_2_2.npy" in refusal(run_id)
    message = refusal(run_id, keys=["camps_2_1", "similar_3"])
    assert f"keys: run {run_id} has no similar_3; it has pairs_2_2, camps_2_1, camps_1_1" in message


def overwrite(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", ["groups/camps_2_1.npy", "groups/camps_2_1.parquet"])
def test_a_changed_file_is_refused_by_name_and_both_digests(log_groups, name):
    recorded = {}
    run_id = log_groups(change_files=overwrite(name, b"x"), change_lineage=recorded.update)
    message = refusal(run_id)
    lineage = json.loads(Path(MlflowClient().download_artifacts(run_id, "lineage.json")).read_text())
    assert f"{name}: recorded digest {lineage['artifacts'][name]}, found" in message
    assert hashlib.sha256(b"x").hexdigest() in message


def test_a_file_that_the_lineage_does_not_know_is_refused(log_groups):
    run_id = log_groups(change_lineage=lambda lineage: lineage["artifacts"].clear())
    assert "groups/pairs_2_2.npy: recorded digest None, found" in refusal(run_id)


def test_members_other_than_recorded_are_refused(log_groups):
    run_id = log_groups(
        change_lineage=lambda lineage: lineage["groups"]["pairs_2_2"].update(sha256=NO_DIGEST)
    )
    assert f"members in groups/pairs_2_2.npy: recorded digest {NO_DIGEST}, found" in refusal(run_id)


def edit_parquet(folder: Path, column: str) -> str:
    """Turn a column of a table round; return its new digest."""
    path = folder / "groups" / "camps_2_1.parquet"
    table = pq.read_table(path)
    where = table.column_names.index(column)
    pq.write_table(table.set_column(where, column, table[column].combine_chunks()[::-1]), path)
    return file_digest(path)


@pytest.mark.parametrize("column", ["group", "position", "subgroup", "user_index"])
def test_a_table_that_tells_of_other_groups_than_the_array_is_refused(log_groups, column):
    new = {}

    def change_files(folder: Path) -> None:
        new["groups/camps_2_1.parquet"] = edit_parquet(folder, column)

    run_id = log_groups(
        change_files=change_files, change_lineage=lambda lineage: lineage["artifacts"].update(new)
    )
    assert f"groups/camps_2_1.parquet: its column {column} is not that of" in refusal(run_id)


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_a_run_that_was_cut_short_is_refused(log_groups, status):
    assert f"ended {status}, so that it may be half-written" in refusal(log_groups(status=status))


def test_a_run_that_is_not_over_is_refused(log_groups):
    assert "is RUNNING; wait until it has finished" in refusal(log_groups(status="RUNNING"))


def test_a_run_without_its_lineage_is_refused(log_groups):
    run_id = log_groups(lineage_text="")
    assert f"groups: run {run_id} has no artifact lineage.json under" in refusal(run_id)


def test_a_deleted_run_is_refused_with_the_way_back(client, log_groups):
    run_id = log_groups()
    client.delete_run(run_id)
    assert f"mlflow runs restore --run-id {run_id}" in refusal(run_id)


@pytest.mark.parametrize("run_id", ["0123456789abcdef", "..x", "1" * 300])
def test_an_unknown_run_is_refused(client, run_id):
    assert "groups: no run" in refusal(run_id)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"elsa_groups.kind": "elsa"}, "lists the groups drawn from it"),
        ({"elsa_groups.run": "abc"}, "it launched run abc: give that one"),
        ({}, "expected the id of a groups run"),
    ],
)
def test_a_run_of_another_kind_is_refused_with_where_to_look(client, tags, expected):
    run_id = client.create_run("0", tags=tags).info.run_id
    assert f"run {run_id} holds no groups" in refusal(run_id)
    assert expected in refusal(run_id)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema_version": 2}, "expected schema_version 1, got 2"),
        ({"kind": "odd"}, "expected kind elsa, vectors or groups, got 'odd'"),
        ({"run_id": "another"}, "got another; it is another run's"),
        ({"settings": 3}, "lineage.json: $.settings: 3 is not of type 'object'"),
    ],
)
def test_a_lineage_of_something_else_is_refused(log_groups, change, expected):
    message = refusal(log_groups(change_lineage=lambda lineage: lineage.update(change)))
    assert expected in message
    assert "lineage.json" in message


@pytest.mark.parametrize("text", ["{", "[]", "null", "\udcff"])
def test_a_lineage_that_is_none_is_refused(log_groups, text):
    run_id = log_groups(
        lineage_text="", change_files=overwrite("lineage.json", text.encode(errors="surrogateescape"))
    )
    assert f"groups: run {run_id}: lineage.json: expected" in refusal(run_id)


def test_an_array_that_needs_pickle_is_refused_unread(log_groups, tmp_path):
    path = tmp_path / "trap.npy"
    np.save(path, np.array([{}], object), allow_pickle=True)
    name = "groups/pairs_2_2.npy"
    run_id = log_groups(
        change_files=overwrite(name, path.read_bytes()),
        change_lineage=lambda lineage: lineage["artifacts"].update({name: file_digest(path)}),
    )
    assert "pairs_2_2.npy: expected an array, got objects, which are not read" in refusal(run_id)


@pytest.mark.parametrize("rows", [np.arange(3), np.zeros((2, 2)), np.zeros((0, 2), np.int32)])
def test_an_array_that_holds_no_rows_of_users_is_refused(log_groups, tmp_path, rows):
    path = tmp_path / "odd.npy"
    np.save(path, rows)
    name = "groups/pairs_2_2.npy"
    run_id = log_groups(
        change_files=overwrite(name, path.read_bytes()),
        change_lineage=lambda lineage: lineage["artifacts"].update({name: file_digest(path)}),
    )
    assert f"{name}: expected rows of int64, got {rows.dtype} {rows.shape}" in refusal(run_id)


def test_a_file_that_is_no_table_of_groups_is_refused(log_groups, tmp_path):
    name = "groups/pairs_2_2.parquet"
    path = tmp_path / "odd.parquet"
    for table in (pa.table({"group": [1]}), pa.table({"user_id": ["a"]}), None):
        path.write_bytes(b"PAR1")
        if table:
            pq.write_table(table, path)
        run_id = log_groups(
            change_files=overwrite(name, path.read_bytes()),
            change_lineage=lambda lineage: lineage["artifacts"].update({name: file_digest(path)}),
        )
        assert f"{name}: expected a table of groups, got" in refusal(run_id)


def test_the_digest_names_the_groups_and_nothing_else(log_groups, members):
    first = load_groups(log_groups())
    again = load_groups(log_groups(parent="p2"), keys=["camps_1_1"])
    assert len(first.digest) == 64
    assert first.digest == again.digest

    def other(change) -> str:
        lineage = json.loads(json.dumps(first.lineage))
        change(lineage)
        return groups_digest(lineage)

    assert other(lambda x: x["groups"]["camps_2_1"].update(sha256="0")) != first.digest
    assert other(lambda x: x["groups"].pop("camps_2_1")) != first.digest
    assert other(lambda x: x["data"].update(users_digest="0")) != first.digest
    assert other(lambda x: x.update(groups=dict(reversed(x["groups"].items())))) == first.digest


def test_a_downstream_run_names_the_groups_that_it_used(client, log_groups, tmp_path):
    run = load_groups(log_groups())
    with mlflow.start_run() as downstream:
        mlflow.log_input(run.as_mlflow_dataset(), context="evaluation")
    (used,) = client.get_run(downstream.info.run_id).inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("Demo groups", run.digest[:36])
    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "evaluation"}
    assert json.loads(used.dataset.source) == {"uri": f"runs:/{run.run_id}/groups"}
    # The source leads back to the files.
    copy = mlflow.data.get_source(used.dataset).load(str(tmp_path / "copy"))
    assert {f"{key}.npy" for key in KEYS} <= {path.name for path in Path(copy).rglob("*.npy")}


def test_complete_runs_are_found_newest_first_and_narrowed(client, log_groups):
    elsewhere = client.create_experiment("elsewhere")
    gone = client.create_experiment("gone")
    old = log_groups()
    new = log_groups(experiment=elsewhere, parent="p2")
    of_others = log_groups(tags={"elsa_groups.dataset": "LastFM1k"})
    log_groups(experiment=gone)
    client.delete_experiment(gone)
    client.delete_run(log_groups())
    log_groups(status="RUNNING")
    log_groups(status="KILLED")
    log_groups(lineage_text="")
    log_groups(tags={"elsa_groups.kind": "elsa"})

    assert [found.run_id for found in find_groups()] == [of_others, new, old]
    assert [found.run_id for found in find_groups(dataset="Demo")] == [new, old]
    assert [found.run_id for found in find_groups(dataset="Demo", parent="p2")] == [new]
    assert find_groups(dataset="nothing") == []
    (found,) = find_groups(parent="p2")
    assert (found.name, found.dataset, found.parent_run_id) == ("groups q0.90/0.10 seed 42", "Demo", "p2")
    assert abs(datetime.now(UTC) - found.started) < timedelta(minutes=5)


def test_nothing_is_found_where_there_is_no_experiment(client):
    client.delete_experiment("0")
    assert find_groups() == []


def test_a_name_with_a_quote_is_refused(client):
    with pytest.raises(InputError, match=r"without quotes, got x' or"):
        find_groups(dataset="x' or tags.a = '1")


def test_a_store_that_mlflow_refuses_is_named_with_what_to_set(client, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    for function in (find_groups, lambda **options: load_groups("abc", **options)):
        with pytest.raises(InputError, match=r"tracking store .*/runs: .* set MLFLOW_TRACKING_URI"):
            function(tracking_uri=str(tmp_path / "runs"))


def test_an_address_that_mlflow_does_not_know_is_named_without_its_password(client):
    with pytest.raises(InputError, match=r"tracking store odd://\*\*\*@host/x: ") as error:
        find_groups(tracking_uri="odd://ann:secret@host/x")
    assert "secret" not in str(error.value)


def test_another_store_than_mlflows_own_can_be_named(log_groups):
    run_id = log_groups()
    uri = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    assert list(load_groups(run_id, tracking_uri=uri, keys=["camps_1_1"])) == ["camps_1_1"]
    assert [found.run_id for found in find_groups(tracking_uri=uri)] == [run_id]


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, elsa_groups; heavy = {'mlflow', 'torch', 'numba', 'numpy'} & set(sys.modules);"
        " assert not heavy, heavy; assert not hasattr(elsa_groups, 'load_group')"
    )
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, check=True)
