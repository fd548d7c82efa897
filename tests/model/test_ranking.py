from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.model import ranking
from elsa_groups.model.ranking import ndcg_at_k, recall_at_k, top_k
from elsa_groups.model.vectors import unit_rows


def test_top_k_is_that_of_a_full_sort(
    histories: Callable[..., csr_array], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "SCORES_PER_BLOCK", 300)
    rng = np.random.default_rng(0)
    # Few distinct whole numbers: many ties, and scores that are exact in any order.
    encoder = rng.integers(-1, 2, (40, 5)).astype(np.float32)
    matrix = histories(30, 40)
    expected = []
    for own in matrix.toarray().astype(bool):
        scores = encoder @ encoder[own].sum(axis=0)
        order = sorted(np.flatnonzero(~own), key=lambda item, scores=scores: (-scores[item], item))
        expected.append(order[:10])
    found = top_k(encoder, matrix, 10)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, expected)


def test_too_few_items_leave_minus_one() -> None:
    matrix = csr_array(np.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]], np.float32))
    found = top_k(np.ones((4, 2), np.float32), matrix, 3)
    np.testing.assert_array_equal(found, [[2, -1, -1], [-1, -1, -1], [0, 1, 2]])


def test_checkerboard_is_continued(checkerboard: Callable[..., csr_array]) -> None:
    encoder = np.zeros((60, 2), np.float32)
    encoder[0::2, 0] = encoder[1::2, 1] = 1
    matrix = checkerboard(50, 60)
    found = top_k(encoder, matrix, 1)[:, 0]
    np.testing.assert_array_equal(found % 2, np.arange(50) % 2)


def test_top_k_refuses_other_items_and_empty_rankings() -> None:
    matrix = csr_array(np.ones((2, 3), np.float32))
    with pytest.raises(InputError, match="each of the 3 items of the histories, got 4"):
        top_k(np.ones((4, 2), np.float32), matrix, 1)
    with pytest.raises(InputError, match=r"k: expected .* got 0"):
        top_k(np.ones((3, 2), np.float32), matrix, 0)


# Three users: one of two targets found, at place 2 of 3; no targets; four targets, of which 3 can be found.
RANKING = np.array([[5, 1, 2], [0, 1, 2], [3, 0, 4]])
TARGETS = csr_array(np.array([[0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0]], np.float32))


def test_recall_worked_by_hand() -> None:
    assert recall_at_k(RANKING, TARGETS) == pytest.approx((1 / 2 + 2 / 3) / 2, abs=1e-15)


def test_ndcg_worked_by_hand() -> None:
    second, third = 1 / np.log2(3), 1 / 2
    first_user = second / (1 + second)
    last_user = (1 + second) / (1 + second + third)
    assert ndcg_at_k(RANKING, TARGETS) == pytest.approx((first_user + last_user) / 2, abs=1e-15)


def test_perfect_and_worst_rankings() -> None:
    targets = csr_array(np.array([[1, 1, 0, 0]], np.float32))
    for metric in (ndcg_at_k, recall_at_k):
        assert metric(np.array([[1, 0, 2]]), targets) == 1.0
        assert metric(np.array([[2, 3, -1]]), targets) == 0.0


def test_padding_is_no_hit() -> None:
    targets = csr_array(np.array([[0, 0, 1], [0, 1, 0]], np.float32))
    assert recall_at_k(np.array([[0, -1], [0, -1]]), targets) == 0.0


def test_nobody_with_targets_is_an_error() -> None:
    targets = csr_array((2, 3), dtype=np.float32)
    for metric in (ndcg_at_k, recall_at_k):
        with pytest.raises(InputError, match="at least one user with a held-out item, got none among 2"):
            metric(np.zeros((2, 1), np.int64), targets)


def test_true_vectors_recommend_better_than_shuffled_ones(checkerboard: Callable[..., csr_array]) -> None:
    matrix = checkerboard(40, 30)
    rows = matrix.toarray().astype(np.float32)
    encoder = unit_rows(rows.T.copy())
    shown = rows.copy()
    shown[:, :10] = 0
    inputs, targets = csr_array(shown), csr_array(rows - shown)
    shuffled = encoder[np.random.default_rng(0).permutation(30)]
    assert ndcg_at_k(top_k(encoder, inputs, 10), targets) > 0.8
    assert ndcg_at_k(top_k(shuffled, inputs, 10), targets) < 0.7
