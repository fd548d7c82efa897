"""Members in the rows of a record."""

import numpy as np

from elsa_groups.commands.reproduce.judging import in_recorded_rows


def test_rows_are_those_of_the_same_users_and_users_without_one_are_told_apart():
    members = {"similar_3": np.array([[0, 1, 3], [2, 1, 0]])}

    found = in_recorded_rows(members, ["a", "b", "c"], ("a", "c", "x", "y"))

    assert found["similar_3"].tolist() == [[0, 2, -4], [-3, 2, 0]]


def test_without_recorded_ids_no_row_is_anybodys():
    found = in_recorded_rows({"similar_3": np.array([[0, 1, 3]])}, None, ("a", "c", "x", "y"))

    assert (found["similar_3"] < 0).all()
