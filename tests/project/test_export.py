"""Groups runs exported: read back, and by a group recommender of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from elsa_groups import load_groups
from elsa_groups.base.checksums import write_sums
from elsa_groups.base.digests import array_digest, file_digest
from elsa_groups.base.errors import InputError
from elsa_groups.commands.export.publication import write_publication
from elsa_groups.tracking.load import Record, open_record

from .conftest import ROOT, Launch, Store
from .test_reproduce import BRIEF, FEW, launch

FORMATS = ["agree", "groupim", "grouprec", "notebook", "sagea"]


@dataclass(frozen=True)
class Place:
    """A store with a groups run that looked at inputs alone, and its export."""

    store: Store
    run_id: str
    out: Path
    export: Launch


@pytest.fixture(scope="module")
def place(new_store, tmp_path_factory) -> Place:
    store = new_store()
    users = ("dataset=Demo", "dataset.n_users=200", "dataset.n_items=250", "user_set=test", "history=inputs")
    done = launch(
        store, "main", *users, *FEW, *BRIEF, "user_sample=18", "thresholds.users=all", "test_ratio=0.2"
    )
    assert done.code == 0, done.err
    out = tmp_path_factory.mktemp("exports") / "out"
    export = launch(
        store, "export", f"groups_run_id={done.last_id}", f"out_dir={out}", "group_items.min_members=2"
    )
    assert export.code == 0, export.err
    return Place(store, done.last_id, out, export)


def test_what_was_written_is_said_and_no_run_is_made(place):
    assert sorted(path.name for path in place.out.iterdir()) == sorted([*FORMATS, "export.json"])
    lines = place.export.out.splitlines()
    assert sorted(line.partition(":")[0] for line in lines[:-1]) == FORMATS
    assert lines[-1] == f"exported to: {place.out}"
    assert len(place.store.client.search_runs(["0"])) == 2
    assert "have seen what is held out" not in place.export.err
    summary = json.loads((place.out / "export.json").read_text())
    groups = load_groups(place.run_id, tracking_uri=place.store.uri)
    assert (summary["groups_run_id"], summary["groups_digest"]) == (place.run_id, groups.digest)
    assert (summary["min_members"], summary["history"], summary["user_set"]) == (2, "inputs", "test")


def test_groups_are_those_of_the_run(place):
    groups = load_groups(place.run_id, tracking_uri=place.store.uri)
    users = json.loads((place.out / "notebook" / "users.json").read_text())
    for key, group in groups.items():
        for name in ("notebook", "grouprec"):
            rows = np.load(place.out / name / "groups" / f"{key}.npy", allow_pickle=False)
            np.testing.assert_array_equal(rows, group.members)
        np.testing.assert_array_equal(np.array(users)[rows], group.user_ids)
        ids = np.load(place.out / "sagea" / "Demo" / "test" / f"{key}_test.npy", allow_pickle=False)
        np.testing.assert_array_equal(ids, group.user_ids)


def test_histories_are_the_inputs_and_targets_of_the_run(place, tmp_path):
    folder = place.out / "grouprec"
    ids = {
        name: [line.split(",")[1] for line in (folder / f"{name}.csv").read_text().splitlines()[1:]]
        for name in ("users", "items")
    }
    n_pairs = 0
    for ours, theirs in (("train", "inputs"), ("test", "targets")):
        table = pq.read_table(place.store.artifact(place.run_id, f"history/{theirs}.parquet", tmp_path))
        recorded = set(zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), strict=True))
        lines = (folder / f"{ours}.csv").read_text().splitlines()[1:]
        written = {
            (ids["users"][int(user)], ids["items"][int(item)])
            for user, item in (line.split(",") for line in lines)
        }
        known = set(ids["items"])
        assert written == {(user, item) for user, item in recorded if item in known}
        assert len(lines) == len(written)
        n_pairs += len(lines)
    assert n_pairs > 1000


def test_what_is_exported_again_is_the_same_but_not_over_it(place, tmp_path):
    name = f"groups_run_id={place.run_id}"
    refused = launch(place.store, "export", name, f"out_dir={place.out}")
    assert refused.code == 1
    assert refused.err.splitlines()[-1].startswith("error: out_dir: expected a new or empty folder, got one")

    again = launch(place.store, "export", name, "out_dir=again", "group_items.min_members=2", cwd=tmp_path)
    assert again.code == 0, again.err
    for path in place.out.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "again" / path.relative_to(place.out)).read_bytes(), path


def test_a_launched_run_is_told_what_it_exports(place, tmp_path, monkeypatch):
    run_id = place.store.client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    place_of_data = ["--formats", "[sagea]", "--out_dir", str(tmp_path / "out"), "--overrides", ""]
    done = launch(place.store, "export", "--groups_run_id", place.run_id, *place_of_data)
    place.store.client.delete_run(run_id)

    assert done.code == 0, done.err
    assert sorted(os.listdir(tmp_path / "out")) == ["export.json", "sagea"]
    tags = place.store.client.get_run(run_id).data.tags
    assert (tags["elsa_groups.kind"], tags["elsa_groups.exports"]) == ("export", place.run_id)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["groups_run_id=0123"], 1, "groups: no run '0123' in "),
        (["formats=[]"], 1, "formats: expected at least one, got none"),
        (["group_items.min_members=9"], 1, "group_items.min_members: expected all, or a number from 1 to 3"),
        (["path=elsewhere"], 4, "path: expected none for Demo, which has no file, got elsewhere"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_leaves_nothing(place, tmp_path, arguments, code, message):
    given = [f"groups_run_id={place.run_id}", f"out_dir={tmp_path}/out"]
    # Of a key given twice the last value counts.
    done = launch(place.store, "export", *given, *arguments)
    assert done.code == code
    assert done.err.splitlines()[-1].startswith(f"error: {message}")
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_grouprec_reads_the_export_and_aggregates_for_its_groups(place):
    pytest.importorskip("grouprec")

    def by_grouprec(*arguments: str | Path) -> str:
        folder = place.out / "grouprec"
        done = subprocess.run([sys.executable, "-P", *arguments], capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    lines = by_grouprec(ROOT / "benchmarks" / "grouprec_export.py", place.out).splitlines()
    names = [line.split()[0] for line in lines]
    assert names == [name for name in ("opposing_2_1", "similar_2", "agree") for _ in range(4)]
    for line in lines:
        values = [float(word) for word in line.split() if "." in word]
        assert all(0 <= value <= 1 for value in values)
        assert max(values) > 0
    page = (ROOT / "docs" / "exports.md").read_text()
    (snippet,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "grouprec" in code)
    assert "ndcg" in by_grouprec("-c", snippet)


@pytest.fixture(scope="module")
def published(place, tmp_path_factory) -> Path:
    """The folder to be published, of the run's groups."""
    out = tmp_path_factory.mktemp("published") / "out"
    done = launch(
        place.store, "export", f"groups_run_id={place.run_id}", f"out_dir={out}", "formats=[zenodo]"
    )
    assert done.code == 0, done.err
    return out / "zenodo"


