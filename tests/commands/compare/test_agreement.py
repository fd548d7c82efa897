"""Users and groups that runs have in common, against sets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsa_groups.commands.compare.agreement import (
    Agreement,
    describe_agreement,
    draw_agreement,
    measure_agreement,
)

from ...report.conftest import check_writing


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


def agreement(key: str, n_runs: int) -> Agreement:
    shares = np.linspace(0.0, 1.0, n_runs * n_runs).reshape(n_runs, n_runs)
    users, groups = np.maximum(shares, shares.T), np.minimum(shares, shares.T)
    return Agreement(key, users, groups)


@pytest.mark.parametrize("n_runs", [2, 4, 10, 20])
@pytest.mark.parametrize("n_keys", [1, 8])
def test_nothing_written_meets_anything_else(n_runs, n_keys):
    check_writing(draw_agreement([agreement(f"similar_{key}", n_runs) for key in range(n_keys)]))


def test_cells_are_users_below_the_diagonal_and_groups_above_it():
    drawn = agreement("similar_3", 4)

    (axes,) = draw_agreement([drawn]).axes

    cells = {tuple(map(round, text.get_position())): int(text.get_text()) for text in axes.texts}
    assert len(cells) == 12
    for (column, row), percent in cells.items():
        share = (drawn.users if row > column else drawn.groups)[row, column]
        assert percent == (min(round(100 * share), 99) if share < 1 else 100)
    below, above = (mesh.get_array() for mesh in axes.collections)
    np.testing.assert_array_equal(~np.ma.getmaskarray(below), np.tril(np.ones((4, 4), bool), -1))
    np.testing.assert_array_equal(below.compressed(), drawn.users[np.tril_indices(4, -1)])
    np.testing.assert_array_equal(above.compressed(), drawn.groups[np.triu_indices(4, 1)])


def test_full_cells_of_many_runs_are_left_without_a_number_that_would_not_fit():
    same = np.ones((8, 8))
    figure = draw_agreement([Agreement("similar_3", same, same)])
    assert list(figure.axes[0].texts) == []
    assert "no number: 100" in figure.get_supxlabel()


def test_a_cell_that_is_undefined_is_empty():
    shares = np.full((2, 2), np.nan)
    (axes,) = draw_agreement([Agreement("similar_3", shares, shares)]).axes
    assert list(axes.texts) == []


def test_alt_text_names_the_extreme_keys():
    shares = {"similar_3": 0.25, "random_3": 0.75}
    said = describe_agreement(
        [Agreement(k, np.full((3, 3), s), np.full((3, 3), 0.5)) for k, s in shares.items()]
    )
    assert "3 runs for 2 keys" in said
    assert "25% (similar_3) to 75% (random_3)" in said
    assert "groups that are the same, 50%" in said
