"""Items that all members of a group have, or so many of them."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from elsa_groups.base.compiled import compiled
from elsa_groups.base.sorted_lists import holds

Members = NDArray[np.int64]


# Groups whose items are counted at once, so that the counts of a hundred thousand are never all in memory.
GROUPS_PER_PIECE = 2**12


@compiled()
def count_common(starts, items, members, counts):
    """Count the items of the shortest history that every other member has."""
    for g in range(members.shape[0]):
        shortest = members[g, 0]
        for user in members[g]:
            if starts[user + 1] - starts[user] < starts[shortest + 1] - starts[shortest]:
                shortest = user
        counts[g] = 0
        for place in range(starts[shortest], starts[shortest + 1]):
            shared = True
            for user in members[g]:
                if not (user == shortest or holds(items, starts[user], starts[user + 1], items[place])):
                    shared = False
                    break
            counts[g] += shared


def count_common_items(histories: csr_array, members: Members) -> NDArray[np.int64]:
    """Count the items that are in the history of every member of each group.

    Parameters
    ----------
    histories : csr_array, shape (n_users, n_items)
        Items of each user, indices sorted within a row.
    members : (n_groups, size) int64
        Rows of it.

    Returns
    -------
    (n_groups,) int64

    Notes
    -----
    Cost: the items of the shortest history times the logarithm of the others'.
    """
    counts = np.empty(len(members), np.int64)
    count_common(histories.indptr, histories.indices, members, counts)
    return counts


def items_in_common(
    histories: csr_array, members: NDArray[np.int64], at_least: int | None = None
) -> csr_array:
    """Return the items in the histories of all members, or of so many of them.

    Parameters
    ----------
    histories : csr_array, shape (n_users, n_items)
        Ones.
    members : (n_groups, size) int64
        Rows of histories, each group's distinct.
    at_least : int, optional
        How many members must have an item, at least 1; by default all. Beyond the size no group has any.

    Returns
    -------
    csr_array, shape (n_groups, n_items), float32
        Ones; column indices sorted within each row. Costs the members' histories.
    """
    n_groups, size = members.shape
    least = size if at_least is None else at_least
    pieces = [csr_array((0, histories.shape[1]), dtype=np.float32)]
    for start in range(0, n_groups, GROUPS_PER_PIECE):
        counts = _who(members[start : start + GROUPS_PER_PIECE], histories.shape[0]) @ histories
        counts.data = (counts.data >= least).astype(np.float32)
        counts.eliminate_zeros()
        counts.sort_indices()
        pieces.append(counts)
    return csr_array(vstack(pieces, format="csr"))


def _who(members: NDArray[np.int64], n_users: int) -> csr_array:
    """Return groups as rows of ones at their members."""
    n_groups, size = members.shape
    ones = np.ones(members.size, np.float32)
    return csr_array((ones, members.ravel(), np.arange(n_groups + 1) * size), shape=(n_groups, n_users))
