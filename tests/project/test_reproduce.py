"""Groups drawn again from their record: each change to record, model, data or files is found and named."""

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from click.testing import CliRunner
from mlflow.cli import gc

from elsa_groups.data.load import load
from elsa_groups.model.elsa import read_checkpoint
from elsa_groups.model.embeddings import embed_users
from elsa_groups.record.schema import record_digest
from elsa_groups.similarity.scores import reference_similarities

from .conftest import Launch, Store, launch

EVENTS = "userid-timestamp-artid-artname-traid-traname.tsv"
KEYS = ["similar_2", "opposing_2_1"]
FEW = (
    "n_groups=12", "baseline.n_groups=12", "families.similar.compositions=[[2]]",
    "families.opposing.compositions=[[2,1]]", "~families.divergent", "~families.random",
    "evidence.halves=2",
)  # fmt: skip
BRIEF = ("model.epochs=4", "model.factors=16", "model.batch_size=32")


@dataclass(frozen=True)
class Again:
    """A reproduction: its launch, and its run in the store."""

    store: Store
    launch: Launch

    @property
    def code(self) -> int:
        return self.launch.code

    @property
    def error(self) -> str:
        return self.launch.err.strip().splitlines()[-1]

    @property
    def run(self) -> Any:
        return self.store.client.get_run(self.launch.last_id)

    @property
    def content(self) -> dict[str, Any]:
        """What verdict.json holds."""
        return json.loads((folder_of(self.store, self.launch.last_id) / "verdict.json").read_text())

    @property
    def verdict(self) -> str:
        assert self.run.data.tags["elsa_groups.verdict"] == self.content["verdict"]
        return self.content["verdict"]

    def names(self, *kinds: str) -> set[str]:
        """Everything that differs, of some kinds."""
        return {name for kind in kinds for name in self.content["differences"][kind]}

    @property
    def unlike(self) -> set[str]:
        return self.names("input", "meaning", "threshold", "artifact", "store")

    def entry(self, kind: str, name: str) -> tuple[Any, Any]:
        values = self.content["differences"][kind][name]
        return values["recorded"], values["present"]


def folder_of(store: Store, run_id: str) -> Path:
    return Path(store.client.get_run(run_id).info.artifact_uri)


@dataclass(frozen=True)
class Recorded:
    """A groups run in a store of its own."""

    store: Store
    run_id: str
    data: Path

    @property
    def files(self) -> Path:
        return folder_of(self.store, self.run_id)

    @property
    def lineage(self) -> dict[str, Any]:
        return json.loads((self.files / "lineage.json").read_text())

    @property
    def parent(self) -> str:
        return self.lineage["parent"]["run_id"]

    @property
    def checkpoint(self) -> Path:
        return folder_of(self.store, self.parent) / "checkpoint.ckpt"

    def edit(self, *path: str, value: Any) -> None:
        """Give an entry of lineage.json another value."""
        content = place = self.lineage
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        (self.files / "lineage.json").write_text(json.dumps(content))

    def logged_as_it_is(self) -> None:
        """Let the store vouch for the record as it is now, as if it had been made so."""
        self.store.client.set_tag(self.run_id, "elsa_groups.record", record_digest(self.lineage))

    def reproduce(self, *arguments: str, cwd: Path | None = None) -> Again:
        done = launch(self.store, "reproduce", f"groups_run_id={self.run_id}", *arguments, cwd=cwd)
        return Again(self.store, done)

    def generate(self, *arguments: str) -> "Recorded":
        """Another groups run of the same parent."""
        options = ("dataset=LastFM1k", f"data_dir={self.data.parents[1]}", "dataset.urls=[]", *FEW)
        done = launch(self.store, "generate", *options, f"parent={self.parent}", *arguments)
        assert done.code == 0, done.err
        return Recorded(self.store, done.last_id, self.data)


def histories() -> list[tuple[str, str]]:
    """Who listened to what."""
    demo = load(
        "Demo", Path("unused"), min_user_interactions=0, min_item_interactions=0, n_users=250, n_items=300
    )
    rows, columns = demo.matrix.nonzero()
    return [(demo.user_ids[u], demo.item_ids[i]) for u, i in zip(rows, columns, strict=True)]


