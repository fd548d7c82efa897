"""Whom SAGEA's code trains on, and in which items its filter counts (kostejnv/GRS-fairness)."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.data.split import Split

# Of its mask, which its filter takes whatever it is started with.
_MASK_SEED = 42
# numpy's old generator takes no larger one.
_LARGEST_SEED = 2**32 - 1


def split_as_sagea(n_users: int, *, val_ratio: float, test_ratio: float, seed: int) -> Split:
    """Draw the users of each part as SAGEA does: by a permutation of numpy's old generator.

    Parameters
    ----------
    n_users : int
        Users, sorted by their ids as there.
    val_ratio, test_ratio : float
        Shares of users in (0, 1), rounded down.
    seed : int
        As SAGEA's ``--seed``: its users are those of 42, unless it is started with another.

    Raises
    ------
    InputError
        If a part would have no users, or the seed is larger than that generator takes.
    """
    if seed > _LARGEST_SEED:
        raise InputError(
            f"seed: expected at most {_LARGEST_SEED} with split=sagea, got {seed}; choose another"
        )
    n_val, n_test = int(n_users * val_ratio), int(n_users * test_ratio)
    if not n_val or not n_test or n_val + n_test >= n_users:
        raise InputError(
            f"split=sagea: expected users in every part, got {n_val} and {n_test} of {n_users}; change"
            " val_ratio and test_ratio"
        )
    order = np.random.RandomState(seed).permutation(n_users).astype(np.int64)
    return Split.of(order, n_val, n_test)


def items_by_first_appearance(histories: csr_array) -> NDArray[np.int64]:
    """Return all columns in SAGEA's order of items: as users, and the items of each, name them first.

    Parameters
    ----------
    histories : csr_array, shape (n_users, n_items)
        Of all users, columns sorted by the ids of items; columns that nobody has come last.
    """
    whole = histories if histories.has_sorted_indices else histories.sorted_indices()
    columns, first = np.unique(whole.indices, return_index=True)
    there = columns[np.argsort(first)]
    return np.concatenate([there, np.setdiff1d(np.arange(whole.shape[1]), there)]).astype(np.int64)


def sagea_half(histories: csr_array) -> NDArray[np.bool_]:
    """Mark the half of the catalogue in which SAGEA's filter counts common items: the same in every run.

    Its evaluation takes the half of its own ``--seed`` as targets, which is the same one if that is 42, as it
    is unless it is told another.

    Parameters
    ----------
    histories : csr_array, shape (n_users, n_items)
        Whole histories of all users.

    Returns
    -------
    (n_items,) bool
        By column.
    """
    order = items_by_first_appearance(histories)
    marked = np.empty(len(order), np.bool_)
    marked[order] = np.random.RandomState(_MASK_SEED).random_sample(len(order)) < 0.5
    return marked