def test_published_groups_are_those_of_the_run(place, published):
    recorded = load_groups(place.run_id, tracking_uri=place.store.uri)
    groups = load_groups(published)
    assert [*groups] == [*recorded]
    assert (groups.digest, groups.lineage) == (recorded.digest, recorded.lineage)
    assert groups.thresholds.similar == recorded.thresholds["similar"]
    assert groups.n_users == 18
    for key, group in groups.items():
        assert group.members.tobytes() == recorded[key].members.tobytes()
        assert group.user_ids.tolist() == recorded[key].user_ids.tolist()
        assert (group.family, group.sizes) == (recorded[key].family, recorded[key].sizes)
    assert [*load_groups(str(published), keys=["similar_2"])] == ["similar_2"]


def test_published_measures_are_those_of_the_run(place, published, tmp_path):
    groups = load_groups(published)
    for key, group in groups.items():
        table = pq.read_table(place.store.artifact(place.run_id, f"groups/{key}_measures.parquet", tmp_path))
        for name, values in group.measures.items():
            assert values.tolist() == table[name].to_pylist()
        assert {of.measure for of in group.evidence} == {*group.measures}
        assert group.summary["similarity_mean"] == pytest.approx(group.measures["similarity"].mean())
    rows = pq.read_table(place.store.artifact(place.run_id, "evidence.parquet", tmp_path)).to_pylist()
    assert len(rows) == sum(len(group.evidence) for group in groups.values())
    (row,) = [
        r for r in rows if (r["key"], r["measure"], r["baseline"]) == ("similar_2", "jaccard", "random")
    ]
    (of,) = [e for e in groups["similar_2"].evidence if (e.measure, e.baseline) == ("jaccard", "random")]
    assert (of.mean, of.random_mean, of.interval.low) == (row["mean"], row["random_mean"], row["low"])