def rarest(pairs: list[tuple[str, str]]) -> tuple[str, int]:
    """The item with the fewest listeners, and their number."""
    return min(Counter(item for _, item in pairs).items(), key=lambda count: (count[1], count[0]))


def write_events(file: Path, pairs: list[tuple[str, str]]) -> None:
    """Write listening events; every fifth pair is listened to twice."""
    lines = [
        f"{user}\t2009-05-0{1 + again}T00:00:00Z\t{item}\tname of {item}\t\ttitle\n"
        for number, (user, item) in enumerate(pairs)
        for again in range(2 if number % 5 == 0 else 1)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="session")
def first(filled_store) -> Recorded:
    """A model trained and groups drawn from listening events, which no test changes."""

    def fill(store: Store) -> tuple[str, str]:
        file = store.folder / "data" / "LastFM1k" / EVENTS
        write_events(file, histories())
        fewest = f"dataset.min_item_interactions={rarest(histories())[1]}"
        options = ("dataset=LastFM1k", f"data_dir={file.parents[1]}", "dataset.urls=[]", fewest)
        done = launch(store, "main", *options, *FEW, *BRIEF)
        assert done.code == 0, done.err
        return done.last_id, str(file)

    store, (run_id, file) = filled_store("first", fill)
    return Recorded(store, run_id, Path(file))


