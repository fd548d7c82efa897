import hashlib
import json
import platform
import re
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
import yaml
from scipy.sparse import csr_array

from elsa_groups import __version__
from elsa_groups.base.digests import array_digest, file_digest, folder_digests
from elsa_groups.base.files import write_json, write_yaml
from elsa_groups.cli.composing import compose_settings
from elsa_groups.data.interactions import Interactions, Source
from elsa_groups.record import schema
from elsa_groups.record.code import Code
from elsa_groups.record.schema import (
    check_lineage,
    data_record,
    environment_record,
    groups_digest,
    groups_lineage,
    groups_origin,
    parent_lineage,
    thresholds_record,
)
from elsa_groups.settings.plain import plain
from elsa_groups.similarity.limits import Target, Thresholds

TRAINED = compose_settings("train", ["dataset=Demo", "seed=1"])
ASKED = compose_settings("generate", ["dataset=Demo", "seed=1"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_json_refuses_numbers_that_json_lacks_and_leaves_no_file(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"deep": [1.0, {"er": value}]})

    assert not (tmp_path / "a.json").exists()


def test_json_is_utf8_with_letters_kept_and_one_final_newline(tmp_path):
    write_json(tmp_path / "a.json", {"artist": "Björk", "names": ["日本", None, True]})

    expected = '{"artist": "Björk", "names": ["日本", null, true]}\n'
    assert (tmp_path / "a.json").read_bytes() == expected.encode("utf-8")


def test_json_keeps_the_order_of_keys_and_indents_if_asked(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [2]}, indent=2)

    assert (tmp_path / "a.json").read_bytes() == b'{\n  "b": 1,\n  "a": [\n    2\n  ]\n}\n'


def test_json_numbers_are_read_back_exactly(tmp_path):
    values = [0.1, 1 / 3, 5e-324, 2**53 + 1, *np.random.default_rng(0).random(50).tolist()]

    write_json(tmp_path / "a.json", values)

    assert json.loads((tmp_path / "a.json").read_text()) == values


def test_json_replaces_what_was_there(tmp_path):
    write_json(tmp_path / "a.json", list(range(100)))
    write_json(tmp_path / "a.json", [1])

    assert (tmp_path / "a.json").read_bytes() == b"[1]\n"


def test_yaml_keeps_the_order_of_keys_and_letters(tmp_path):
    write_yaml(tmp_path / "a.yaml", {"seed": 1, "dataset": {"path": "Bjö/rk", "a": None}, "b": [0.9, "x"]})

    text = (tmp_path / "a.yaml").read_bytes().decode("utf-8")
    assert text == "seed: 1\ndataset:\n  path: Bjö/rk\n  a: null\nb:\n- 0.9\n- x\n"


def test_yaml_is_read_back_equal(tmp_path):
    content = {"text": "yes", "number": "1e3", "long": "word " * 60, "nested": {"z": [[2, 1], []], "a": {}}}

    write_yaml(tmp_path / "a.yaml", content)

    read = yaml.safe_load((tmp_path / "a.yaml").read_text(encoding="utf-8"))
    assert read == content
    assert list(read) == list(content)


@pytest.mark.parametrize("content", [b"", b"abc", b"a\r\nb\x00", bytes(range(256)) * 5_000])
def test_digest_of_a_file_is_the_sha256_of_its_bytes(tmp_path, content):
    (tmp_path / "file").write_bytes(content)

    assert file_digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_digest_of_a_file_is_that_published_for_abc(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")

    # FIPS 180-2, appendix B.1.
    published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "file") == published


def _sha256(*parts):
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_digest_of_an_array_is_the_sha256_of_type_shape_and_little_endian_values():
    members = np.array([[1, 2, 258]], np.int64)
    values = b"\x01" + bytes(7) + b"\x02" + bytes(7) + b"\x02\x01" + bytes(6)

    assert array_digest(members) == _sha256(b"<i8 (1, 3) ", values)
    assert array_digest(np.array([1.0, -2.0], np.float32)) == _sha256(
        b"<f4 (2,) ", b"\x00\x00\x80\x3f\x00\x00\x00\xc0"
    )
    assert array_digest(np.array([True, False])) == _sha256(b"|b1 (2,) ", b"\x01\x00")
    assert array_digest(np.array(["a", "ö"])) == _sha256(b"<U1 (2,) ", b"a\x00\x00\x00\xf6\x00\x00\x00")
    assert array_digest(np.empty((0, 3), np.int64)) == _sha256(b"<i8 (0, 3) ")


@pytest.mark.parametrize("kind", ["i8", "i4", "f4", "f8", "U7"])
def test_digest_of_an_array_knows_neither_byte_order_nor_memory_layout(kind):
    values = np.random.default_rng(3).integers(-1_000, 1_000, (7, 5)).astype(kind)
    little, big = values.astype(f"<{kind}"), values.astype(f">{kind}")
    assert little.tobytes() != big.tobytes()

    digests = {
        array_digest(array)
        for array in (
            little,
            big,
            np.asfortranarray(little),
            np.asfortranarray(big),
            np.repeat(little, 2, axis=1)[:, ::2],
            little[::-1][::-1],
        )
    }

    assert len(digests) == 1


