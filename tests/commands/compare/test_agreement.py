"""Users and groups that runs have in common, against sets."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elsa_groups.commands.compare.agreement import measure_agreement


@st.composite
def groups_of_runs(draw) -> list:
    size = draw(st.integers(1, 3))
    group = st.lists(st.integers(0, 5), min_size=size, max_size=size, unique=True)
    run = st.none() | st.lists(group, min_size=1, max_size=6).map(lambda rows: np.array(rows, np.int64))
    return draw(st.lists(run, min_size=2, max_size=4))


@given(groups_of_runs())
def test_shares_are_those_of_sets(runs):
    found = measure_agreement("k", runs, ["Demo"] * len(runs))

    for i, a in enumerate(runs):
        for j, b in enumerate(runs):
            if a is None or b is None:
                assert math.isnan(found.users[i, j])
                assert math.isnan(found.groups[i, j])
                continue
            users_a, users_b = set(a.ravel().tolist()), set(b.ravel().tolist())
            assert found.users[i, j] == len(users_a & users_b) / len(users_a | users_b)
            sets_a, sets_b = ({frozenset(row) for row in rows.tolist()} for rows in (a, b))
            assert found.groups[i, j] == len(sets_a & sets_b) / min(len(sets_a), len(sets_b))


def test_more_groups_of_the_same_draws_hold_all_of_the_fewer():
    rows = np.array([[0, 1], [2, 3], [4, 5]])
    found = measure_agreement("k", [rows, rows[:2, ::-1]], ["Demo", "Demo"])
    assert found.groups[0, 1] == 1.0
    assert found.users[0, 1] == 4 / 6


def test_users_of_other_data_are_not_compared():
    rows = np.array([[0, 1]])
    found = measure_agreement("k", [rows, rows, rows], ["Demo", "LastFM1k", "Demo"])
    assert np.isnan(found.users[0, 1])
    assert found.users[0, 2] == 1.0
    assert found.is_defined
    assert not measure_agreement("k", [rows, rows], ["Demo", "LastFM1k"]).is_defined