@pytest.fixture
def recorded(first: Recorded, tmp_path: Path) -> Recorded:
    """A copy of the store, for one test to change; the data are left where they are."""
    store = first.store.copied_to(tmp_path / "store", but=("data",))
    return Recorded(store, first.run_id, first.data)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flip(path: Path, place: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= bit
    path.write_bytes(content)


class TestLaunched:
    def test_a_process_of_its_own_exits_with_the_code_of_the_verdict(self, recorded):
        path = recorded.files / "groups" / "similar_2.npy"
        members = np.load(path)
        np.save(path, members[:, ::-1])
        done = recorded.store.python("reproduce", f"groups_run_id={recorded.run_id}")
        assert done.code == 3
        assert "Traceback" not in done.err
        assert done.out.strip().splitlines()[-2] == "verdict: different"
        assert recorded.store.client.get_run(done.last_id).info.status == "FAILED"


class TestUnchanged:
    def test_groups_of_a_file_are_identical_from_another_folder(self, recorded, tmp_path):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        again = recorded.reproduce("strict=true", cwd=elsewhere)
        assert (again.code, again.verdict) == (0, "identical"), again.launch.err
        assert list(again.content["group_types"]) == KEYS
        assert again.unlike | again.names("environment") == set()
        assert list(elsewhere.iterdir()) == []

    def test_a_part_of_the_users_by_a_part_of_their_histories_is_drawn_again(self, recorded):
        made = recorded.generate("user_set=test", "history=inputs", "pin=true")
        split = json.loads((folder_of(made.store, made.parent) / "split.json").read_text())
        (folder_of(made.store, made.parent) / "split.json").unlink()

        again = made.reproduce("strict=true")

        assert (again.code, again.verdict) == (0, "identical"), again.launch.err
        members = np.load(made.files / "groups" / "similar_2.npy")
        assert set(members.ravel()) <= set(split["test"])
        assert made.store.client.get_run(made.run_id).data.tags["elsa_groups.user_set"] == "test"
        parts = [pq.read_table(made.files / "history" / f"{part}.parquet") for part in ("inputs", "targets")]
        pairs = [set(zip(*table.select([2, 3]).to_pydict().values(), strict=True)) for table in parts]
        assert pairs[0] & pairs[1] == set()
        assert pairs[0] | pairs[1] <= set(histories())
        assert sum(map(len, pairs)) == made.lineage["data"]["n_pairs"]

    def test_listed_users_are_known_when_their_file_is_gone(self, recorded, tmp_path):
        file = tmp_path / "ids.txt"
        file.write_text("\n".join(sorted({user for user, _ in histories()})[:40]))
        made = recorded.generate(f"user_file='{file}'", "user_sample=30")
        file.unlink()
        assert made.lineage["users"]["n_users"] == 30
        assert made.store.client.get_run(made.run_id).data.tags["elsa_groups.user_set"] == "file"

        again = made.reproduce("strict=true")

        assert (again.code, again.verdict) == (0, "identical"), again.launch.err

    def test_a_record_from_before_users_could_be_chosen_is_drawn_again(self, recorded):
        lineage, config = recorded.lineage, recorded.files / "config.yaml"
        lineage["settings"] = settings = yaml.safe_load(config.read_text())
        for name in ("user_set", "user_sample", "user_file", "history", "holdout"):
            del settings[name]
        del settings["thresholds"]["users"], lineage["users"]
        config.write_text(yaml.safe_dump(settings))
        lineage["artifacts"]["config.yaml"] = sha256(config)
        (recorded.files / "lineage.json").write_text(json.dumps(lineage))
        recorded.store.client.delete_tag(recorded.run_id, "elsa_groups.record")

        again = recorded.reproduce("strict=true")

        assert (again.code, again.verdict) == (0, "identical"), again.launch.err
        assert "is from before MLflow was told the digest of the record" in again.launch.err

    @pytest.mark.parametrize(
        ("place", "option"),
        [
            ("there/LastFM1k/" + EVENTS, "data_dir={tmp}/there"),
            ("there/" + EVENTS, "data_dir={tmp}/there"),
            ("there/LastFM1k/lastfm-dataset-1K/" + EVENTS, "data_dir={tmp}/there"),
            ("there/renamed.tsv", "path={tmp}/there/renamed.tsv"),
        ],
    )
    def test_data_that_were_moved_are_taken_from_where_they_are_said_to_be(
        self, recorded, tmp_path, place, option
    ):
        (tmp_path / place).parent.mkdir(parents=True)
        shutil.copy(recorded.data, tmp_path / place)
        recorded.edit("data", "source", "uri", value=f"{tmp_path}/gone/{EVENTS}")
        recorded.logged_as_it_is()
        again = recorded.reproduce(option.format(tmp=tmp_path), "strict=true")
        assert (again.code, again.verdict) == (0, "identical"), again.launch.err
        assert again.entry("environment", "data.source.uri")[1] == str(tmp_path / place)

    @pytest.mark.parametrize(
        ("options", "file", "line"),
        [
            (["dataset=Custom", "dataset.path=mine.csv"], "mine.csv", "{user},{item}\n"),
            (["dataset=MovieLens", "data_dir=raw"], "raw/MovieLens/ml-100k/u.data", "{user}\t{item}\t5\t0\n"),
            (["dataset=EchoNest", "dataset.path=raw.txt"], "raw.txt", "{user}\t{item}\t1\n"),
        ],
    )
    def test_the_recorded_file_of_every_format_is_found_from_another_folder(
        self, recorded, tmp_path, options, file, line
    ):
        raw = tmp_path / "here" / file
        raw.parent.mkdir(parents=True)
        lines = ["user,item\n"] if file.endswith(".csv") else []
        lines += [line.format(user=user, item=item) for user, item in histories()]
        raw.write_text("".join(lines), encoding="utf-8")
        fewest = ("dataset.min_user_interactions=1", "dataset.min_item_interactions=1")
        small = (*FEW, "~families.opposing", "model.epochs=1", "model.factors=8")
        done = launch(recorded.store, "main", *options, *fewest, *small, cwd=tmp_path / "here")
        assert done.code == 0, done.err
        again = Recorded(recorded.store, done.last_id, raw).reproduce("strict=true", cwd=tmp_path)
        assert (again.code, again.verdict) == (0, "identical"), again.launch.err
        assert again.names("environment") == set()


class TestFiles:
    def test_a_changed_group_is_named_with_both_sides_and_where_they_part(self, recorded):
        path = recorded.files / "groups" / "similar_2.npy"
        members, before = np.load(path), sha256(path)
        was = members[7].tolist()
        other = next(user for user in range(250) if user not in was)
        members[7, 1] = other
        np.save(path, members)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        key = again.content["group_types"]["similar_2"]
        assert (key["verdict"], key["n_differing"]) == ("different", 1)
        (group,) = key["groups"]
        assert (group["group"], group["stored"], group["regenerated"]) == (7, [was[0], other], was)
        assert group["position"] == 1
        assert group["regenerated_distance"] >= 0
        assert again.content["group_types"]["opposing_2_1"]["verdict"] == "identical"
        # What was drawn again is what the record has: it is the stored file that changed.
        assert again.unlike == {"stored groups/similar_2.npy"}
        assert again.entry("artifact", "stored groups/similar_2.npy") == (before, sha256(path))
        assert f"group 7: stored [{was[0]}, {other}], regenerated {was}" in again.launch.out
        assert again.error.startswith(f"error: groups of run {recorded.run_id} came out different")
        assert again.run.info.status == "FAILED"

    @pytest.mark.parametrize("content", [b"", b"no array", None])
    def test_a_group_file_that_cannot_be_read_or_is_gone_is_different(self, recorded, content):
        path = recorded.files / "groups" / "similar_2.npy"
        path.unlink() if content is None else path.write_bytes(content)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert "similar_2: different, no readable file is stored" in again.launch.out
        assert again.unlike == {"stored groups/similar_2.npy"}

    @pytest.mark.parametrize("dtype", ["float64", "int32"])
    def test_an_array_of_another_type_is_named_and_its_members_are_compared_if_whole(self, recorded, dtype):
        path = recorded.files / "groups" / "similar_2.npy"
        np.save(path, np.load(path).astype(dtype))
        again = recorded.reproduce()
        whole = dtype == "int32"
        assert (again.code, again.verdict) == ((0, "identical") if whole else (3, "different"))
        assert again.unlike == {"stored groups/similar_2.npy"}

    def test_other_changed_files_are_named_and_fail_only_if_strict(self, recorded):
        names = ["groups/similar_2_measures.parquet", "groups/summary.json", "report.html", "thresholds.json"]
        names.append("paper/methods.md")
        for name in names:
            with (recorded.files / name).open("ab") as file:
                file.write(b"\n")
        again = recorded.reproduce()
        stored = [f"stored {name}" for name in names]
        assert (again.code, again.verdict, again.unlike) == (0, "identical", {*stored})
        strict = recorded.reproduce("strict=true")
        assert (strict.code, strict.verdict) == (3, "identical")
        assert strict.error.startswith(
            f"error: strict: the groups of run {recorded.run_id} are the same, but not "
        )
        assert {*strict.error.rpartition("but not ")[2].split(", ")} == {*stored}


class TestModel:
    def _place(self, checkpoint: Path, item: int) -> int:
        """Where the first number of an item's vector is in the file."""
        encoder = torch.load(checkpoint, weights_only=True)["model_state_dict"]["encoder"].numpy()
        return checkpoint.read_bytes().index(encoder.tobytes()) + item * encoder.strides[0]

    def test_a_flipped_bit_that_changes_no_group_is_named(self, recorded):
        before = sha256(recorded.checkpoint)
        flip(recorded.checkpoint, self._place(recorded.checkpoint, 0), 1)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (0, "identical")
        assert again.names("input") == {"parent.checkpoint_sha256"}
        assert again.entry("input", "parent.checkpoint_sha256") == (before, sha256(recorded.checkpoint))

    def test_a_flipped_byte_that_changes_groups_is_named(self, recorded):
        # Item 0 is the most popular; with its signs and exponents changed, so are its listeners.
        flip(recorded.checkpoint, self._place(recorded.checkpoint, 0) + 3, 0x83)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert again.names("input") == {"parent.checkpoint_sha256"}
        assert "parent.checkpoint_sha256: recorded" in again.launch.out

    @pytest.mark.parametrize("place", [2, -20])
    def test_a_flipped_byte_that_makes_it_unreadable_is_an_input_missing(self, recorded, place):
        flip(recorded.checkpoint, place, 1)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (4, "inputs missing")
        digest = sha256(recorded.checkpoint)
        assert f"checkpoint.ckpt cannot be read, it is not the recorded file (sha256 {digest})" in again.error
        assert again.content["reason"] == again.error.removeprefix("error: ")

    def test_a_split_that_is_gone_is_missing_where_it_says_whom_to_draw_from(self, recorded):
        made = recorded.generate("user_set=train")
        (folder_of(made.store, made.parent) / "split.json").unlink()
        again = made.reproduce()
        assert (again.code, again.verdict) == (4, "inputs missing")
        assert "split.json" in again.error
        assert recorded.reproduce().verdict == "identical"

    def test_a_parent_that_was_deleted_is_missing_and_can_be_restored(self, recorded):
        recorded.store.client.delete_run(recorded.parent)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (4, "inputs missing")
        restore = f"mlflow runs restore --run-id {recorded.parent}"
        assert again.error == f"error: parent: run {recorded.parent} is deleted; `{restore}` brings it back"
        assert again.run.data.tags["mlflow.parentRunId"] == recorded.run_id
        recorded.store.client.restore_run(recorded.parent)
        assert recorded.reproduce().code == 0

    def test_a_parent_that_is_gone_for_good_is_missing_with_no_way_back(self, recorded):
        parent = recorded.parent
        recorded.store.client.delete_run(parent)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", recorded.store.uri)
            options = ["--backend-store-uri", recorded.store.uri, "--run-ids", parent]
            done = CliRunner().invoke(gc, options)
        assert done.exit_code == 0, done.output
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (4, "inputs missing")
        assert again.error.startswith(f"error: parent: no run '{parent}' in {recorded.store.uri}")
        assert "restore" not in again.error

    def test_a_checkpoint_that_is_gone_is_missing(self, recorded):
        recorded.checkpoint.unlink()
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (4, "inputs missing")
        assert again.error.startswith(f"error: run {recorded.parent} has no artifact checkpoint.ckpt under")

    def test_groups_with_a_copy_of_the_model_outlive_their_parent(self, recorded):
        pinned = recorded.generate("pin=true")
        recorded.store.client.delete_run(recorded.parent)
        again = pinned.reproduce("strict=true")
        assert (again.code, again.verdict, again.unlike) == (0, "identical", set()), again.launch.err

    def test_the_parents_model_stands_in_for_a_copy_that_is_gone(self, recorded):
        pinned = recorded.generate("pin=true")
        copy = pinned.lineage["parent"]["pinned"]
        (pinned.files / copy).unlink()
        again = pinned.reproduce()
        assert (again.code, again.verdict, again.unlike) == (0, "identical", {f"stored {copy}"})

    def test_a_damaged_copy_is_passed_over_for_the_parents_and_that_is_said(self, recorded):
        pinned = recorded.generate("pin=true")
        copy = pinned.lineage["parent"]["pinned"]
        flip(pinned.files / copy, 2, 1)
        again = pinned.reproduce()
        assert (again.code, again.verdict, again.unlike) == (0, "identical", {f"stored {copy}"})
        assert f"{copy} is damaged; its parent's own file is taken" in again.launch.err


class TestData:
    def test_a_dropped_duplicate_event_changes_no_group_and_the_file_is_named(self, recorded, tmp_path):
        lines = recorded.data.read_text().splitlines(keepends=True)
        changed = tmp_path / EVENTS
        changed.write_text("".join(lines[1:]))
        assert lines[0].split("\t")[2] == lines[1].split("\t")[2]
        again = recorded.reproduce(f"path={changed}")
        assert (again.code, again.verdict) == (0, "identical")
        counts = {"data.counts.read/lines", "data.counts.dropped/repeated_pair"}
        assert again.unlike == {"data.source.sha256"} | counts
        assert again.entry("input", "data.source.sha256") == (sha256(recorded.data), sha256(changed))
        assert again.entry("input", "data.counts.read/lines") == (len(lines), len(lines) - 1)
        strict = recorded.reproduce(f"path={changed}", "strict=true")
        assert (strict.code, strict.verdict) == (3, "identical")
        assert "are the same, but not data.source.sha256" in strict.error

    @pytest.mark.parametrize("place", [0, -1])
    def test_a_dropped_user_is_named(self, recorded, tmp_path, place):
        pairs = histories()
        item, _ = rarest(pairs)
        gone = sorted({user for user, _ in pairs if (user, item) not in pairs})[place]
        changed = tmp_path / EVENTS
        write_events(changed, [pair for pair in pairs if pair[0] != gone])
        again = recorded.reproduce(f"path={changed}")
        assert (again.code, again.verdict) == (3, "different")
        assert again.entry("input", "data.users on one side only") == (1, 0)
        assert again.entry("input", "data.n_users") == (250, 249)
        assert {"data.source.sha256", "data.digest", "data.users_digest"} <= again.names("input")
        assert not {"data.n_items", "data.items_digest"} & again.names("input")
        assert "data.users on one side only: recorded 1, present 0 (input)" in again.launch.out
        assert gone not in again.launch.out + again.launch.err
        assert again.content["group_types"]["similar_2"]["verdict"] == "different"

    def test_the_same_rows_of_other_users_are_different(self, recorded, tmp_path):
        changed = tmp_path / EVENTS
        # As many users in the same order, under other names.
        write_events(changed, [(f"x{user}", item) for user, item in histories()])
        again = recorded.reproduce(f"path={changed}")
        assert (again.code, again.verdict) == (3, "different")
        assert {entry["verdict"] for entry in again.content["group_types"].values()} == {"different"}
        assert "data.users_digest" in again.names("input")

    def test_a_dropped_user_with_whom_an_item_goes_is_named_though_nothing_can_be_drawn(
        self, recorded, tmp_path
    ):
        pairs = histories()
        item, _ = rarest(pairs)
        gone = next(user for user, listened in pairs if listened == item)
        changed = tmp_path / EVENTS
        write_events(changed, [pair for pair in pairs if pair[0] != gone])
        again = recorded.reproduce(f"path={changed}")
        n_items = recorded.lineage["data"]["n_items"]
        assert (again.code, again.verdict) == (3, "different")
        assert again.content["reason"].startswith(f"{n_items} items were recorded, and these data have")
        assert again.entry("input", "data.users on one side only") == (1, 0)
        assert again.entry("input", "data.items on one side only")[0] >= 1
        assert again.entry("input", "data.source.sha256") == (sha256(recorded.data), sha256(changed))
        assert again.content["group_types"] == {}

    def test_a_changed_file_that_gives_another_pair_is_named(self, recorded, tmp_path):
        pairs = histories()
        user, item = pairs[0][0], next(item for _, item in pairs if (pairs[0][0], item) not in pairs)
        changed = tmp_path / EVENTS
        write_events(changed, [*pairs, (user, item)])
        again = recorded.reproduce(f"path={changed}")
        n_pairs = recorded.lineage["data"]["n_pairs"]
        assert again.entry("input", "data.n_pairs") == (n_pairs, n_pairs + 1)
        assert {"data.source.sha256", "data.digest"} <= again.names("input")
        assert not {"data.users_digest", "data.users on one side only"} & again.names("input")

    def test_a_file_that_is_gone_is_missing(self, recorded, tmp_path):
        recorded.edit("data", "source", "uri", value=str(tmp_path / "gone" / EVENTS))
        recorded.edit("settings", "data_dir", value=str(tmp_path / "gone"))
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (4, "inputs missing")
        assert EVENTS in again.error
        assert again.error.endswith("(or say where the data are: data_dir=..., path=...)")
        assert again.run.data.tags["elsa_groups.reproduces"] == recorded.run_id

    def test_a_place_given_without_the_file_is_missing(self, recorded, tmp_path):
        for option in (f"data_dir={tmp_path}", f"path={tmp_path / EVENTS}"):
            again = recorded.reproduce(option)
            assert (again.code, again.verdict) == (4, "inputs missing")
            assert str(tmp_path) in again.error


class TestSettings:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("seed",), 43),
            (("thresholds", "similar", "quantile"), 0.95),
            (("families", "opposing", "across"), "any"),
            (("sampling", "max_draws"), 10),
        ],
    )
    def test_another_setting_in_the_record_is_named_beside_the_stored_one(self, recorded, path, value):
        stored = yaml.safe_load((recorded.files / "config.yaml").read_text())
        for name in path:
            stored = stored[name]
        recorded.edit("settings", *path, value=value)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        name = f"settings.{'.'.join(path)} in config.yaml"
        assert again.names("input") == {name}
        assert again.entry("input", name) == (value, stored)
        assert f"{name}: recorded {value}, present {stored} (input)" in again.launch.out

    def test_a_changed_config_beside_a_sound_record_is_named(self, recorded):
        path = recorded.files / "config.yaml"
        path.write_text(path.read_text().replace("seed: 42", "seed: 43"))
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (0, "identical")
        assert again.unlike == {"settings.seed in config.yaml", "stored config.yaml"}
        assert again.entry("input", "settings.seed in config.yaml") == (42, 43)

    def test_a_changed_list_of_the_parents_users_is_named(self, recorded):
        path = recorded.checkpoint.with_name("users.json")
        path.write_text(json.dumps(json.loads(path.read_text())[::-1]))
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert again.names("meaning") == again.unlike == {"stored order of users.json"}

    @pytest.mark.parametrize("content", [None, "[", '["u1", "\\ud800"]', "{}"])
    @pytest.mark.parametrize("what", ["users", "items"])
    def test_a_list_of_the_parents_ids_that_is_gone_or_cannot_be_read_is_named(self, recorded, what, content):
        path = recorded.checkpoint.with_name(f"{what}.json")
        path.unlink() if content is None else path.write_text(content)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert again.names("meaning") == {f"stored order of {what}.json"}
        assert f"{what}.json" in again.entry("meaning", f"stored order of {what}.json")[1]

    @pytest.mark.parametrize("name", ["similar_2_ids.npy", "similar_2.parquet"])
    def test_a_changed_file_that_says_who_the_members_are_is_different(self, recorded, name):
        with (recorded.files / "groups" / name).open("ab") as file:
            file.write(b"\n")
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert again.names("meaning") == again.unlike == {f"stored groups/{name}"}
        assert again.content["group_types"]["similar_2"]["verdict"] == "identical"

    def test_families_and_keys_that_were_added_or_taken_out_are_different(self, recorded):
        recorded.edit("settings", "families", "similar", "compositions", value=[[3]])
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert {key: entry["verdict"] for key, entry in again.content["group_types"].items()} == {
            "similar_2": "different",
            "opposing_2_1": "identical",
            "similar_3": "different",
        }
        assert again.entry("input", "settings.families.similar.compositions in config.yaml") == ([[3]], [[2]])

    def test_settings_by_which_no_group_can_be_drawn_are_different_and_named(self, recorded):
        recorded.edit("settings", "sampling", "max_draws", value=1)
        recorded.edit("settings", "sampling", "max_restarts", value=0)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        assert "a group could not be completed in 1 attempts" in again.content["reason"]
        assert again.error.startswith(f"error: groups of run {recorded.run_id} cannot be drawn again: ")
        assert again.names("input") == {
            "settings.sampling.max_draws in config.yaml",
            "settings.sampling.max_restarts in config.yaml",
        }

    def test_groups_that_are_not_those_recorded_are_different_although_the_store_has_them(self, recorded):
        recorded.edit("groups", "similar_2", "sha256", value="0" * 64)
        again = recorded.reproduce()
        # What is stored and what is drawn agree, but neither is what was recorded.
        assert (again.code, again.verdict) == (3, "different")
        faults = ["stored members are not those recorded", "regenerated members are not those recorded"]
        assert again.content["group_types"]["similar_2"]["faults"] == faults
        assert again.unlike == {"tag elsa_groups.digest in MLflow", "tag elsa_groups.record in MLflow"}

    @pytest.mark.parametrize("settings", [{"seed": 42}, {"dataset": {"name": "Nowhere"}}, {"seed": "x"}])
    def test_settings_that_are_none_are_an_error_that_says_so(self, recorded, settings):
        recorded.edit("settings", value=settings)
        again = recorded.reproduce()
        assert again.code == 1
        assert again.error.startswith("error: settings of the record: ")
        assert recorded.store.running() == []

    def test_a_device_that_is_not_there_is_no_verdict(self, recorded):
        if torch.cuda.is_available():
            pytest.skip("CUDA is there")
        again = recorded.reproduce("device=cuda")
        assert again.code == 1
        assert again.launch.out == ""
        assert "device" in again.error
        assert recorded.store.running() == []


