"""Items of groups, against sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from elsa_groups.base.philox import stream_key
from elsa_groups.commands.export.negatives import draw_negatives, split_by_draws
from elsa_groups.groups import common_items as module
from elsa_groups.groups.common_items import items_in_common

HISTORIES = csr_array(
    np.array([[1, 1, 0, 1, 0], [1, 0, 1, 1, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 1]], np.float32)
)


def rows_of(matrix: csr_array) -> list[list[int]]:
    return [matrix[[row]].indices.tolist() for row in range(matrix.shape[0])]


@pytest.mark.parametrize("piece", [1, 2, 100])
def test_items_in_common_are_those_that_enough_members_have(monkeypatch, piece):
    monkeypatch.setattr(module, "GROUPS_PER_PIECE", piece)
    members = np.array([[0, 1, 2], [2, 0, 3], [3, 1, 0]])
    assert rows_of(items_in_common(HISTORIES, members)) == [[0], [], []]
    assert rows_of(items_in_common(HISTORIES, members, 2)) == [[0, 1, 2, 3], [0, 1], [0, 3]]
    assert rows_of(items_in_common(HISTORIES, members, 1)) == [[0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert items_in_common(HISTORIES, members, 4).nnz == 0
    assert set(items_in_common(HISTORIES, members, 2).data) == {1.0}


def test_no_groups_have_no_items():
    assert items_in_common(HISTORIES, np.empty((0, 3), np.int64)).shape == (0, 5)


@given(st.integers(0, 200), st.integers(0, 2**63 - 1))
def test_parts_are_disjoint_and_have_their_shares(n, seed):
    split = split_by_draws(n, key=stream_key(seed, "groups"))
    assert sorted([*split.train, *split.val, *split.test]) == list(range(n))
    assert (len(split.val), len(split.test)) == (round(n * 0.1), round(n * 0.2))


def test_another_key_draws_other_parts():
    first, second = (split_by_draws(100, key=stream_key(seed, "groups")).test.tolist() for seed in (1, 2))
    assert first != second
    assert split_by_draws(100, key=stream_key(1, "groups")).test.tolist() == first


@st.composite
def known_items(draw) -> csr_array:
    n_rows, n_items = draw(st.integers(1, 4)), draw(st.integers(1, 30))
    cells = draw(st.lists(st.booleans(), min_size=n_rows * n_items, max_size=n_rows * n_items))
    return csr_array(np.array(cells, np.float32).reshape(n_rows, n_items))


@settings(max_examples=200)
@given(known_items(), st.integers(1, 12), st.integers(0, 2**63 - 1))
def test_negatives_are_unknown_distinct_and_enough_or_all(known, n, seed):
    rows, items = known.nonzero()
    drawn = draw_negatives(known, rows, items, n=n, seed=seed, name="user")
    assert drawn.shape == (known.nnz, n)
    for row, line in zip(rows, drawn, strict=True):
        unknown = set(range(known.shape[1])) - set(known[[row]].indices.tolist())
        found = line[line >= 0].tolist()
        assert len(found) == len(set(found)) == min(n, len(unknown))
        assert set(found) <= unknown
        assert (line[len(found) :] == -1).all()


def test_negatives_follow_from_their_line_alone():
    known = csr_array((np.random.default_rng(0).random((6, 400)) < 0.2).astype(np.float32))
    rows, items = known.nonzero()
    drawn = draw_negatives(known, rows, items, n=20, seed=3, name="user")
    order = np.random.default_rng(1).permutation(len(rows))[:50]
    again = draw_negatives(known, rows[order], items[order], n=20, seed=3, name="user")
    np.testing.assert_array_equal(again, drawn[order])
    for other in ({"seed": 4, "name": "user"}, {"seed": 3, "name": "group"}):
        assert (draw_negatives(known, rows, items, n=20, **other) != drawn).mean() > 0.9


def test_every_unknown_item_is_as_likely():
    known = csr_array(np.array([[0, 1, 0, 0, 1, 0] + [0] * 994 + [1] * 5000], np.float32))
    lines = np.arange(5000) + 1000
    drawn = draw_negatives(known, np.zeros_like(lines), lines, n=100, seed=0, name="user")
    counts = np.bincount(drawn.ravel(), minlength=6000)
    # 500 expected of each of 998; a deviation of 5 standard errors is one in 3,500 of such tests.
    unknown = np.setdiff1d(np.arange(1000), [1, 4])
    assert set(np.flatnonzero(counts)) == set(unknown)
    assert np.abs(counts[unknown] - 5000 * 100 / 998).max() < 5 * np.sqrt(500 * 0.9)
