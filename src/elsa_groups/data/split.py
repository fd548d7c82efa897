"""Users into train, validation and test; a user's history into what is shown and what is to be found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.compiled import compiled
from elsa_groups.base.errors import InputError

# One of each part, by ratios that allow for it.
LEAST_USERS = 3


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

    @classmethod
    def of(cls, order: NDArray[np.int64], n_val: int, n_test: int) -> "Split":
        """Take the first of shuffled rows for validation, the next for testing, the rest for training."""
        val, test, train = (np.sort(part) for part in np.split(order, [n_val, n_val + n_test]))
        return cls(train, val, test)


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
            raise InputError(f"{name}: expected a share of users in [0, 1), got {ratio}; correct it")
    n_val, n_test = _sizes(n_users, val_ratio, test_ratio)
    if n_val + n_test >= n_users:
        raise InputError(
            f"val_ratio and test_ratio: expected to leave users for training, got {val_ratio} and "
            f"{test_ratio} of {n_users} users; {_remedy(n_users, val_ratio, test_ratio)}"
        )
    order = np.random.default_rng(seed).permutation(n_users).astype(np.int64)
    return Split.of(order, n_val, n_test)


def check_split(n_users: int, *, val_ratio: float, test_ratio: float) -> None:
    """Refuse ratios and numbers of users that leave a part of the split empty; takes no time.

    Training needs users in every part, so that neither ratio may be 0; `split_users` alone allows that.

    Parameters
    ----------
    n_users : int
        Number of users.
    val_ratio, test_ratio : float
        Shares of users.

    Raises
    ------
    InputError
        A ratio is out of range, or the users are too few; says how many are needed.
    """
    if n_users < LEAST_USERS:
        raise InputError(
            f"users: expected one or more each for training, validation and test, got {n_users} users; "
            f"use data or a filter that leaves at least {LEAST_USERS} users"
        )
    for name, ratio in (("val_ratio", val_ratio), ("test_ratio", test_ratio)):
        if not 0 < ratio < 1:
            raise InputError(
                f"{name}: expected a share of users in (0, 1), as training needs users of each part, "
                f"got {ratio}; correct it"
            )
    if sum(_sizes(n_users, val_ratio, test_ratio)) >= n_users:
        raise InputError(
            f"users: expected some for training, validation and test by val_ratio={val_ratio} and "
            f"test_ratio={test_ratio}, got {n_users} users; {_remedy(n_users, val_ratio, test_ratio)}"
        )


def least_users(val_ratio: float, test_ratio: float) -> int | None:
    """Return the number of users from which on some are always left for training.

    Parameters
    ----------
    val_ratio, test_ratio : float
        Shares of users, in [0, 1).

    Returns
    -------
    int or None
        None where the ratios leave less than a millionth of the users.

    Examples
    --------
    >>> least_users(0.1, 0.1)
    3
    """
    left = 1 - val_ratio - test_ratio
    if left < 1e-6:
        return None
    # rounding adds less than one user to each part, so this many are enough: look for fewer from there
    enough = math.ceil(2 / left) + 1
    while enough > 1 and sum(_sizes(enough - 1, val_ratio, test_ratio)) < enough - 1:
        enough -= 1
    return enough


def _sizes(n_users: int, val_ratio: float, test_ratio: float) -> tuple[int, int]:
    n_val, n_test = (max(round(n_users * ratio), int(ratio > 0)) for ratio in (val_ratio, test_ratio))
    return n_val, n_test


def _remedy(n_users: int, val_ratio: float, test_ratio: float) -> str:
    least = least_users(val_ratio, test_ratio)
    # three is one user in each part, which no ratios can do with fewer
    lower = "lower the ratios" if n_users >= 3 else None
    more = None if least is None else f"use data or a filter that leaves at least {least} users"
    return ", or ".join(part for part in (more, lower) if part) or "lower the ratios and use more users"


def hold_out(
    matrix: csr_array, rows: Sequence[int] | NDArray[np.int64], *, target_ratio: float = 0.2, seed: int
) -> tuple[csr_array, csr_array]:
    """Hide a share of each row's items.

    What is hidden of a row depends on the seed and the row's number alone, not on the other rows asked for.
    Costs one draw and one selection an item: seconds for tens of millions.

    Parameters
    ----------
    matrix : csr_array, shape (n_users, n_items)
        Ones; column indices sorted within each row.
    rows : sequence of int, shape (n_rows,)
        Rows to do it for.
    target_ratio : float
        Share to hide, in (0, 1), rounded to the nearest number of items, a half to the even one; at least
        one, and one stays.
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
    if not 0 < target_ratio < 1:
        raise InputError(f"target_ratio: expected a share of items in (0, 1), got {target_ratio}; correct it")
    chosen = np.asarray(rows, dtype=np.int64)
    picked = matrix[chosen]
    sizes = np.diff(picked.indptr)
    n_targets = np.where(sizes < 2, 0, np.clip(np.rint(target_ratio * sizes), 1, np.maximum(sizes - 1, 1)))
    n_targets = n_targets.astype(np.int64)
    hidden = np.zeros(picked.nnz, dtype=np.bool_)
    _hide(picked.indptr, picked.indices, chosen, n_targets, np.uint64(seed), hidden)
    return _part(picked, sizes - n_targets, ~hidden), _part(picked, n_targets, hidden)


def _part(picked: csr_array, sizes: NDArray[np.int64], kept: NDArray[np.bool_]) -> csr_array:
    indptr = np.concatenate(([0], np.cumsum(sizes)))
    return csr_array((picked.data[kept], picked.indices[kept], indptr), shape=picked.shape)


@compiled()
def _hide(
    indptr: NDArray[np.integer],
    columns: NDArray[np.integer],
    rows: NDArray[np.int64],
    n_targets: NDArray[np.int64],
    seed: np.uint64,
    hidden: NDArray[np.bool_],
) -> None:
    """Mark the columns with the smallest draws of each row; a draw follows from (seed, row, column)."""
    for place in range(len(rows)):
        if not n_targets[place]:
            continue
        start, stop = indptr[place], indptr[place + 1]
        state = _mix(_mix(seed) ^ np.uint64(rows[place]))
        draws, order = np.empty(stop - start, np.uint64), np.empty(stop - start, np.uint64)
        for i in range(stop - start):
            draws[i] = order[i] = _mix(state ^ np.uint64(columns[start + i]))
        # No two are equal: the steps are one-to-one.
        largest = _select(order, n_targets[place] - 1)
        for i in range(stop - start):
            hidden[start + i] = draws[i] <= largest


@compiled()
def _select(values: NDArray[np.uint64], nth: int) -> np.uint64:
    """Return what is at place ``nth`` of the sorted values, which are reordered (Hoare's FIND, 1961).

    As np.partition does, which takes eleven seconds to compile.
    """
    low, high = 0, values.shape[0] - 1
    while low < high:
        pivot, i, j = values[(low + high) // 2], low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i, j = i + 1, j - 1
        if j < nth < i:
            break
        low, high = (low, j) if nth <= j else (i, high)
    return values[nth]  # type: ignore[no-any-return]


@compiled()
def _mix(state: np.uint64) -> np.uint64:
    """Step SplitMix64 (Steele, Lea and Flood, 2014): every input bit changes half of the output bits."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
