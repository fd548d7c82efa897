"""Members in the rows of a record."""

import numpy as np
import pytest

from elsa_groups.commands.reproduce.regenerate import (
    in_recorded_rows,
    numbers_of,
    read_all_members,
    rows_by_id,
)


def test_rows_are_those_of_the_same_users_and_users_without_one_are_told_apart():
    members = {"similar_3": np.array([[0, 1, 3], [2, 1, 0]])}

    found = in_recorded_rows(members, ("a", "b", "c"), ("a", "c", "x", "y"))

    assert found["similar_3"].tolist() == [[0, 2, -4], [-3, 2, 0]]
    assert rows_by_id(("a", "b", "c"), ("a", "c", "x", "y")).tolist() == [0, -2, 1]


def test_a_user_who_is_gone_has_no_number_whatever_its_row_was():
    # The last of five is gone, and the first of the others is not drawn from.
    rows = rows_by_id(("a", "b", "c", "d", "e"), ("a", "b", "c", "d"))

    assert numbers_of(rows, np.array([1, 2, 3])).tolist() == [-1, 0, 1, 2, -1]
    assert numbers_of(np.array([], np.int64), np.array([1, 2, 3])).tolist() == []


def test_without_recorded_ids_no_row_is_anybodys():
    found = in_recorded_rows({"similar_3": np.array([[0, 1, 3]])}, (), ("a", "c", "x", "y"))

    assert (found["similar_3"] < 0).all()


@pytest.mark.parametrize("content", [None, b"", b"no array", b"\x93NUMPY\x01\x00\x08\x00{'descr'"])
def test_members_that_are_gone_or_unreadable_are_left_out(tmp_path, content):
    (tmp_path / "groups").mkdir()
    np.save(tmp_path / "groups" / "a_2.npy", np.array([[0, 1]], np.int32))
    np.save(tmp_path / "groups" / "b_2.npy", np.array([[0.5, 1.0]]))
    if content is not None:
        (tmp_path / "groups" / "c_2.npy").write_bytes(content)

    found = read_all_members(tmp_path, {"groups": {"a_2": {}, "b_2": {}, "c_2": {}}})

    assert {name: array.tolist() for name, array in found.items()} == {"a_2": [[0, 1]]}
    assert found["a_2"].dtype == np.int64
