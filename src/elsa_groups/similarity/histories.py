"""Similarity of users by their histories: cosine, Pearson correlation or Jaccard index of sets of items.

All are functions of how many items two users share and how many each has, which are integers: a fixed
expression in float64 of exact integers, so that the value is the same on every machine.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.compiled import compiled
from elsa_groups.base.sorted_lists import count_shared

# A similarity is a multiple of this: 1 + c is one of 2**-53, whatever c in [-1, 1].
UNIT = 2.0**-54


class BinaryHistories(NamedTuple):
    """Users as sets of items, and what their similarity is made of: a tuple, as compiled code takes it.

    The similarity of users who share n items, having a and b of them, is ``(1 + c) / 2`` with
    ``c = (scale * n - offset * a * b) / sqrt(weight * weight)``, or with ``c = n / (a + b - n)`` by Jaccard.

    Attributes
    ----------
    indptr : NDArray[np.int64], shape (n_users + 1,)
        Where each history begins.
    indices : NDArray[np.int32], shape (n_pairs,)
        Items, ascending within each history.
    weights : NDArray[np.float64], shape (n_users,)
        Cosine, Jaccard: a. Pearson: a (I - a), where I is the number of items.
    shape : tuple of int
        Users and items.
    scale, offset : int
        Cosine, Jaccard: 1 and 0. Pearson: I and 1.
    by_union : bool
        Whether the shared items are divided by those of either (Jaccard).
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: NDArray[np.float64]
    shape: tuple[int, int]
    scale: int
    offset: int
    by_union: bool


def have_similarity(matrix: csr_array, source: str) -> NDArray[np.bool_]:
    """Return who has a similarity, shape (n_users,): not the empty, nor, by Pearson, who has every item."""
    lengths = np.diff(matrix.indptr)
    has: NDArray[np.bool_] = lengths > 0
    return has & (lengths < matrix.shape[1]) if source == "pearson" else has


def binary_histories(matrix: csr_array, source: str) -> BinaryHistories:
    """Compare users by their histories.

    Parameters
    ----------
    matrix : csr_array, shape (n_users, n_items)
        Whatever is stored counts as one. Every user has a similarity by :func:`have_similarity`.
    source : {"history_cosine", "pearson", "jaccard"}
        ``|u & v| / sqrt(|u| |v|)``, the correlation of the two rows of ones and zeros over all items, or
        ``|u & v| / |u | v|``.
    """
    if not have_similarity(matrix, source).all():
        raise ValueError(f"matrix: expected only users who have a similarity by {source}")
    ordered = matrix if matrix.has_sorted_indices else matrix.sorted_indices()
    lengths = np.diff(ordered.indptr).astype(np.int64)
    n_items = matrix.shape[1]
    pearson = source == "pearson"
    return BinaryHistories(
        ordered.indptr.astype(np.int64),
        ordered.indices.astype(np.int32),
        (lengths * (n_items - lengths) if pearson else lengths).astype(np.float64),
        (matrix.shape[0], n_items),
        n_items if pearson else 1,
        int(pearson),
        source == "jaccard",
    )


@compiled()
def similarity_of_counts(histories: BinaryHistories, u: Any, v: Any, shared: Any) -> float:
    """Similarity in [0, 1] of users ``u`` and ``v`` who share so many items."""
    indptr = histories.indptr
    a, b = indptr[u + 1] - indptr[u], indptr[v + 1] - indptr[v]
    if histories.by_union:
        value = np.float64(shared) / np.float64(a + b - shared)
    else:
        above = np.float64(histories.scale * shared - histories.offset * (a * b))
        value = above / np.sqrt(histories.weights[u] * histories.weights[v])
    return (1.0 + min(1.0, max(-1.0, value))) * 0.5


@compiled()
def similarities_of_counts(
    histories: BinaryHistories, rows: NDArray[np.int64], shared: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Similarities in [0, 1] of some users to all, (n_rows, n_users), who share so many items."""
    values = np.empty(shared.shape, np.float64)
    for row in range(rows.shape[0]):
        for user in range(shared.shape[1]):
            values[row, user] = similarity_of_counts(histories, rows[row], user, np.int64(shared[row, user]))
    return values


@compiled()
def history_similarity(histories: BinaryHistories, u: Any, v: Any) -> float:
    """Similarity in [0, 1] of users ``u`` and ``v``; costs as many steps as they have items together."""
    indptr, indices = histories.indptr, histories.indices
    shared = count_shared(indices, indptr[u], indptr[u + 1], indices, indptr[v], indptr[v + 1])
    return similarity_of_counts(histories, u, v, shared)
