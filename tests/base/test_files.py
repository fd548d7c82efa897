"""Files of a stranger, whose readers answer with one line."""

import re

import numpy as np
import pytest

from elsa_groups.base.files import read_array, read_json, read_yaml


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


@pytest.mark.parametrize(
    "shape", [f"({2**70}, 0)", "(-1, 0)", f"({'-' * 5000}1, 2)", f"({'(' * 5000}", f"(1{'0' * 400}, 0)"]
)
def test_a_header_of_an_impossible_array_is_one_line(tmp_path, shape):
    path = tmp_path / "a.npy"
    path.write_bytes(npy(f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}"))
    with pytest.raises(ValueError, match=r"a\.npy: expected an array, got [^\n]+$"):
        read_array(path)


@pytest.mark.parametrize("shape", [(0, 3), (2, 3)])
def test_an_array_is_read_back_also_an_empty_one(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.ones(shape, np.int64))
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), np.ones(shape))


@pytest.mark.parametrize(
    "text", ["[NaN]", "[-Infinity]", "[1e999]", f"[{2**64}]", f"[1{'0' * 9000}]", '["\\ud800"]', "[" * 10**5]
)
def test_json_that_is_never_written_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read_json(tmp_path / "a.json")


def test_whole_characters_by_two_escapes_and_the_largest_seed_are_read(tmp_path):
    (tmp_path / "a.json").write_text(f'["\\ud83c\\udfb5", {2**64 - 1}, -0.5]')
    assert read_json(tmp_path / "a.json") == ["\U0001f3b5", 2**64 - 1, -0.5]


@pytest.mark.parametrize(
    "value",
    [
        '!!int ""',
        "!!bool x",
        "!!timestamp x",
        "!!float x",
        "2026-11-29",
        "!!binary aGk=",
        ".inf",
        "!!set {a}",
    ],
)
def test_yaml_of_values_that_settings_have_not_is_refused_by_name(tmp_path, value):
    (tmp_path / "a.yaml").write_text(f"a: {value}\n")
    with pytest.raises(ValueError, match=re.escape("a.yaml: expected YAML, got ")):
        read_yaml(tmp_path / "a.yaml")
