"""What filters ask of candidate groups, and what they look up of their members."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.compiled import compiled
from elsa_groups.base.errors import InputError
from elsa_groups.base.philox import philox, stream_key
from elsa_groups.base.sorted_lists import count_shared
from elsa_groups.data.sagea import sagea_half
from elsa_groups.groups.common_items import count_common_items
from elsa_groups.groups.filters import CommonItemsScope, Filters
from elsa_groups.similarity.scores import Kernel, reference_similarity
from elsa_groups.similarity.users import Users

Members = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lookup:
    """What filters look up of the users that groups are drawn from, one row each.

    Attributes
    ----------
    histories : csr_array, shape (n_users, n_items)
        Items of each user, indices sorted within a row; whatever is stored counts as one.
    targets : csr_array of the same shape, optional
        Interactions held out of the histories.
    top_items : NDArray of int, shape (n_users, k), optional
        The items that are recommended to each user, negative where there are fewer.
    everybody : csr_array, shape (n_all, n_items), optional
        Whole histories of all users of the data, by which SAGEA numbers items.
    """

    histories: csr_array
    targets: csr_array | None = None
    top_items: NDArray[np.integer] | None = None
    everybody: csr_array | None = None

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Items in each history."""
        return np.diff(self.histories.indptr).astype(np.int64)

    @cached_property
    def sorted_top_items(self) -> NDArray[np.integer]:
        """The items that are recommended to each user, ascending."""
        return np.sort(np.asarray(self.top_items), axis=1)

    def take(self, rows: NDArray[np.int64]) -> "Lookup":
        """Return what is looked up of some of the users."""
        parts = {"histories": self.histories, "targets": self.targets, "top_items": self.top_items}
        return replace(self, **{name: None if part is None else part[rows] for name, part in parts.items()})


# What filters look up, in words.
_LOOKED_UP = {
    "histories": "histories",
    "targets": "held-out targets",
    "everybody": "whole histories",
    "top_items": "recommended items",
}


def check_lookup(filters: Filters, lookup: Lookup | None) -> None:
    """Refuse filters that look up what there is not."""
    for name, each in filters.on.items():
        if each.needs and getattr(lookup, each.needs, None) is None:
            raise InputError(
                f"filters.{name}: expected the {_LOOKED_UP[each.needs]} of users, got none; set"
                f" filters.{name}.value=null" + (", or history=inputs" if each.needs == "targets" else "")
            )


def half_of_catalogue(n_items: int, seed: int) -> NDArray[np.bool_]:
    """Mark about half of the items, each by a coin of its own; the same for all groups of a seed.

    One mask over the catalogue instead of one a user is what SAGEA's code counts common items by.

    Parameters
    ----------
    n_items : int
        Items of the catalogue.
    seed : int
        The coins follow from it alone.

    Returns
    -------
    (n_items,) bool
    """
    return _coins(n_items, stream_key(seed, "half of the catalogue"))


@compiled()
def _coins(count, key):
    coins = np.empty(count, np.bool_)
    for i in range(count):
        coins[i] = philox(np.uint64(i), np.uint64(0), np.uint64(0), np.uint64(0), key)[0] & np.uint64(1)
    return coins


@compiled()
def pair_extremes(kernel: Kernel, members: Members) -> NDArray[np.float64]:
    """Return the least and the largest reference similarity of the pairs of each group, (n_groups, 2)."""
    extremes = np.empty((members.shape[0], 2))
    for g in range(members.shape[0]):
        least, largest = 1.0, 0.0
        for i in range(members.shape[1]):
            for j in range(i + 1, members.shape[1]):
                value = reference_similarity(kernel, members[g, i], members[g, j])
                least, largest = min(least, value), max(largest, value)
        extremes[g, 0], extremes[g, 1] = least, largest
    return extremes


@compiled()
def shared_top_items(top_items: NDArray[np.integer], members: Members) -> NDArray[np.int64]:
    """Sum the items that two members' ascending lists share over the pairs of each group, (n_groups,)."""
    totals, k = np.zeros(members.shape[0], np.int64), top_items.shape[1]
    for g in range(members.shape[0]):
        for a in range(members.shape[1]):
            for b in range(a + 1, members.shape[1]):
                u, v = members[g, a], members[g, b]
                totals[g] += count_shared(top_items[u], 0, k, top_items[v], 0, k)
    return totals


class Filtered:
    """The users that candidates are of, with what filters look up of them; made once for a type of group.

    Parameters
    ----------
    users : Users
        Whom candidates are drawn from.
    lookup : Lookup or None
        What filters look up of them, a row each.
    seed : int
        Fixes the random half of the catalogue.
    """

    def __init__(self, users: Users, lookup: Lookup | None, seed: int) -> None:
        self.users, self._lookup, self.seed = users, lookup, seed
        self._items: dict[CommonItemsScope, csr_array] = {}

    @property
    def lookup(self) -> Lookup:
        """What filters look up."""
        if self._lookup is None:
            raise ValueError("lookup: expected what filters look up of users, got None")
        return self._lookup

    def items_of(self, scope: CommonItemsScope) -> csr_array:
        """Return where common items are counted, indices sorted within each row; made once."""
        if scope not in self._items:
            self._items[scope] = self._sorted_items(scope)
        return self._items[scope]

    def _sorted_items(self, scope: CommonItemsScope) -> csr_array:
        items = self.lookup.histories
        if scope == CommonItemsScope.targets:
            items = self.lookup.targets
        elif scope == CommonItemsScope.half:
            items = items[:, np.flatnonzero(half_of_catalogue(items.shape[1], self.seed))]
        elif scope == CommonItemsScope.sagea:
            items = items[:, np.flatnonzero(sagea_half(self.lookup.everybody))]
        return items if items.has_sorted_indices else items.sorted_indices()


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidate groups, and the quantities by which filters judge them.

    Attributes
    ----------
    members : NDArray[np.int64], shape (n_candidates, size)
        Numbers of users.
    filtered : Filtered
        Whose they are.
    """

    members: Members
    filtered: Filtered

    def shortest_history(self) -> NDArray[np.int64]:
        """Return how many items the member with the fewest has."""
        return self.filtered.lookup.lengths[self.members].min(axis=1)

    def pair_extremes(self) -> NDArray[np.float64]:
        """Return the least and the largest similarity of two members, (n_candidates, 2)."""
        extremes: NDArray[np.float64] = pair_extremes(self.filtered.users.kernel, self.members)
        return extremes

    def common_items(self, scope: CommonItemsScope) -> NDArray[np.int64]:
        """Return how many items every member has."""
        return count_common_items(self.filtered.items_of(scope), self.members)

    def recommendation_overlap(self) -> NDArray[np.float64]:
        """Return the share of top items that two members have in common, mean over all pairs."""
        top, size = self.filtered.lookup.sorted_top_items, self.members.shape[1]
        pairs = size * (size - 1) // 2
        shares: NDArray[np.float64] = shared_top_items(top, self.members) / (pairs * top.shape[1])
        return shares
