"""What somebody may do to a recorded run afterwards, and that it does not pass."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from elsa_groups import load_groups
from elsa_groups.base.digests import array_digest
from elsa_groups.base.errors import InputError
from elsa_groups.commands.recorded import load_again, settings_again
from elsa_groups.commands.reproduce.regenerate import Inputs, find_parent, regenerate
from elsa_groups.commands.reproduce.reproduce import judge
from elsa_groups.commands.reproduce.verdict import Reproduction
from elsa_groups.record.code import find_code
from elsa_groups.record.schema import check_lineage
from elsa_groups.tracking.load import open_record
from elsa_groups.tracking.witness import find_contradictions

from ..launches import leave_undrawn
from .conftest import launch
from .test_reproduce import KEYS, Recorded, first, folder_of, recorded, sha256

__all__ = ["first", "recorded"]


def load(made: Recorded, **options: Any):
    return load_groups(made.run_id, tracking_uri=made.store.uri, **options)


def record_file(made: Recorded, name: str) -> None:
    """Record a changed file's digest, as who changes files would."""
    made.edit("artifacts", name, value=sha256(made.files / name))


def forge(made: Recorded, change, kind: str = "similar_2") -> None:
    """Change the members of a group type in every file that has them, and the record along."""
    groups = made.files / "groups"
    array, ids = (groups / f"{kind}{end}.npy" for end in ("", "_ids"))
    names = json.loads((folder_of(made.store, made.parent) / "users.json").read_text())
    members = change(np.load(array))
    np.save(array, members)
    np.save(ids, np.array(names)[members])
    table = pq.read_table(groups / f"{kind}.parquet").slice(0, members.size)
    columns = {name: table[name] for name in table.column_names}
    users = type(table["user_id"].chunk(0)).from_arrays
    flat = members.ravel()
    columns["user_index"] = flat
    distinct, codes = np.unique(flat, return_inverse=True)
    columns["user_id"] = users(codes.astype(np.int32), [names[user] for user in distinct])
    pq.write_table(type(table).from_pydict(columns), groups / f"{kind}.parquet")
    for end in (".npy", "_ids.npy", ".parquet"):
        record_file(made, f"groups/{kind}{end}")
    made.edit("groups", kind, "sha256", value=array_digest(members))
    made.edit("groups", kind, "shape", value=list(members.shape))


class TestTheStoreIsAsked:
    def test_an_untouched_run_contradicts_nothing(self, recorded):
        assert open_record(recorded.run_id, tracking_uri=recorded.store.uri).contradictions == ()

    def test_the_files_of_another_run_are_refused_and_named(self, recorded):
        other = recorded.generate("seed=43")
        shutil.rmtree(recorded.files)
        shutil.copytree(other.files, recorded.files)
        recorded.edit("run_id", value=recorded.run_id)
        with pytest.raises(
            InputError, match=r"tag elsa_groups.digest is \w+ in MLflow and \w+ in the record, and"
        ):
            load(recorded)
        assert list(load(recorded, check_store=False)) == ["similar_2", "opposing_2_1"]
        again = recorded.reproduce("strict=true")
        assert (again.code, again.verdict) == (3, "identical")
        assert again.entry("store", "param conf.seed in MLflow") == ("43", "42")
        assert "tag elsa_groups.digest in MLflow" in again.error

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (lambda members: members[::-1], "tag elsa_groups.digest"),
            (lambda members: members[:-1], "tag elsa_groups.digest"),
        ],
        ids=["another order", "one group less"],
    )
    def test_forged_members_are_refused_though_every_digest_of_the_record_is_theirs(
        self, recorded, tmp_path, change, named
    ):
        forge(recorded, change)
        with pytest.raises(InputError, match=named):
            load(recorded)
        assert len(load(recorded, check_store=False)["similar_2"].members) in (11, 12)
        arguments = (f"groups_run_id={recorded.run_id}", f"out_dir={tmp_path / 'out'}")
        refused = launch(recorded.store, "export", *arguments)
        assert refused.code == 1
        assert "check_store=false" in refused.err
        assert launch(recorded.store, "export", *arguments, "check_store=false").code == 0
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert "tag elsa_groups.digest in MLflow" in again.unlike

    def test_another_parent_in_the_record_is_named(self, recorded):
        recorded.edit("parent", "run_id", value=recorded.run_id)
        with pytest.raises(InputError, match=r"tag elsa_groups\.parent"):
            load(recorded)

    def test_a_copy_of_a_store_says_that_it_reads_the_files_of_the_original(self, recorded, tmp_path, caplog):
        shutil.copy(recorded.store.folder / "mlflow.db", tmp_path / "copy.db")
        copy = replace(recorded, store=replace(recorded.store, uri=f"sqlite:///{tmp_path}/elsewhere/copy.db"))
        (tmp_path / "elsewhere").mkdir()
        shutil.move(tmp_path / "copy.db", tmp_path / "elsewhere" / "copy.db")
        load(copy)
        assert f"its files are in {recorded.files}, which is not in the store's folder" in caplog.text


