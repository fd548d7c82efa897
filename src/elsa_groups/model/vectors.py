"""Rows of numbers with the same bytes on every machine.

Sums run in index order in float64, without reassociation or fused multiply-add, and each value is rounded
to float32 once. So neither the instruction set, nor the number of threads, nor a BLAS can change a bit.
"""

import math

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.base.errors import InputError

# Most that the squares of a unit row, rounded to float32, sum to more or less than one.
_UNIT_TO_FLOAT32 = 2.0**-22


def check_item_vectors(vectors: NDArray[np.floating], n_items: int, *, name: str = "encoder") -> None:
    """Refuse item vectors that are not ``n_items`` rows of finite values.

    Raises
    ------
    InputError
        With ``name`` for the vectors.
    """
    if vectors.ndim != 2 or len(vectors) != n_items:
        raise InputError(
            f"{name}: expected one row for each of the {n_items} items of the data, got shape "
            f"{vectors.shape}; use the checkpoint that was trained on these data with the same filter"
        )
    n_bad = n_items - int(np.isfinite(vectors).all(axis=1).sum())
    if n_bad:
        raise InputError(
            f"{name}: expected finite item vectors, got NaN or infinity in {n_bad} of {n_items} rows; "
            "train again with a smaller learning rate or take another checkpoint"
        )


@compiled()
def reference_dot(
    a: NDArray[np.float32], i: int | np.integer, b: NDArray[np.float32], j: int | np.integer
) -> float:
    """Dot product of row ``i`` of a and row ``j`` of b, products and sum in float64 in index order.

    Each product of two float32 numbers is exact in float64 and the order is fixed, so the value is the same
    on every machine, with or without fused multiply-add.
    """
    total = 0.0
    for k in range(a.shape[1]):
        total += np.float64(a[i, k]) * np.float64(b[j, k])
    return total


def dot_error(dim: int) -> float:
    """Return the largest error of a float32 dot product of two unit rows against its reference value.

    Any summation order of ``dim`` float32 products errs by at most ``dim * 2**-24 / (1 - dim * 2**-24)``
    times the product of the norms (Higham, Accuracy and Stability of Numerical Algorithms, 2002, 3.1).
    One product more is counted here, for what is rounded besides: the ends of a bracket, which are float32
    numbers, and cosines of equal rows, which may be clipped to 1. With one or two dimensions that is as
    much as the products. The bound is a tenth more, for rows of unit norm only to float32 precision.

    >>> 1.5e-5 < dot_error(256) < 1.7e-5
    True
    """
    unit = (dim + 1) * math.ldexp(1.0, -24)
    return 1.1 * unit / (1.0 - unit)


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
    _fill_unit_rows(np.ascontiguousarray(vectors), np.empty(vectors.shape[1], np.float64), units)
    return units


@compiled()
def _fill_unit_rows(vectors, row, units):
    for i in range(vectors.shape[0]):
        # One by one: what copies a row as a whole takes seconds to compile.
        for k in range(vectors.shape[1]):
            row[k] = vectors[i, k]
        _normalise(row, units[i])


def directions(
    vectors: NDArray[np.floating],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return vectors from elsewhere as unit rows, and which of them have a direction.

    A row that is of norm one already, to float32 precision, stays as it is: so the unit rows of a run give
    the groups of that run.

    Parameters
    ----------
    vectors : (n, dim) float32 or float64
        Finite rows of any length.

    Returns
    -------
    units : (n, dim) float32
        Rows of norm one to float32 precision, or zero.
    has_direction : (n,) bool
        False where a row is zero.
    """
    units, has_direction = np.empty(vectors.shape, np.float32), np.empty(len(vectors), np.bool_)
    row = np.empty(vectors.shape[1], np.float64)
    _fill_directions(np.ascontiguousarray(vectors), row, units, has_direction)
    return units, has_direction


@compiled()
def _fill_directions(vectors, row, units, has_direction):
    for i in range(vectors.shape[0]):
        squares = 0.0
        for k in range(vectors.shape[1]):
            row[k] = vectors[i, k]
            squares += row[k] * row[k]
        # Rounded to float32, a number of a unit row is off by a share of 2**-24, its square by twice that.
        if abs(squares - 1.0) <= _UNIT_TO_FLOAT32:
            has_direction[i] = True
            for k in range(vectors.shape[1]):
                units[i, k] = np.float32(row[k])
        else:
            has_direction[i] = _normalise(row, units[i])


@compiled()
def _normalise(row: NDArray[np.float64], unit: NDArray[np.float32]) -> bool:
    """Write the direction of ``row`` into ``unit``; tell whether it has one."""
    squares = 0.0
    largest = 0.0
    for k in range(row.shape[0]):
        squares += row[k] * row[k]
        largest = max(largest, abs(row[k]))
    if largest > 0.0 and (squares == 0.0 or np.isinf(squares)):
        # Squares of float64 numbers beyond 1e154 overflow, and below 1e-162 they vanish.
        squares = 0.0
        for k in range(row.shape[0]):
            row[k] /= largest
            squares += row[k] * row[k]
    norm = np.sqrt(squares)
    for k in range(row.shape[0]):
        unit[k] = np.float32(row[k] / norm) if norm > 0.0 else np.float32(0.0)
    return norm > 0.0


@compiled()
def centred_rows(
    vectors: NDArray[np.float32], others: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Take the mean of other rows from each and divide it by its norm.

    Parameters
    ----------
    vectors : (n, factors) float32
        Finite rows.
    others : (m, factors) float32
        Finite rows, whose mean is taken.

    Returns
    -------
    units : (n, factors) float32
        Rows of norm one to float32 precision, or zero.
    has_direction : (n,) bool
        False where a row is the mean.
    """
    total = np.zeros(vectors.shape[1], np.float64)
    for i in range(others.shape[0]):
        for k in range(total.shape[0]):
            total[k] += np.float64(others[i, k])
    total /= others.shape[0]
    units, has_direction = np.empty_like(vectors), np.empty(vectors.shape[0], np.bool_)
    row = np.empty_like(total)
    for i in range(vectors.shape[0]):
        for k in range(total.shape[0]):
            row[k] = np.float64(vectors[i, k]) - total[k]
        has_direction[i] = _normalise(row, units[i])
    return units, has_direction


@compiled()
def sum_and_normalise(
    indptr: NDArray[np.integer],
    indices: NDArray[np.integer],
    encoder: NDArray[np.float32],
    start: int,
    stop: int,
    vectors: NDArray[np.float32],
    has_direction: NDArray[np.bool_],
) -> None:
    """Write the direction of the sum of each history into its row, and whether it has one.

    Parameters
    ----------
    indptr, indices : (n_users + 1,) and (nnz,) int32 or int64
        Histories as CSR, indices sorted within each row.
    encoder : (n_items, factors) float32
        Item vectors.
    start, stop : int
        Users to do it for.
    vectors : (n_users, factors) float32
        Rows ``start`` to ``stop`` are written.
    has_direction : (n_users,) bool
        Written likewise; False where the sum is zero exactly.
    """
    total = np.empty(encoder.shape[1], np.float64)
    for user in range(start, stop):
        total[:] = 0.0
        for position in range(indptr[user], indptr[user + 1]):
            item = indices[position]
            for k in range(total.shape[0]):
                total[k] += np.float64(encoder[item, k])
        has_direction[user] = _normalise(total, vectors[user])