def test_what_is_published_again_is_the_same_and_sha256sum_agrees(place, published, tmp_path):
    again = launch(
        place.store,
        "export",
        f"groups_run_id={place.run_id}",
        "out_dir=again",
        "formats=[zenodo]",
        cwd=tmp_path,
    )
    assert again.code == 0, again.err
    names = sorted(path.name for path in published.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again" / "zenodo").iterdir())
    for name in names:
        assert (published / name).read_bytes() == (tmp_path / "again" / "zenodo" / name).read_bytes()
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=published, capture_output=True, text=True)
    assert checked.returncode == 0
    assert checked.stdout.count(": OK\n") == len(names) - 1
    assert {"README.md", "references.bib", "lineage.json", "methods.md", "similar_2.npy"} < {*names}


def test_a_published_folder_says_what_it_is_and_needs_neither_mlflow_nor_hydra(published):
    readme = (published / "README.md").read_text()
    assert readme.startswith("# Groups of users of Demo\n\n24 groups of 2 types")
    assert "| opposing 2+1 | 12 | 3 |" in readme
    _, ours = re.findall(r"```python\n(.*?)```", readme, re.S)
    told = "import sys; print(sorted({'mlflow', 'hydra', 'omegaconf', 'torch'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{ours}\n{told}"], cwd=published, capture_output=True, text=True, timeout=300,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


@dataclass(frozen=True)
class CopiedFiles:
    """The files of a run in a folder, where they may be changed."""

    folder: Path
    run_id: str

    def download(self, path: str, to: Path) -> Path:
        return self.folder / path


@pytest.fixture
def copied(place, tmp_path) -> Record:
    """The run's record, and its files in a folder of their own."""
    record = open_record(place.run_id, tracking_uri=place.store.uri)
    record.artifacts.download("", tmp_path / "run")
    (tmp_path / "out").mkdir()
    return replace(record, artifacts=CopiedFiles(tmp_path / "run", place.run_id))


def put(record: Record, path: str, text: str) -> None:
    (record.artifacts.folder / path).write_text(text)
    record.lineage["artifacts"][path] = file_digest(record.artifacts.folder / path)


def test_every_file_that_names_places_on_this_machine_is_warned_of(copied, tmp_path, caplog):
    for name in [name for name in copied.lineage["artifacts"] if name in ("config.yaml", "code.diff")]:
        del copied.lineage["artifacts"][name]
    copied.lineage["data"]["source"]["uri"] = "C:/Users/somebody/listens.tsv"
    write_publication(tmp_path / "out", copied)
    said = "places on this machine are named in lineage.json (such as C:/Users/somebody/listens.tsv); may"
    assert said in caplog.text

    copied.lineage["settings"]["data_dir"] = "/srv/data"
    put(copied, "config.yaml", "data_dir: /srv/data\n")
    put(copied, "code.diff", "-where = 'src/home/x'\n+where = '/home/somebody/data'\n")
    write_publication(tmp_path / "out", copied)
    assert "config.yaml (such as /srv/data), code.diff (such as /home/somebody/data); may" in caplog.text


def test_the_text_of_the_run_is_published_as_it_is_and_only_where_it_has_one(copied, tmp_path):
    put(copied, "paper/references.bib", "@misc{mine}\n")
    write_publication(tmp_path / "out", copied)
    assert (tmp_path / "out" / "references.bib").read_text() == "@misc{mine}\n"
    assert "`methods.md` has the whole method." in (tmp_path / "out" / "README.md").read_text()

    for name in ("paper/references.bib", "paper/methods.md"):
        del copied.lineage["artifacts"][name]
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "out").mkdir()
    write_publication(tmp_path / "out", copied)
    assert (tmp_path / "out" / "references.bib").read_text().count("@") > 3
    assert "methods.md" not in (tmp_path / "out" / "README.md").read_text()
    assert not (tmp_path / "out" / "methods.md").exists()


def test_a_record_that_does_not_say_who_could_be_drawn_is_not_published(copied, tmp_path):
    del copied.lineage["users"]
    with pytest.raises(InputError, match=r"zenodo: the record of run \w+ does not say of whom"):
        write_publication(tmp_path / "out", copied)


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name",
    ["similar_2.npy", "similar_2.parquet", "summary.json", "evidence.parquet", "lineage.json", "README.md"],
)
def test_a_published_file_that_was_changed_or_is_missing_is_refused_by_name(published, tmp_path, name):
    folder = Path(shutil.copytree(published, tmp_path / "copy"))
    change(folder / name)
    with pytest.raises(InputError, match=rf"{name}: expected SHA-256 \w+, as SHA256SUMS lists it, got"):
        load_groups(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"copy: {name} is missing, which SHA256SUMS lists"):
        load_groups(folder)