def leaves(nested: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """Paths of all values that hold no other; a list of texts or numbers is one."""
    if isinstance(nested, dict) and nested:
        for name, value in nested.items():
            yield from leaves(value, *path, name)
    else:
        yield path


def changed(lineage: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """The record with another value at a path, of the same type where there are more of it."""
    content = place = json.loads(json.dumps(lineage))
    for name in path[:-1]:
        place = place[name]
    value = place[path[-1]]
    others = {
        bool: lambda: not value,
        int: lambda: value + 1,
        float: lambda: value * 0.999,
        str: lambda: f"{int(value[:8], 16) ^ 1:08x}{value[8:]}" if len(value) == 64 else f"{value}x",
        list: lambda: [*value, *(value[-1:] or ["x"])],
        dict: lambda: {"x": 1},
        type(None): lambda: 1,
    }
    place[path[-1]] = others[type(value)]()
    return content


def without(lineage: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """The record without an entry."""
    content = place = json.loads(json.dumps(lineage))
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return content


def is_record(lineage: dict[str, Any]) -> bool:
    try:
        check_lineage(lineage)
    except ValueError:
        return False
    return True


class TestEveryEntryOfTheRecord:
    @pytest.fixture
    def judged(self, recorded, tmp_path, monkeypatch) -> Callable[[dict[str, Any]], Reproduction]:
        """What is said of groups, which were drawn again once, by another record of them."""
        monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded.store.uri)
        record = open_record(recorded.run_id)
        run = recorded.store.client.get_run(recorded.run_id)
        places = {"data_dir": None, "path": None}
        asked = settings_again(record.lineage, **places)
        interactions = load_again(record.lineage, asked, **places)
        inputs = Inputs(asked, interactions, find_code(), find_parent(record, interactions))
        stored, again = tmp_path / "stored", tmp_path / "again"
        record.artifacts.download("", stored)
        leave_undrawn(monkeypatch)
        found = regenerate(record, inputs, stored, again, run_id=record.run_id)

        def judge_by(other: dict[str, Any]) -> Reproduction:
            forged = replace(record, lineage=other, contradictions=find_contradictions(run, other))
            return judge(forged, interactions, found, stored, again)

        return judge_by

    def _entries(self, recorded: Recorded) -> list[tuple[Any, ...]]:
        named = ("schema_version", "kind", "run_id")
        lineage = {name: entry for name, entry in recorded.lineage.items() if name not in named}
        return list(leaves(lineage))

    def _passed(self, judged, lineage: dict[str, Any], path: tuple[Any, ...], but: str = "") -> bool:
        try:
            reproduction = judged(lineage)
        except InputError as error:
            # Settings that are none.
            return not (path[0] == "settings" and f"settings of the record: {path[1]}" in str(error))
        named = [each for each in reproduction.differences if each.name != but]
        return not named and not any(each.faults for each in reproduction.types)

    def test_an_untouched_record_passes(self, recorded, judged):
        assert judged(recorded.lineage).differences == ()

    def test_a_changed_entry_is_named_whichever_it_is(self, recorded, judged):
        lineage, tag = recorded.lineage, "tag elsa_groups.record in MLflow"
        passed = [
            path
            for path in self._entries(recorded)
            if self._passed(judged, changed(lineage, path), path, but=tag)
        ]
        assert passed == []

    def test_a_deleted_entry_is_named_or_refused(self, recorded, judged):
        paths = [*self._entries(recorded), ("users",), *(("groups", key) for key in KEYS)]
        others = {path: without(recorded.lineage, path) for path in paths}
        there = {path: lineage for path, lineage in others.items() if is_record(lineage)}
        assert ("users",) in there
        assert ("groups", "similar_2", "candidates") in there
        assert [path for path, lineage in there.items() if self._passed(judged, lineage, path)] == []

    def test_groups_are_not_loaded_whichever_entry_is_changed_deleted_or_added(self, recorded):
        lineage = recorded.lineage
        run = recorded.store.client.get_run(recorded.run_id)
        added = {**lineage, "thresholds": {**lineage["thresholds"], "band_low": 0.5}}
        paths = self._entries(recorded)
        others = [added, *(change(lineage, path) for path in paths for change in (changed, without))]
        records = [other for other in others if is_record(other)]
        assert len(records) > len(paths)
        assert all(find_contradictions(run, other) for other in records)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("groups", "opposing_2_1", "family"), "other"),
            (("groups", "opposing_2_1", "sizes"), [1, 2]),
            (("thresholds", "intervals"), {"similar": [0.1, 0.2]}),
            (("thresholds", "band_low"), 0.5),
        ],
    )
    def test_an_entry_that_no_file_tells_of_is_refused_in_loading(self, recorded, path, value):
        recorded.edit(*path, value=value)
        with pytest.raises(InputError, match=r"tag elsa_groups\.record is \w+ in MLflow and"):
            load(recorded)

    def test_a_type_of_another_name_is_refused_without_the_store(self, recorded):
        recorded.edit("groups", "opposing_2_1", "sizes", value=[1, 2])
        with pytest.raises(InputError, match="has opposing_1_2 as opposing_2_1"):
            load(recorded, check_store=False)

    @pytest.mark.parametrize("name", ["schema_version", "kind", "run_id"])
    def test_what_kind_of_record_it_is_and_of_which_run_is_checked_first(self, recorded, name):
        recorded.edit(name, value={"schema_version": 2, "kind": "verdict", "run_id": "0" * 32}[name])
        with pytest.raises(InputError, match=name):
            load(recorded)