def test_digest_of_an_array_tells_type_shape_order_and_values_apart():
    arrays = [
        np.arange(6),
        np.arange(6).reshape(2, 3),
        np.arange(6).reshape(3, 2),
        np.arange(6)[::-1],
        np.arange(6).astype(np.uint64),
        np.arange(6).astype(np.int32),
        np.arange(6).astype(np.float64),
        np.arange(6).view(np.float64),
        np.arange(6) + (np.arange(6) == 5),
    ]

    assert len({array_digest(array) for array in arrays}) == len(arrays)


def test_digest_leaves_the_array_alone():
    array = np.arange(4).astype(">i8")
    before = array.copy()

    array_digest(array)

    assert array.dtype == np.dtype(">i8")
    np.testing.assert_array_equal(array, before)


@pytest.fixture
def interactions():
    """Three users, two items and five pairs."""
    return Interactions(
        dataset="LastFM1k",
        matrix=csr_array(np.array([[1, 1], [0, 1], [1, 1]], np.float32)),
        user_ids=("u1", "u2", "ü3"),
        item_ids=("x", "y"),
        item_names=("Björk", "Sigur Rós"),
        source=Source("data/LastFM1k/file.tsv", "ab" * 32),
        min_user_interactions=5,
        min_item_interactions=10,
        counts={"lines": 7, "dropped/empty": 2, "kept": 5},
    )


def _order(*ids):
    """Digest of ids from its description: their number, then each after its length in 8 bytes."""
    encoded = [name.encode() for name in ids]
    return _sha256(str(len(ids)).encode(), *(len(name).to_bytes(8, "little") + name for name in encoded))


def test_record_of_the_data_says_source_filter_counts_and_digests(interactions):
    assert data_record(interactions) == {
        "dataset": "LastFM1k",
        "source": {"uri": "data/LastFM1k/file.tsv", "sha256": "ab" * 32},
        "filter": {"min_user_interactions": 5, "min_item_interactions": 10},
        "counts": {"lines": 7, "dropped/empty": 2, "kept": 5},
        "digest": interactions.digest,
        "users_digest": _order("u1", "u2", "ü3"),
        "items_digest": _order("x", "y"),
        "n_users": 3,
        "n_items": 2,
        "n_pairs": 5,
    }


def test_record_of_thresholds_says_what_was_asked_and_what_came():
    found = Thresholds(0.72, 0.51, "sampled", 300, 10_000, {"similar": (0.71, 0.73)})
    asked = replace(ASKED.thresholds, similar=Target(quantile=0.9), divergent=Target(value=0.51))
    recorded = {"similar": {"quantile": 0.9, "value": None}, "divergent": {"quantile": None, "value": 0.51}}

    assert thresholds_record(found, asked) == {
        "asked": plain(ASKED.thresholds) | recorded,
        "similar": 0.72,
        "divergent": 0.51,
        "band_low": None,
        "band_high": None,
        "method": "sampled",
        "n_users": 300,
        "pairs": 10_000,
        "intervals": {"similar": [0.71, 0.73]},
    }


def test_record_of_a_band_says_where_it_begins_and_ends():
    found = Thresholds(0.72, 0.51, "exact", 3, 3, band=(0.55, 0.6))

    record = thresholds_record(found, ASKED.thresholds)

    assert (record["band_low"], record["band_high"]) == (0.55, 0.6)


CLEAN = Code("c0" * 20, b"")


def _parent(interactions):
    return parent_lineage(
        run_id="run",
        model_id="m-1",
        interactions=interactions,
        settings=TRAINED,
        artifacts={"checkpoint.ckpt": "cd" * 32},
        environment=environment_record(CLEAN, device="cpu", threads=2),
    )


PARENT = {
    "run_id": "run",
    "model_id": "m-1",
    "checkpoint_sha256": "cd" * 32,
    "factors": 256,
    "item_order": "items.json",
    "pinned": None,
}
SIMILAR = {"family": "similar", "sizes": [3], "shape": [75, 3], "sha256": "ef" * 32}


def _groups(interactions, threads=3):
    origin = groups_origin(
        run_id="child",
        parent=PARENT,
        interactions=interactions,
        users={"n_users": 3, "sha256": "ab" * 32, "n_trained": None, "file_sha256": None},
        thresholds=Thresholds(0.72, 0.51, "exact", 3, 3),
        settings=ASKED,
    )
    return groups_lineage(
        origin,
        groups={"similar_3": SIMILAR},
        absent={},
        artifacts={"groups/similar_3.npy": "01" * 32},
        environment=environment_record(CLEAN, device="cpu", threads=threads),
    )


