"""Filters: which of the candidate groups that are drawn, in order of their number, are kept.

Some filters look at a candidate alone, the others at the groups kept before it too. A candidate that
several filters reject is counted for the first of them, in the order of :data:`OWN` and :data:`BESIDE`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.compiled import compiled
from elsa_groups.base.errors import InputError
from elsa_groups.base.philox import philox, stream_key
from elsa_groups.base.threads import SharedTasks, run_workers
from elsa_groups.similarity.scores import Users, reference_similarity

Members = NDArray[np.int64]
Verdicts = NDArray[np.int8]

# By a candidate alone, cheapest first; then beside the groups kept before it.
OWN = (
    "min_history",
    "min_pair_similarity",
    "max_pair_similarity",
    "min_common_items",
    "max_recommendation_overlap",
)
BESIDE = ("no_duplicates", "distinct_first", "disjoint", "max_participation", "max_member_overlap")
NAMES = (*OWN, *BESIDE)
KEPT = 0

_PER_TASK = 1024


@dataclass(frozen=True)
class Filters:
    """What is asked of groups beyond the rules of their family; None or False asks nothing.

    ``max_x`` keeps up to and with its value, ``min_x`` from its value on.

    Attributes
    ----------
    min_history : int >= 1, optional
        Items in the history of every member.
    min_pair_similarity, max_pair_similarity : float in [0, 1], optional
        Similarity of every pair of members.
    min_common_items : int >= 1, optional
        Items in the history of every member.
    common_items_scope : {"history", "targets", "half"}
        Where these are counted: in histories, in the interactions held out of them, or in the part of
        histories that lies within a random half of the catalogue.
    max_recommendation_overlap : float in [0, 1], optional
        Share of top items that two members have in common, mean over all pairs.
    no_duplicates : bool
        No two groups of the same members.
    distinct_first : bool
        No two groups with the same first member, as in Kaya et al. (RecSys 2020, doi
        10.1145/3383313.3412232).
    disjoint : bool
        Nobody is in two groups.
    max_participation : int >= 1, optional
        Groups that a user may be in.
    max_member_overlap : float in [0, 1], optional
        ``|a & b| / size`` of any two groups.
    budget : int >= 1
        Candidates drawn at most for each group wanted.
    """

    min_history: int | None = None
    min_pair_similarity: float | None = None
    max_pair_similarity: float | None = None
    min_common_items: int | None = None
    common_items_scope: str = "history"
    max_recommendation_overlap: float | None = None
    no_duplicates: bool = False
    distinct_first: bool = False
    disjoint: bool = False
    max_participation: int | None = None
    max_member_overlap: float | None = None
    budget: int = 100

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the filters that ask something, in order."""
        # A limit of 0 is one, though it equals False.
        return tuple(name for name in NAMES if not any(getattr(self, name) is off for off in (None, False)))


@dataclass(frozen=True)
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
    """

    histories: csr_array
    targets: csr_array | None = None
    top_items: NDArray[np.integer] | None = None


def _check_lookup(filters: Filters, lookup: Lookup | None) -> None:
    """Refuse filters that look up what there is not."""
    scope = filters.common_items_scope if filters.min_common_items is not None else "history"
    needs = {
        "min_history": ("histories", "histories"),
        "min_common_items": ("targets", "held-out targets") if scope == "targets" else ("histories",) * 2,
        "max_recommendation_overlap": ("top_items", "recommended items"),
    }
    for name in filters.on:
        attribute, what = needs.get(name, (None, ""))
        if attribute and getattr(lookup, attribute, None) is None:
            raise InputError(
                f"filters.{name}: expected the {what} of users, came none; set filters.{name}.value=null"
                + (", or history=inputs" if attribute == "targets" else "")
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
def pair_extremes(users: Users, members: Members) -> NDArray[np.float64]:
    """Return the least and the largest reference similarity of the pairs of each group, (n_groups, 2)."""
    extremes = np.empty((members.shape[0], 2))
    for g in range(members.shape[0]):
        least, largest = 1.0, 0.0
        for i in range(members.shape[1]):
            for j in range(i + 1, members.shape[1]):
                value = reference_similarity(users, members[g, i], members[g, j])
                least, largest = min(least, value), max(largest, value)
        extremes[g, 0], extremes[g, 1] = least, largest
    return extremes


@compiled()
def _holds(items, start, stop, item):
    """Whether an item is among sorted ones from start to before stop."""
    low, high = start, stop
    while low < high:
        middle = (low + high) >> 1
        if items[middle] < item:
            low = middle + 1
        else:
            high = middle
    return low < stop and items[low] == item


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
                if not (user == shortest or _holds(items, starts[user], starts[user + 1], items[place])):
                    shared = False
                    break
            counts[g] += shared


def count_common_items(histories: csr_array, members: Members) -> NDArray[np.int64]:
    """Count the items that are in the history of every member of each group, (n_groups,).

    Cost: the items of the shortest history times the logarithm of the others'.
    """
    counts = np.empty(len(members), np.int64)
    _count_common(histories.indptr, histories.indices, members, counts)
    return counts


@compiled()
def _shared_top_items(top_items, members):
    """Sum the common items of two members' ascending lists over the pairs of each group."""
    totals = np.zeros(members.shape[0], np.int64)
    for g in range(members.shape[0]):
        for a in range(members.shape[1]):
            for b in range(a + 1, members.shape[1]):
                u, v = members[g, a], members[g, b]
                i = j = 0
                while i < top_items.shape[1] and j < top_items.shape[1]:
                    first, second = top_items[u, i], top_items[v, j]
                    totals[g] += first == second and first >= 0
                    i += first <= second
                    j += second <= first
    return totals