def test_a_copy_of_the_database_in_a_folder_above_says_so_too(recorded, caplog):
    above = recorded.store.folder.parent
    shutil.copy(recorded.store.folder / "mlflow.db", above / "copy.db")
    load(replace(recorded, store=replace(recorded.store, uri=f"sqlite:///{above}/copy.db")))
    assert f"its files are in {recorded.files}, which is not in the store's folder" in caplog.text
    caplog.clear()
    load(recorded)
    assert "which is not in the store's folder" not in caplog.text


class TestIdsOfMembers:
    def _swap(self, recorded: Recorded) -> None:
        """Give the members of a table each other's ids, and record its digest."""
        path = recorded.files / "groups" / "similar_2.parquet"
        table = pq.read_table(path)
        ids = table["user_id"].combine_chunks()
        ids = type(ids).from_arrays(ids.indices, ids.dictionary[::-1])
        pq.write_table(table.set_column(table.column_names.index("user_id"), "user_id", ids), path)
        record_file(recorded, "groups/similar_2.parquet")

    def test_other_ids_with_their_digest_on_record_are_refused_and_different(self, recorded):
        self._swap(recorded)
        with pytest.raises(InputError, match=r"tag elsa_groups\.record"):
            load(recorded)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert again.names("meaning") == {"ids in groups/similar_2.parquet"}
        assert "tag elsa_groups.record in MLflow" in again.names("store")

    def test_a_run_of_before_is_loaded_and_it_is_said_what_is_not_checked(self, recorded, caplog):
        recorded.store.client.delete_tag(recorded.run_id, "elsa_groups.record")
        assert list(load(recorded)) == KEYS
        assert f"run {recorded.run_id} is from before MLflow was told the digest" in caplog.text
        self._swap(recorded)
        load(recorded)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert again.names("meaning") == {"ids in groups/similar_2.parquet"}

    def test_a_table_of_few_bytes_that_unpacks_to_many_is_refused_unread(self, recorded):
        path = recorded.files / "groups" / "similar_2.parquet"
        table = pq.read_table(path)
        ids = table["user_id"].combine_chunks()
        ids = type(ids).from_arrays(ids.indices, ["x" * (1 << 20)] * len(ids.dictionary))
        bomb = table.set_column(table.column_names.index("user_id"), "user_id", ids)
        pq.write_table(bomb, path, compression="zstd")
        record_file(recorded, "groups/similar_2.parquet")
        assert path.stat().st_size < 1 << 20
        with pytest.raises(
            InputError, match=r"similar_2.parquet: expected a table of groups, got [\d,]+ bytes"
        ):
            load(recorded, check_store=False)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")


