from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.model import embeddings
from elsa_groups.model.embeddings import Embeddings, centre_users, check_item_order, embed_users
from elsa_groups.model.vectors import unit_rows


def _encoder(n_items: int, factors: int = 8) -> np.ndarray:
    return unit_rows(np.random.default_rng(1).standard_normal((n_items, factors)).astype(np.float32))


def _plain_embedding(items: np.ndarray, encoder: np.ndarray) -> list[np.float32]:
    """The definition, in Python's floats one after the other."""
    total = [0.0] * encoder.shape[1]
    for item in items:
        for k, value in enumerate(encoder[item].tolist()):
            total[k] += value
    squares = 0.0
    for value in total:
        squares += value * value
    return [np.float32(value / squares**0.5) for value in total]


def test_embeddings_are_the_definition_to_the_bit(histories: Callable[..., csr_array]) -> None:
    matrix, encoder = histories(60, 300, density=0.3), _encoder(300, 33)
    found = embed_users(matrix, encoder)
    expected = [_plain_embedding(np.flatnonzero(row), encoder) for row in matrix.toarray()]
    assert found.vectors.dtype == np.float32
    assert found.rows.dtype == np.int64
    np.testing.assert_array_equal(found.vectors, np.array(expected))
    np.testing.assert_array_equal(found.rows, np.arange(60))
    assert found.n_without_history == 0


def test_blocks_and_order_of_storage_change_no_bit(
    histories: Callable[..., csr_array], monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, encoder = histories(60, 100), _encoder(100)
    expected = embed_users(matrix, encoder).vectors
    monkeypatch.setattr(embeddings, "ROWS_PER_TASK", 7)
    np.testing.assert_array_equal(embed_users(matrix, encoder).vectors, expected)

    reversed_rows = matrix.copy()
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        reversed_rows.indices[start:stop] = matrix.indices[start:stop][::-1]
    reversed_rows.has_sorted_indices = False
    np.testing.assert_array_equal(embed_users(reversed_rows, encoder).vectors, expected)


def test_users_without_direction_are_left_out_and_counted() -> None:
    encoder = np.array([[1, 0], [-1, 0], [0, 1], [0, 0]], np.float32)
    matrix = csr_array(
        np.array(
            [
                [0, 0, 0, 0],  # no history
                [1, 0, 1, 0],
                [1, 1, 0, 0],  # opposite items
                [0, 0, 0, 1],  # an item without direction
                [0, 0, 1, 1],
            ],
            np.float32,
        )
    )
    found = embed_users(matrix, encoder)
    np.testing.assert_array_equal(found.rows, [1, 4])
    np.testing.assert_array_equal(found.vectors, np.float32([[0.5**0.5, 0.5**0.5], [0, 1]]))
    assert found.n_without_history == 3


def test_centred_users_are_the_definition_to_the_bit() -> None:
    vectors = _encoder(50, 7)
    found = centre_users(Embeddings(vectors, np.arange(0, 100, 2), 3), vectors)
    columns = vectors.T.tolist()
    means = []
    for column in columns:
        total = 0.0
        for value in column:
            total += value
        means.append(total / 50)
    for unit, row in zip(found.vectors.tolist(), vectors.tolist(), strict=True):
        rest = [value - mean for value, mean in zip(row, means, strict=True)]
        squares = 0.0
        for value in rest:
            squares += value * value
        assert unit == [float(np.float32(value / squares**0.5)) for value in rest]
    np.testing.assert_array_equal(found.rows, np.arange(0, 100, 2))
    assert found.n_without_history == 3


def test_who_is_the_mean_of_all_is_left_out_when_centred() -> None:
    vectors = np.float32([[1, 0], [0, 1], [-1, 0], [0, -1], [0, 0]])
    found = centre_users(Embeddings(vectors, np.array([2, 3, 5, 7, 11]), 1), vectors)
    np.testing.assert_array_equal(found.rows, [2, 3, 5, 7])
    np.testing.assert_array_equal(found.vectors, vectors[:4])
    assert found.n_without_history == 2


@pytest.mark.parametrize("scale", [1e-38, 1.0, 1e38])
def test_unit_rows_of_any_scale_have_norm_one(scale: float) -> None:
    rows = np.random.default_rng(0).uniform(-1, 1, (50, 64)) * scale
    norms = np.linalg.norm(unit_rows(rows.astype(np.float32)).astype(np.float64), axis=1)
    np.testing.assert_allclose(norms, 1.0, rtol=0, atol=2e-7)


def test_unfit_item_vectors_are_refused(histories: Callable[..., csr_array]) -> None:
    matrix, encoder = histories(10, 20), _encoder(20)
    with pytest.raises(InputError, match=r"each of the 20 items of the data, got shape \(19, 8\)"):
        embed_users(matrix, encoder[:-1])
    encoder[3, 2] = np.nan
    with pytest.raises(InputError, match="NaN or infinity in 1 of 20 rows"):
        embed_users(matrix, encoder)


def _community_vectors(n_items: int) -> np.ndarray:
    """Two nearly orthogonal directions, as a trained ELSA would find on a checkerboard."""
    noise = np.random.default_rng(2).standard_normal((n_items, 8)) * 0.1
    noise[0::2, 0] += 1
    noise[1::2, 1] += 1
    return unit_rows(noise)


def test_right_item_order_passes_and_is_reproducible(checkerboard: Callable[..., csr_array]) -> None:
    matrix, encoder = checkerboard(200, 100), _community_vectors(100)
    order = check_item_order(matrix, encoder, seed=3)
    assert len(order.shuffled_losses) == 5
    assert order.loss < 0.9 * min(order.shuffled_losses)
    assert check_item_order(matrix, encoder, seed=3) == order


def test_shuffled_item_order_is_refused(checkerboard: Callable[..., csr_array]) -> None:
    encoder = _community_vectors(100)[np.random.default_rng(4).permutation(100)]
    with pytest.raises(InputError, match="in the order of the 100 items of the data"):
        check_item_order(checkerboard(200, 100), encoder, seed=3)


def test_untrained_vectors_are_refused(checkerboard: Callable[..., csr_array]) -> None:
    with pytest.raises(InputError, match="clearly below that of shuffled rows"):
        check_item_order(checkerboard(200, 100), _encoder(100), seed=3)


@pytest.mark.parametrize("scale", [1e300, 1e-300, 1.0])
def test_rows_of_any_scale_keep_their_direction(scale: float) -> None:
    rows = np.array([[3.0, 4.0], [0.0, -2.0], [0.0, 0.0]]) * scale
    expected = np.array([[0.6, 0.8], [0.0, -1.0], [0.0, 0.0]], np.float32)
    np.testing.assert_array_equal(unit_rows(rows), expected)