def test_lineage_of_a_parent_has_all_its_keys(interactions):
    lineage = _parent(interactions)

    assert list(lineage) == [
        "schema_version",
        "kind",
        "run_id",
        "model_id",
        "data",
        "settings",
        "artifacts",
        "environment",
    ]
    assert (lineage["schema_version"], lineage["kind"]) == (1, "elsa")
    assert (lineage["run_id"], lineage["model_id"]) == ("run", "m-1")
    assert lineage["data"] == data_record(interactions)
    assert lineage["settings"] == plain(TRAINED)
    assert lineage["artifacts"] == {"checkpoint.ckpt": "cd" * 32}
    assert lineage["environment"] == environment_record(CLEAN, device="cpu", threads=2)


def test_lineage_of_groups_has_all_its_keys(interactions):
    lineage = _groups(interactions)

    assert list(lineage) == [
        "schema_version",
        "kind",
        "run_id",
        "parent",
        "data",
        "users",
        "thresholds",
        "settings",
        "groups",
        "artifacts",
        "environment",
    ]
    assert (lineage["schema_version"], lineage["kind"], lineage["run_id"]) == (1, "groups", "child")
    assert lineage["parent"] == PARENT
    assert lineage["data"] == data_record(interactions)
    assert lineage["thresholds"]["method"] == "exact"
    assert lineage["groups"] == {"similar_3": SIMILAR}
    assert lineage["artifacts"] == {"groups/similar_3.npy": "01" * 32}
    assert lineage["environment"] == environment_record(CLEAN, device="cpu", threads=3)


def test_threads_change_nothing_but_their_own_entry(interactions):
    one, four = _groups(interactions, 1), _groups(interactions, 4)

    assert (one["environment"].pop("threads"), four["environment"].pop("threads")) == (1, 4)
    assert one == four


@pytest.mark.parametrize("build", [_parent, _groups])
def test_lineage_is_read_back_from_json_as_it_was(interactions, tmp_path, build):
    lineage = build(interactions)

    write_json(tmp_path / "lineage.json", lineage, indent=2)

    assert json.loads((tmp_path / "lineage.json").read_text(encoding="utf-8")) == lineage


def test_environment_names_python_platform_and_packages(monkeypatch):
    monkeypatch.setattr(schema, "_PACKAGES", ("elsa-groups", "numpy", "pytest", "no-such-package-here"))

    environment = environment_record(CLEAN, device="cuda", threads=1)

    assert set(environment) == {"code", "python", "platform", "packages", "device", "threads"}
    assert environment["code"] == {"commit": "c0" * 20, "dirty": False}
    assert environment["device"] == "cuda"
    assert environment["python"] == platform.python_version()
    assert environment["platform"] == platform.platform()
    assert environment["packages"] == {
        "elsa-groups": __version__,
        "numpy": np.__version__,
        "pytest": version("pytest"),
    }


def test_environment_names_the_packages_that_numbers_depend_on():
    packages = environment_record(CLEAN, device="cpu", threads=1)["packages"]

    assert {"elsa-groups", "mlflow", "torch", "numpy", "numba", "scipy"} <= set(packages)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda r: r.pop("parent"), "'parent' is a required property"),
        (lambda r: r["parent"].update(checkpoint_sha256="cd"), "$.parent.checkpoint_sha256"),
        (lambda r: r["groups"]["similar_3"].update(shape=[75]), "$.groups.similar_3.shape"),
        (lambda r: r["thresholds"].update(similar=1.5), "$.thresholds.similar"),
        (lambda r: r["data"].update(extra=1), "'extra' was unexpected"),
        (lambda r: r["environment"]["code"].update(commit="HEAD"), "$.environment.code"),
        (lambda r: r.update(kind="model"), "expected kind elsa, vectors or groups, got 'model'"),
        (lambda r: r.update(schema_version=2), "expected schema_version 1, got 2"),
    ],
)
def test_a_record_that_is_none_is_refused_and_says_where(interactions, change, where):
    record = json.loads(json.dumps(_groups(interactions)))
    change(record)

    with pytest.raises(ValueError, match=re.escape(where)):
        check_lineage(record)


def test_digest_of_groups_knows_keys_members_and_users_but_not_their_order(interactions):
    record = _groups(interactions)
    two = record | {"groups": {"a_3": SIMILAR, "b_3": SIMILAR | {"sha256": "ab" * 32}}}
    turned = two | {"groups": dict(reversed(two["groups"].items()))}
    other_users = two | {"data": two["data"] | {"users_digest": "00" * 32}}
    renamed = two | {"groups": {"a_3": SIMILAR, "c_3": two["groups"]["b_3"]}}

    digests = [groups_digest(each) for each in (two, turned, other_users, renamed, record)]

    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_digests_of_a_folder_are_those_of_its_files_by_path(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c.txt").write_text("c")
    (tmp_path / "a.txt").write_text("a")

    assert folder_digests(tmp_path) == {"a.txt": _sha256(b"a"), "b/c.txt": _sha256(b"c")}
    assert list(folder_digests(tmp_path)) == ["a.txt", "b/c.txt"]