class TestWhatARecordMayNotChoose:
    def test_recorded_settings_are_never_interpolated(self, recorded, monkeypatch):
        monkeypatch.setenv("MY_SECRET", "a-word-of-mine")
        recorded.edit("settings", "data_dir", value="${oc.env:MY_SECRET}")
        again = recorded.reproduce()
        assert again.code == 1
        assert "data_dir: expected a plain value, got an interpolation" in again.error
        assert "a-word-of-mine" not in again.launch.out + again.launch.err
        other = recorded.generate("seed=5")
        compared = launch(recorded.store, "compare", f"runs={recorded.run_id},{other.run_id}")
        assert "a-word-of-mine" not in compared.out + compared.err
        text = "".join(
            path.read_text(errors="replace")
            for path in recorded.store.folder.rglob("*")
            if path.suffix in (".json", ".csv", ".html", ".yaml")
        )
        assert "a-word-of-mine" not in text

    def test_a_file_that_only_the_record_points_at_is_not_read_unless_it_is_the_recorded_one(
        self, recorded, tmp_path
    ):
        private = tmp_path / recorded.data.name
        private.write_text("private\t2009-05-01T00:00:00Z\tletters\tname\t\ttitle\n")
        recorded.edit("data", "source", "uri", value=str(private))
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (4, "inputs missing")
        assert f"data: {private} is not the recorded file" in again.error
        text = again.launch.out + again.launch.err + json.dumps(again.content)
        assert "letters" not in text

    def test_nor_is_the_file_that_recorded_settings_name(self, recorded, tmp_path):
        private = tmp_path / "private.tsv"
        private.write_text("private\tletters\n")
        recorded.edit("data", "source", "uri", value=str(tmp_path / "gone"))
        recorded.edit("settings", "dataset", "path", value=str(private))
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (4, "inputs missing")
        assert f"data: {private} is not the recorded file" in again.error
        assert "letters" not in again.launch.out + again.launch.err + json.dumps(again.content)

    def test_forged_ids_are_different_though_their_digest_is_recorded(self, recorded):
        path = recorded.files / "groups" / "similar_2_ids.npy"
        np.save(path, np.load(path)[::-1])
        record_file(recorded, "groups/similar_2_ids.npy")
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert again.names("meaning") == {"made again groups/similar_2_ids.npy"}

    @pytest.mark.parametrize(
        "name", ["lineage.json", "config.yaml", "groups/summary.json", "thresholds.json"]
    )
    def test_files_nested_too_deeply_are_one_line(self, recorded, name):
        (recorded.files / name).write_text("[" * 100_000)
        again = recorded.reproduce()
        assert "Traceback" not in again.launch.err
        if name == "lineage.json":
            assert again.code == 1
            assert "lineage.json: nested too deeply to be read" in again.error
        else:
            assert (again.code, again.verdict) == (3, "different")
            assert again.names("meaning") == {f"content of {name}"}
            assert f"stored {name}" in again.unlike

    def test_aliases_of_yaml_end_at_once(self, recorded):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
        (recorded.files / "config.yaml").write_text("\n".join(lines))
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert again.unlike == {"stored config.yaml", "content of config.yaml"}

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("config.yaml", 'seed: !!int ""'),
            ("config.yaml", "seed: !!bool x"),
            ("config.yaml", "seed: 2026-11-29"),
            ("config.yaml", "seed: !!binary aGk="),
            ("config.yaml", "seed: .nan"),
            ("config.yaml", "seed: !!set {a}"),
            ("config.yaml", "seed: !!float x"),
            ("config.yaml", "seed: !!timestamp x"),
            ("config.yaml", f"seed: 1{'0' * 400}"),
            ("thresholds.json", '{"similar": NaN}'),
            ("thresholds.json", '{"similar": 1e999}'),
            ("thresholds.json", '{"similar": "\\ud800"}'),
            ("groups/summary.json", '{"columns": [Infinity]}'),
        ],
    )
    def test_values_that_no_record_has_are_named_as_not_to_be_read(self, recorded, name, content):
        (recorded.files / name).write_text(content)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert again.unlike - {f"made again {name}"} == {f"stored {name}", f"content of {name}"}

    @pytest.mark.parametrize("value", ["NaN", "Infinity", "1" + "0" * 400, '"\\udc00"'])
    def test_such_a_value_in_the_record_is_one_line(self, recorded, value):
        path = recorded.files / "lineage.json"
        path.write_text(path.read_text().replace('"n_pairs":', f'"n_pairs": {value}, "was":'))
        again = recorded.reproduce()
        assert again.code == 1
        assert again.error.startswith(
            f"error: groups: run {recorded.run_id}: lineage.json: expected JSON, got"
        )
        assert len(again.error) < 400

    def test_an_array_whose_header_speaks_of_terabytes_is_one_line(self, recorded):
        path = recorded.files / "groups" / "similar_2.npy"
        header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (3000000000000, 2), }"
        content = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n"
        path.write_bytes(content + bytes(16))
        recorded.edit(
            "artifacts", "groups/similar_2.npy", value=hashlib.sha256(path.read_bytes()).hexdigest()
        )
        with pytest.raises(
            InputError, match=r"similar_2.npy: expected an array, got int64 of shape \(3000000000000, 2\)"
        ):
            load(recorded, check_store=False)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert os.path.getsize(path) < 200