def test_a_changed_file_with_a_new_checksum_is_not_what_the_record_has(published, tmp_path):
    folder = Path(shutil.copytree(published, tmp_path / "copy"))
    members = np.load(folder / "similar_2.npy")
    np.save(folder / "similar_2.npy", members[:, ::-1])
    write_sums(folder)
    with pytest.raises(InputError, match=r"similar_2\.npy: recorded digest \w+, found"):
        load_groups(folder)
    (folder / "lineage.json").unlink()
    write_sums(folder)
    with pytest.raises(InputError, match=r"has no lineage\.json among its checksums"):
        load_groups(folder)


def forge(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the record of a folder as somebody would who knows of checksums."""
    lineage = json.loads((folder / "lineage.json").read_text())
    change(lineage)
    (folder / "lineage.json").write_text(json.dumps(lineage))
    write_sums(folder)


@pytest.fixture
def forged(published, tmp_path) -> Path:
    """A folder to be changed."""
    return Path(shutil.copytree(published, tmp_path / "copy"))


def test_a_record_without_users_is_refused_and_one_without_a_band_is_read(forged):
    forge(forged, lambda lineage: [lineage["thresholds"].pop(name) for name in ("band_low", "band_high")])
    assert load_groups(forged).thresholds.band is None
    forge(forged, lambda lineage: lineage.pop("users"))
    with pytest.raises(
        InputError, match=r"lineage\.json: expected users, of whom groups were drawn, got none"
    ):
        load_groups(forged)


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("groups/similar_2.parquet", "user_id"),
        ("groups/similar_2_measures.parquet", "similarity"),
        ("evidence.parquet", "mean"),
    ],
)
def test_a_damaged_page_of_a_table_is_an_error_of_one_line(forged, path, column):
    file = forged / Path(path).name
    content, pieces = bytearray(file.read_bytes()), pq.read_metadata(file).row_group(0)
    (piece,) = [p for p in map(pieces.column, range(pieces.num_columns)) if p.path_in_schema == column]
    # A page says there what it is.
    start = piece.dictionary_page_offset or piece.data_page_offset
    content[start : start + 20] = b"\xff" * 20
    file.write_bytes(content)
    forge(forged, lambda lineage: lineage["artifacts"].update({path: file_digest(file)}))
    with pytest.raises(OSError, match="thrift"):
        pq.read_table(file)
    with pytest.raises(InputError, match=rf"{file.stem}\.parquet: expected a table of") as error:
        load_groups(forged)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("sizes", "header"),
    [([10**12], None), ([], (2**47, 0)), ([2], (2**47, 0)), ([3], None)],
    ids=["more than memory", "of nobody", "nobody instead of two", "three instead of two"],
)
def test_no_array_is_made_of_sizes_that_are_not_those_of_the_groups(forged, sizes, header):
    array, key = forged / "similar_2.npy", "_".join(["similar", *map(str, sizes)])
    if header is not None:
        with array.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<i8", "fortran_order": False, "shape": header}
            )
    for end in ("npy", "parquet"):
        (forged / f"{key}.{end}").write_bytes((forged / f"similar_2.{end}").read_bytes())
    members = np.load(array)

    def change(lineage: dict[str, Any]) -> None:
        shape, digest = list(members.shape), array_digest(members)
        group = lineage["groups"]["similar_2"] | {"sizes": sizes, "shape": shape, "sha256": digest}
        lineage["groups"] = {key: group}
        for end in ("npy", "parquet"):
            lineage["artifacts"][f"groups/{key}.{end}"] = file_digest(forged / f"{key}.{end}")

    forge(forged, change)
    with pytest.raises(InputError, match=rf"groups/{key}\.npy: expected groups of {sum(sizes)} and shape"):
        load_groups(forged)


def test_no_such_folder_or_types_are_refused(published, tmp_path):
    with pytest.raises(InputError, match=r"keys: .* has no similar_9; it has similar_2, opposing_2_1"):
        load_groups(published, keys="similar_9")
    with pytest.raises(InputError, match=r"SHA256SUMS: expected a list of checksums, got an error \(No such"):
        load_groups(tmp_path)


def test_text_with_a_separator_is_a_folder_and_other_text_a_folder_or_a_run(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = "groups: expected a folder or the id of a groups run, got"
    for nothing in ("groups/zenod", f"{tmp_path}/nowhere", Path("zenod")):
        with pytest.raises(InputError, match=rf"{expected} '{nothing}', which is no folder"):
            load_groups(nothing)
    with pytest.raises(InputError, match=rf"{expected} 'zenod' \(groups: no run 'zenod' in "):
        load_groups("zenod", tracking_uri=place.store.uri)
    with pytest.raises(InputError, match=r"groups: no run '0{32}' in "):
        load_groups("0" * 32, tracking_uri=place.store.uri)
    # No store was made in passing.
    assert not [*tmp_path.iterdir()]
