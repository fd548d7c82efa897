"""Top items against scores in plain Python, where float32 cannot tell them apart too."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.model import recommendations
from elsa_groups.model.ranking import top_k
from elsa_groups.model.recommendations import top_items
from elsa_groups.model.vectors import reference_dot, unit_rows


def plain_top(vectors, encoder, histories, k):
    """Full sorts by sums in index order."""
    top = np.full((len(vectors), k), -1)
    for user, own in enumerate(histories.toarray().astype(bool)):
        scores = {}
        for item in np.flatnonzero(~own).tolist():
            total = 0.0
            for a, b in zip(vectors[user].tolist(), encoder[item].tolist(), strict=True):
                total += a * b
            scores[item] = total
        best = sorted(scores, key=lambda item, scores=scores: (-scores[item], item))[:k]
        top[user, : len(best)] = best
    return top


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), dim=st.integers(1, 40), k=st.integers(1, 12), scale=st.floats(0.01, 100)
)
def test_top_items_are_those_of_full_sorts_of_sums_in_index_order(seed, dim, k, scale):
    rng = np.random.default_rng(seed)
    n_users, n_items = 6, 30
    # Items that differ by a rounding or not at all: float32 products order them by chance.
    encoder = np.repeat(rng.standard_normal((5, dim)), 6, axis=0).astype(np.float32) * np.float32(scale)
    steps = rng.integers(-1, 2, encoder.shape).astype(np.float32)
    encoder = encoder + steps * np.spacing(encoder)
    histories = csr_array((rng.random((n_users, n_items)) < rng.random((n_users, 1))).astype(np.float32))
    vectors = unit_rows(rng.standard_normal((n_users, dim)))
    plain = plain_top(vectors, encoder, histories, k)
    found = top_items(vectors, encoder, histories, k)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, plain)
    # Near ties in several tiles, and more items that wait for their scores than there is room for.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("USERS_PER_BLOCK", 4), ("ITEMS_PER_TILE", 7), ("ITEMS_WAITING", 3)):
            patch.setattr(recommendations, name, value)
        np.testing.assert_array_equal(top_items(vectors, encoder, histories, k), plain)


def test_what_float32_orders_by_chance_is_ordered_by_sums_in_float64(histories: Callable[..., csr_array]):
    # Otherwise the test above could not fail: some of its near ties must come out wrong in float32.
    rng = np.random.default_rng(1)
    encoder = np.repeat(rng.standard_normal((5, 40)), 6, axis=0).astype(np.float32)
    encoder += rng.integers(-1, 2, encoder.shape).astype(np.float32) * np.spacing(encoder)
    matrix = histories(40, 30)
    vectors = unit_rows(rng.standard_normal((40, 40)))
    scores = np.where(matrix.toarray() > 0, -np.inf, vectors @ encoder.T)
    in_float32 = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    assert (in_float32 != top_items(vectors, encoder, matrix, 10)).any()


def test_neither_threads_nor_blocks_change_a_ranking(histories, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    encoder = rng.standard_normal((50, 8)).astype(np.float32)
    matrix, vectors = histories(101, 50), unit_rows(rng.standard_normal((101, 8)))
    whole = top_items(vectors, encoder, matrix, 7)
    monkeypatch.setattr(recommendations, "USERS_PER_BLOCK", 4)
    monkeypatch.setattr(recommendations, "ITEMS_PER_TILE", 7)
    np.testing.assert_array_equal(top_items(vectors, encoder, matrix, 7, threads=3), whole)
    users = np.array([3, 50, 100])
    np.testing.assert_array_equal(top_items(vectors, encoder, matrix, 7, users=users), whole[users])


def test_users_are_ranked_as_their_histories_are(histories):
    # Whole numbers: exact whatever the order and the length of the embedding.
    rng = np.random.default_rng(0)
    encoder = rng.integers(-1, 2, (40, 4)).astype(np.float32)
    matrix = histories(30, 40)
    sums = matrix @ encoder
    some = np.flatnonzero(np.abs(sums).sum(axis=1) > 0)
    # The norms of such rows are powers of two or zero, so that units are exact as well.
    some = some[[float(np.log2(np.linalg.norm(sums[u]))).is_integer() for u in some]]
    assert len(some) > 0
    found = top_items(unit_rows(sums), encoder, matrix, 10, users=some)
    np.testing.assert_array_equal(found, top_k(encoder, matrix[some], 10))


def test_of_more_equal_items_than_can_wait_the_first_are_taken():
    encoder, vectors = np.ones((5_000, 3), np.float32), unit_rows(np.ones((2, 3)))
    histories = csr_array(([1.0] * 3, ([0, 0, 0], [0, 2, 3_000])), shape=(2, 5_000), dtype=np.float32)
    found = top_items(vectors, encoder, histories, 4)
    np.testing.assert_array_equal(found, [[1, 3, 4, 5], [0, 1, 2, 3]])


def test_histories_may_be_in_any_order():
    histories = csr_array((np.ones(2, np.float32), [4_000, 1], [0, 2]), shape=(1, 5_000))
    assert not histories.has_sorted_indices
    encoder = np.arange(5_000, 0, -1, dtype=np.float32)[:, None]
    found = top_items(np.ones((1, 1), np.float32), encoder, histories, 3)
    np.testing.assert_array_equal(found, [[0, 2, 3]])


@pytest.mark.parametrize(("n_users", "n_items"), [(0, 3), (2, 0)])
def test_nobody_or_nothing_to_recommend(n_users, n_items):
    histories = csr_array((n_users, n_items), dtype=np.float32)
    found = top_items(unit_rows(np.ones((n_users, 2))), np.ones((n_items, 2), np.float32), histories, 3)
    np.testing.assert_array_equal(found, np.full((n_users, 3), -1))


def test_too_few_items_leave_minus_one():
    matrix = csr_array(np.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]], np.float32))
    found = top_items(np.full((3, 2), 0.5**0.5, np.float32), np.ones((4, 2), np.float32), matrix, 3)
    np.testing.assert_array_equal(found, [[2, -1, -1], [-1, -1, -1], [0, 1, 2]])


def test_nothing_is_recommended_to_users_without_an_embedding():
    vectors = np.array([[0.6, 0.8], [0, 0], [-0.0, 0], [0, 1]], np.float32)
    encoder = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    found = top_items(vectors, encoder, csr_array(np.zeros((4, 3), np.float32)), 2)
    np.testing.assert_array_equal(found, [[2, 1], [-1, -1], [-1, -1], [1, 2]])


def test_rankings_that_cannot_be_are_refused():
    matrix, vectors = csr_array(np.ones((2, 3), np.float32)), np.ones((2, 2), np.float32)
    with pytest.raises(InputError, match=r"k: expected .* got 0"):
        top_items(vectors, np.ones((3, 2), np.float32), matrix, 0)
    with pytest.raises(InputError, match="each of the 3 items"):
        top_items(vectors, np.ones((4, 2), np.float32), matrix, 1)
    with pytest.raises(InputError, match="NaN or infinity in 1 of 3"):
        top_items(vectors, np.array([[1, 1], [np.nan, 1], [1, 1]], np.float32), matrix, 1)


def test_a_reference_dot_sums_in_index_order():
    a, b = np.array([[1.0, 1.0, -1.0]], np.float32), np.array([[2.0**-60, 1.0, 1.0]], np.float32)
    assert reference_dot(a, 0, b, 0) == 0.0
    assert reference_dot(a[:, ::-1].copy(), 0, b[:, ::-1].copy(), 0) == 2.0**-60
