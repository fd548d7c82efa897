"""Users as unit vectors: sums of their items' vectors, with the same bytes on every machine.

Sums run over a history in item order and norms over the factors in index order, both in float64
without reassociation or fused multiply-add, and each value is rounded to float32 once. So neither the
instruction set, nor the number of threads, nor a BLAS can change a bit of an embedding.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.errors import InputError

ROWS_PER_TASK = 4096


@dataclass(frozen=True)
class Embeddings:
    """Unit vectors of the users that have a direction.

    Attributes
    ----------
    vectors : (n, factors) float32
        Unit rows, to float32 precision.
    rows : (n,) int64
        Ascending rows of the interaction matrix that ``vectors`` belong to.
    n_without_history : int
        Users left out: no history, or one whose item vectors sum to zero exactly.
    """

    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    n_without_history: int


def embed_users(matrix: csr_array, encoder: NDArray[np.float32]) -> Embeddings:
    """Embed each user as the normalised sum of the vectors of the items in its history.

    Costs ``nnz * factors`` additions, shared among the cores. Memory is the result, once more while
    users without a direction are taken out, and one float64 row per thread.

    Parameters
    ----------
    matrix : csr_array, shape (n_users, n_items)
        Histories; whatever is stored counts as one. Indices sorted within each row.
    encoder : (n_items, factors) float32
        Item vectors, finite, as the checkpoint gives them.

    Returns
    -------
    Embeddings
        The users with a direction, in row order.

    Raises
    ------
    InputError
        If the numbers of items differ or ``encoder`` holds a value that is not finite.

    References
    ----------
    Vancura et al., "Scalable Linear Shallow Autoencoder for Collaborative Filtering", RecSys 2022,
    doi 10.1145/3523227.3551482: ``x A`` is what ELSA decodes a history from.
    """
    encoder = checked_item_vectors(encoder, matrix.shape[1])
    ordered = matrix if matrix.has_sorted_indices else matrix.sorted_indices()
    vectors = np.empty((matrix.shape[0], encoder.shape[1]), np.float32)
    has_direction = np.empty(matrix.shape[0], np.bool_)

    def embed(start: int) -> None:
        stop = min(start + ROWS_PER_TASK, matrix.shape[0])
        _sum_and_normalise(ordered.indptr, ordered.indices, encoder, start, stop, vectors, has_direction)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(embed, range(0, matrix.shape[0], ROWS_PER_TASK)))
    rows = np.flatnonzero(has_direction)
    n_without_history = matrix.shape[0] - len(rows)
    return Embeddings(vectors[rows] if n_without_history else vectors, rows, n_without_history)


def checked_item_vectors(encoder: NDArray[np.float32], n_items: int) -> NDArray[np.float32]:
    """Return the item vectors as a contiguous float32 array.

    Raises
    ------
    InputError
        If they are not ``n_items`` rows of finite values.
    """
    if encoder.ndim != 2 or encoder.shape[0] != n_items:
        raise InputError(
            f"encoder: expected one row for each of the {n_items} items of the data, came shape "
            f"{encoder.shape}; use the checkpoint that was trained on these data with the same filter"
        )
    if not np.isfinite(encoder).all():
        n_bad = int((~np.isfinite(encoder).all(axis=1)).sum())
        raise InputError(
            f"encoder: expected finite item vectors, came NaN or infinity in {n_bad} of {n_items} rows; "
            "train again with a smaller learning rate or take another checkpoint"
        )
    return np.ascontiguousarray(encoder, dtype=np.float32)


@numba.njit(cache=True, nogil=True)
def unit_rows(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Divide each row by its norm, in float64 in index order, rounded to float32 once; zeros stay zeros.

    Parameters
    ----------
    vectors : (n, factors) float32 or float64
        Finite rows of any length.

    Returns
    -------
    (n, factors) float32
        Rows of norm one to float32 precision, or zero.
    """
    units = np.empty(vectors.shape, np.float32)
    row = np.empty(vectors.shape[1], np.float64)
    for i in range(vectors.shape[0]):
        row[:] = vectors[i]
        _normalise(row, units[i])
    return units


@numba.njit(cache=True, nogil=True)
def _normalise(row: NDArray[np.float64], unit: NDArray[np.float32]) -> bool:
    """Write the direction of ``row`` into ``unit``; tell whether it has one."""
    squares = 0.0
    for k in range(row.shape[0]):
        squares += row[k] * row[k]
    norm = np.sqrt(squares)
    for k in range(row.shape[0]):
        unit[k] = np.float32(row[k] / norm) if norm > 0.0 else np.float32(0.0)
    return norm > 0.0


@numba.njit(cache=True, nogil=True)
def _sum_and_normalise(
    indptr: NDArray[np.integer],
    indices: NDArray[np.integer],
    encoder: NDArray[np.float32],
    start: int,
    stop: int,
    vectors: NDArray[np.float32],
    has_direction: NDArray[np.bool_],
) -> None:
    """Embed users ``start`` to ``stop`` into their rows of ``vectors``."""
    total = np.empty(encoder.shape[1], np.float64)
    for user in range(start, stop):
        total[:] = 0.0
        for position in range(indptr[user], indptr[user + 1]):
            item = indices[position]
            for k in range(total.shape[0]):
                total[k] += np.float64(encoder[item, k])
        has_direction[user] = _normalise(total, vectors[user])
