"""Similarity of users: the exact reference value, and the fast score with its error bound.

The similarity of two users is ``(1 + cos) / 2`` of their embeddings, in [0, 1], or one of their histories
(:mod:`elsa_groups.similarity.histories`), which is fast and exact as it is. Of embeddings the *reference
value* sums the products of two float32 unit rows in float64, one after the other over the dimensions. Each
product is exact in float64 and the order is fixed, so the value is the same on every machine, with or
without fused multiply-add. A *fast* float32 score, whatever library computed it and in whichever order,
decides only where it is farther from a threshold than :func:`fast_cosine_bound`; a *coarse* score, of a row
rounded to 8 bits, only where it is farther than :attr:`Coarse.error` besides.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.model.vectors import dot_error, reference_dot
from elsa_groups.similarity.histories import BinaryHistories, history_similarity

Row = int | np.int64


@compiled()
def reference_cosine(vectors: NDArray[np.float32], u: Row, v: Row) -> float:
    """Cosine of rows ``u`` and ``v``, products and sum in float64 in index order, clipped to [-1, 1].

    Parameters
    ----------
    vectors : (n_users, dim) float32
        Unit rows.
    u, v : int
        Row numbers.
    """
    return min(1.0, max(-1.0, reference_dot(vectors, u, vectors, v)))


@compiled()
def vector_similarity(vectors: NDArray[np.float32], u: Row, v: Row) -> float:
    """Similarity ``(1 + cos) / 2`` of rows ``u`` and ``v`` in [0, 1], as a float64 reference value."""
    return (1.0 + reference_cosine(vectors, u, v)) * 0.5


# What compiled code takes of users, a type of its own for each way to compare them, and its similarity.
Kernel = NDArray[np.float32] | BinaryHistories
_SIMILARITIES = {np.ndarray: vector_similarity, BinaryHistories: history_similarity}


def reference_similarity(kernel: Kernel, u: Row, v: Row) -> float:
    """Similarity of users ``u`` and ``v`` in [0, 1], as a float64 reference value.

    Parameters
    ----------
    kernel : (n_users, dim) float32, or BinaryHistories
        What compiled code takes of users: unit rows, compared by ``(1 + cos) / 2``, or histories.
    u, v : int
        Users.
    """
    value: float = _SIMILARITIES[type(kernel)](kernel, u, v)
    return value


@overload(reference_similarity)
def _reference_similarity(kernel, u, v):
    """Choose the similarity when compiled code is made, at no cost when it runs."""
    similarity = _SIMILARITIES[np.ndarray if isinstance(kernel, types.Array) else kernel.instance_class]
    return lambda kernel, u, v: similarity(kernel, u, v)


@compiled(fastmath=True)
def fast_dot(a: NDArray[np.float32], i: Row, b: NDArray[np.float32], j: Row) -> np.float32:
    """Dot product of row ``i`` of a and row ``j`` of b in float32, in whichever order is fastest."""
    total = np.float32(0.0)
    for k in range(a.shape[1]):
        total += a[i, k] * b[j, k]
    return total


@compiled()
def reference_similarities(
    kernel: Kernel, us: NDArray[np.int64], vs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the reference similarity of each pair ``(us[i], vs[i])``, shape (n_pairs,), float64."""
    values = np.empty(us.shape[0], np.float64)
    for i in range(us.shape[0]):
        values[i] = reference_similarity(kernel, us[i], vs[i])
    return values


def fast_cosine_bound(dim: int) -> float:
    """Return the largest error of a fast cosine of two unit rows against its reference value."""
    return dot_error(dim)


class Fast(NamedTuple):
    """What decides most comparisons without a reference similarity.

    Attributes
    ----------
    vectors : NDArray[np.float32], shape (n_users, dim)
        Rows whose float32 products are cosines, near enough.
    exact : BinaryHistories, optional
        What decides the others; None: the vectors themselves.
    bound : float
        Largest error of a similarity by float32 products; infinite where these tell nothing.
    """

    vectors: NDArray[np.float32]
    exact: BinaryHistories | None
    bound: float


@dataclass(frozen=True)
class Coarse:
    """Rows rounded to 8 bits, a quarter of the memory to read: enough to decide most comparisons.

    Attributes
    ----------
    rows : NDArray[np.int8], shape (n_users, dim)
        ``vectors / scale``, rounded.
    scale : float
        The largest coordinate of all by 127.
    error : float
        Largest distance of a row times ``scale`` from its vector: as much, by the norm of the other vector,
        a dot product may be off.
    """

    rows: NDArray[np.int8]
    scale: float
    error: float


def coarsen(vectors: NDArray[np.float32]) -> Coarse:
    """Round unit rows, (n_users, dim) float32, to 8 bits; memory: ``n_users * dim`` bytes."""
    scale = max(float(vectors.max()), -float(vectors.min())) / 127.0
    rows = np.empty(vectors.shape, np.int8)
    # The distance is computed in float64, and the margin more than its rounding.
    return Coarse(rows, scale, _round_rows(vectors, scale, rows) * (1.0 + 1e-9))


@compiled(fastmath={"reassoc"})
def _round_rows(vectors, scale, rows):
    """Fill rows with vectors by scale, rounded; return the largest distance that this moves any of them."""
    largest = 0.0
    per_step = 1.0 / scale
    for u in range(vectors.shape[0]):
        distance = 0.0
        for k in range(vectors.shape[1]):
            value = np.float64(vectors[u, k])
            rounded = np.rint(value * per_step)
            rows[u, k] = np.int8(rounded)
            distance += (value - scale * rounded) ** 2
        largest = max(largest, distance)
    return math.sqrt(largest)


@compiled(fastmath=True)
def coarse_dot(rows: NDArray[np.int8], i: Row, b: NDArray[np.float32], j: Row) -> np.float32:
    """Dot product of coarse row ``i``, in units of the scale, and row ``j`` of b."""
    total = np.float32(0.0)
    for k in range(rows.shape[1]):
        total += np.float32(rows[i, k]) * b[j, k]
    return total