Passes = Callable[[Members], NDArray[np.bool_]]


class OwnFilters:
    """The filters that look at a candidate alone."""

    def __init__(self, filters: Filters, users: Users, lookup: Lookup | None, *, seed: int) -> None:
        """Look up once what is asked of users; see :func:`~elsa_groups.groups.rejection.draw_kept_groups`."""
        _check_lookup(filters, lookup)
        self._filters, self._users, self._seed = filters, users, seed
        self._passes: list[tuple[int, Passes]] = [
            (NAMES.index(name) + 1, getattr(self, f"_{name}")(getattr(filters, name), lookup))
            for name in OWN
            if name in filters.on
        ]

    def judge(self, members: Members, *, threads: int = 1) -> Verdicts:
        """Return for each candidate 0 or the number, from 1, of the first of :data:`NAMES` that rejects it.

        Parameters
        ----------
        members : (n_candidates, size) int64
            Rows of the users.
        threads : int
            Threads over candidates; nothing depends on it.
        """
        verdicts = np.zeros(len(members), np.int8)

        def worker(tasks: SharedTasks[int]) -> None:
            for start in tasks:
                part = slice(start, start + _PER_TASK)
                for number, passes in self._passes:
                    standing = start + np.flatnonzero(verdicts[part] == KEPT)
                    verdicts[standing[~passes(members[standing])]] = number

        if self._passes:
            run_workers(worker, range(0, len(members), _PER_TASK), threads=threads)
        return verdicts

    def _min_history(self, least: int, lookup: Lookup) -> Passes:
        lengths = np.diff(lookup.histories.indptr)
        return lambda members: (lengths[members] >= least).all(axis=1)

    def _min_pair_similarity(self, least: float, _: Lookup) -> Passes:
        return lambda members: pair_extremes(self._users, members)[:, 0] >= least

    def _max_pair_similarity(self, most: float, _: Lookup) -> Passes:
        return lambda members: pair_extremes(self._users, members)[:, 1] <= most

    def _min_common_items(self, least: int, lookup: Lookup) -> Passes:
        scope = self._filters.common_items_scope
        items = lookup.histories
        if scope == "targets" and lookup.targets is not None:
            items = lookup.targets
        elif scope == "half":
            items = items[:, np.flatnonzero(half_of_catalogue(items.shape[1], self._seed))]
        items = items if items.has_sorted_indices else items.sorted_indices()
        return lambda members: count_common_items(items, members) >= least

    def _max_recommendation_overlap(self, most: float, lookup: Lookup) -> Passes:
        ordered = np.sort(np.asarray(lookup.top_items), axis=1)

        def passes(members: Members) -> NDArray[np.bool_]:
            pairs = members.shape[1] * (members.shape[1] - 1) // 2
            share = _shared_top_items(ordered, members) / (pairs * ordered.shape[1])
            return share <= most

        return passes