class TestThresholds:
    @pytest.fixture
    def at_a_pair(self, recorded) -> tuple[Recorded, int]:
        """Groups whose similar threshold is the similarity of one group's pair; and the group."""
        settings = recorded.lineage["settings"]
        options = {
            name: settings["dataset"][name] for name in ("min_user_interactions", "min_item_interactions")
        }
        data = load("LastFM1k", recorded.data.parents[1], **options)
        encoder = read_checkpoint(recorded.checkpoint, data.n_items, 16)
        pairs = np.load(recorded.files / "groups" / "similar_2.npy")
        values = reference_similarities(embed_users(data.matrix, encoder).vectors, *pairs.T)
        group = int(values.argmin())
        fewest = f"dataset.min_item_interactions={options['min_item_interactions']}"
        drawn = recorded.generate(fewest, f"thresholds.similar.value={float(values[group])!r}")
        assert np.load(drawn.files / "groups" / "similar_2.npy")[group].tolist() == pairs[group].tolist()
        return drawn, group

    def _move(self, drawn: Recorded, by: float) -> float:
        value = drawn.lineage["settings"]["thresholds"]["similar"]["value"] + by
        drawn.edit("settings", "thresholds", "similar", "value", value=value)
        return value

    @pytest.mark.parametrize("by", [5e-7, 2e-5])
    def test_a_group_that_a_moved_threshold_turns_is_different_by_as_much(self, at_a_pair, by):
        drawn, group = at_a_pair
        value = self._move(drawn, by)
        again = drawn.reproduce()
        assert (again.code, again.verdict) == (3, "different")
        differing = {g["group"]: g for g in again.content["group_types"]["similar_2"]["groups"]}
        assert differing[group]["position"] == 1
        assert differing[group]["stored_distance"] == pytest.approx(-by, abs=1e-12)
        assert differing[group]["regenerated_distance"] >= 0
        assert again.names("input") == {"settings.thresholds.similar.value in config.yaml"}
        assert again.entry("threshold", "thresholds.similar") == (pytest.approx(value - by), value)

    def test_a_threshold_moved_where_no_decision_lies_leaves_groups_identical(self, recorded):
        moved = recorded.lineage["thresholds"]["similar"] + 5e-7
        recorded.edit("settings", "thresholds", "similar", "value", value=moved)
        again = recorded.reproduce()
        assert (again.code, again.verdict) == (0, "identical")
        assert again.names("input") == {"settings.thresholds.similar.value in config.yaml"}
        assert again.entry("threshold", "thresholds.similar") == (pytest.approx(moved - 5e-7), moved)


