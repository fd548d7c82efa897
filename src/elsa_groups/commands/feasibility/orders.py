"""In how many orders the members of a group could have joined."""

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.groups.family import GroupType
from elsa_groups.groups.linkage import slack
from elsa_groups.similarity.limits import Limits

# Largest number of ways to be divided over subgroups, or out, that is counted: 32 MB.
_MOST_STATES = 1 << 22


def can_count_orders(sizes: tuple[int, ...]) -> bool:
    """Return whether groups of such subgroups are small enough for :func:`count_orders`."""
    return (len(sizes) + 1) ** sum(sizes) <= _MOST_STATES


def count_orders(similarities: NDArray[np.float64], kind: GroupType, limits: Limits) -> NDArray[np.float64]:
    """Count the sequences of members that end in the same set of users, whoever is in which subgroup.

    Parameters
    ----------
    similarities : (n_groups, size, size) float64
        Of the members of each group.
    kind : GroupType
        Rules, linkage, of a member to the members of a subgroup before it, and subgroup sizes, for which
        :func:`can_count_orders`.
    limits : Limits
        What the rules mean.

    Returns
    -------
    (n_groups,) float64
        Whole numbers, 0 if there is none.

    Notes
    -----
    By dynamic programming over who is in which subgroup, or out: ``(n_subgroups + 1) ** size`` states, of
    which those that cannot be reached cost nothing.
    """
    orders = np.zeros(len(similarities))
    rules = kind.family.within.interval(limits), kind.family.across.interval(limits)
    _count_orders(similarities, np.array(kind.sizes), rules, int(kind.family.linkage), orders)
    return orders


@compiled()
def _may_join(similarities, user, subgroup, places, counts, rules, linkage, towards):
    """Whether a user meets the rules towards every subgroup, its own and others, that has members."""
    for other in range(counts.shape[0]):
        if counts[other] == 0:
            continue
        n = 0
        for member in range(places.shape[0]):
            if places[member] == other + 1:
                towards[n] = similarities[user, member]
                n += 1
        low, high = rules[0] if other == subgroup else rules[1]
        if slack(towards[:n], linkage, low, high) < 0.0:
            return False
    return True


@compiled()
def _count_orders(similarities, sizes, rules, linkage, orders):
    size, n_subgroups = similarities.shape[1], sizes.shape[0]
    towards = np.empty(size)
    powers = (n_subgroups + 1) ** np.arange(size)
    ways = np.empty((n_subgroups + 1) ** size)
    # Of each member its subgroup and one more, or 0.
    places, counts = np.empty(size, np.int64), np.empty(n_subgroups, np.int64)
    for group in range(similarities.shape[0]):
        ways[:] = 0.0
        ways[powers] = 1.0
        for state in range(ways.shape[0]):
            if ways[state] == 0.0:
                continue
            counts[:] = 0
            joined = 0
            for member in range(size):
                places[member] = state // powers[member] % (n_subgroups + 1)
                if places[member] > 0:
                    counts[places[member] - 1] += 1
                    joined += 1
            if joined == size:
                orders[group] += ways[state]
                continue
            for member in range(size):
                for subgroup in range(n_subgroups):
                    if places[member] > 0 or counts[subgroup] == sizes[subgroup]:
                        continue
                    if _may_join(
                        similarities[group], member, subgroup, places, counts, rules, linkage, towards
                    ):
                        ways[state + (subgroup + 1) * powers[member]] += ways[state]
