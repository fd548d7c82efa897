"""Items that all members of a group have."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.compiled import compiled
from elsa_groups.base.sorted_lists import holds

Members = NDArray[np.int64]


@compiled()
def _count_common(starts, items, members, counts):
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
    _count_common(histories.indptr, histories.indices, members, counts)
    return counts


def items_of_members(histories: csr_array, group: Members) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the items that any member of a group has, ascending, and how many members have each."""
    parts = [histories.indices[histories.indptr[u] : histories.indptr[u + 1]] for u in group]
    items, counts = np.unique(np.concatenate(parts).astype(np.int64), return_counts=True)
    return items, counts.astype(np.int64)


def common_items(histories: csr_array, group: Members) -> NDArray[np.int64]:
    """Return the items that every member of a group has, ascending."""
    items, counts = items_of_members(histories, group)
    return items[counts == len(group)]