class TestRuns:
    def _refused(self, recorded: Recorded, run_id: str) -> str:
        """The error; no run tells of it, as there is nothing that it could belong to."""
        before = len(recorded.store.client.search_runs(["0"]))
        again = Recorded(recorded.store, run_id, recorded.data).reproduce()
        assert (again.code, again.launch.out) == (1, "")
        assert len(recorded.store.client.search_runs(["0"])) == before
        return again.error

    def test_a_run_that_is_not_there_is_refused(self, recorded):
        assert f"groups: no run '{'0' * 32}' in {recorded.store.uri}" in self._refused(recorded, "0" * 32)

    def test_a_run_of_another_kind_is_refused(self, recorded):
        assert f"run {recorded.parent} holds no groups (tag elsa_groups.kind is elsa)" in self._refused(
            recorded, recorded.parent
        )
        verdict = recorded.reproduce().launch.last_id
        assert f"run {verdict} holds no groups (tag elsa_groups.kind is verdict)" in self._refused(
            recorded, verdict
        )

    def test_a_run_that_is_not_complete_is_refused(self, recorded):
        (recorded.files / "lineage.json").unlink()
        assert f"groups: run {recorded.run_id} has no artifact lineage.json" in self._refused(
            recorded, recorded.run_id
        )

    def test_a_run_that_failed_is_refused(self, recorded):
        recorded.store.client.set_terminated(recorded.run_id, "FAILED")
        assert f"groups: run {recorded.run_id} ended FAILED" in self._refused(recorded, recorded.run_id)
