"""Users into train, validation and test; a user's history into what is shown and what is to be found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.errors import InputError


@dataclass(frozen=True)
class Split:
    """Rows of the users of each part; together all users, none twice.

    Attributes
    ----------
    train, val, test : ndarray of int64
        Sorted rows.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]


def split_users(n_users: int, *, val_ratio: float, test_ratio: float, seed: int) -> Split:
    """Draw the users of each part.

    Parameters
    ----------
    n_users : int
        Number of users.
    val_ratio, test_ratio : float
        Shares of users, in [0, 1), rounded to the nearest number of users; at least one user if above 0.
    seed : int
        Seed of the draw, at least 0.

    Returns
    -------
    Split
        The rest are for training.

    Raises
    ------
    InputError
        A ratio is out of range, or no user would be left for training.
    """
    for name, ratio in (("val_ratio", val_ratio), ("test_ratio", test_ratio)):
        if not 0 <= ratio < 1:
            raise InputError(f"{name}: expected a share of users in [0, 1), came {ratio}; correct it")
    n_val, n_test = (max(round(n_users * ratio), int(ratio > 0)) for ratio in (val_ratio, test_ratio))
    if n_val + n_test >= n_users:
        raise InputError(
            f"val_ratio and test_ratio: expected to leave users for training, came {val_ratio} and "
            f"{test_ratio} of {n_users} users; lower them, or use more users"
        )
    order = np.random.default_rng(seed).permutation(n_users).astype(np.int64)
    val, test, train = np.split(order, [n_val, n_val + n_test])
    return Split(train=np.sort(train), val=np.sort(val), test=np.sort(test))


def hold_out(
    matrix: csr_array, rows: Sequence[int] | NDArray[np.int64], *, share: float = 0.2, seed: int
) -> tuple[csr_array, csr_array]:
    """Hide a share of each row's items.

    What is hidden of a row depends on the seed and the row's number alone, not on the other rows asked for.

    Parameters
    ----------
    matrix : csr_array, shape (n_users, n_items)
        Ones; column indices sorted within each row.
    rows : sequence of int, shape (n_rows,)
        Rows to do it for.
    share : float
        Share to hide, in (0, 1), rounded to the nearest number of items; at least one, and one stays.
    seed : int
        Seed of the draw, in [0, 2**64).

    Returns
    -------
    inputs, targets : csr_array, shape (n_rows, n_items)
        What stays and what is hidden; together the rows asked for. A row of one item has no targets.

    Raises
    ------
    InputError
        The share is out of range.
    """
    if not 0 < share < 1:
        raise InputError(f"share: expected a share of items in (0, 1), came {share}; correct it")
    chosen = np.asarray(rows, dtype=np.int64)
    picked = matrix[chosen]
    sizes = np.diff(picked.indptr)
    row = np.repeat(np.arange(len(chosen)), sizes)
    order = np.lexsort((_draws(seed, chosen[row], picked.indices), row))
    rank = np.arange(picked.nnz) - np.repeat(picked.indptr[:-1], sizes)
    n_targets = np.where(sizes < 2, 0, np.clip(np.rint(share * sizes), 1, np.maximum(sizes - 1, 1)))
    hidden = np.empty(picked.nnz, dtype=bool)
    hidden[order] = rank < n_targets[row]
    return _part(picked, row, ~hidden), _part(picked, row, hidden)


def _part(picked: csr_array, row: NDArray[np.intp], kept: NDArray[np.bool_]) -> csr_array:
    indptr = np.concatenate(([0], np.cumsum(np.bincount(row[kept], minlength=picked.shape[0]))))
    return csr_array((picked.data[kept], picked.indices[kept], indptr), shape=picked.shape)


def _draws(seed: int, rows: NDArray[np.int64], columns: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return 64 random bits per (seed, row, column), the same wherever that pair is met."""
    state = _mix(np.uint64(seed) ^ np.zeros(len(rows), dtype=np.uint64))
    state = _mix(state ^ rows.astype(np.uint64))
    return _mix(state ^ columns.astype(np.uint64))


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Step SplitMix64 (Steele, Lea and Flood, 2014): every input bit changes half of the output bits."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
