"""What the members of a group have in common: recommendations, items, activity, popularity of their items."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.compiled import compiled
from elsa_groups.base.philox import ZERO
from elsa_groups.base.sorted_lists import count_shared
from elsa_groups.groups.common_items import count_common

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Recommendations compared: all of them, and the first of them.
TOP, TOP_FIRST = 20, 10


@dataclass(frozen=True)
class Profiles:
    """Users by their histories and by what they are recommended.

    Attributes
    ----------
    top : NDArray[np.int32], shape (n_users, 20), or None
        Recommended items, the best first, -1 where there are no more; None where nothing recommends.
    indptr, indices : NDArray[np.integer], shapes (n_users + 1,) and (n_pairs,)
        Histories as CSR, items ascending in each.
    activity : NDArray[np.int64], shape (n_users,)
        Items in the history.
    popularity : NDArray[np.float64], shape (n_users,)
        Mean over the items of the history of how many of these users have the item; 0 without a history.
    n_items : int
        Items in all; 0 where nothing is known of histories.
    """

    top: NDArray[np.int32] | None
    indptr: NDArray[np.integer]
    indices: NDArray[np.integer]
    activity: Integers
    popularity: Floats
    n_items: int

    @cached_property
    def ascending(self) -> NDArray[np.int32]:
        """Recommended items of each user, ascending."""
        return np.sort(np.asarray(self.top), axis=1)

    @cached_property
    def first_ascending(self) -> NDArray[np.int32]:
        """The first ten of them, ascending."""
        return np.sort(np.asarray(self.top)[:, :TOP_FIRST], axis=1)

    @classmethod
    def of(cls, histories: csr_array, top: NDArray[np.int32] | None) -> "Profiles":
        """Take users as the rows of their histories, (n_users, n_items), indices sorted, and of ``top``."""
        if top is not None and top.shape != (histories.shape[0], TOP):
            raise ValueError(f"top: expected shape {(histories.shape[0], TOP)}, got {top.shape}")
        activity = np.diff(histories.indptr).astype(np.int64)
        n_users_of = np.bincount(histories.indices, minlength=histories.shape[1])
        # One entry more, for empty histories at the end.
        starts = histories.indptr[:-1]
        totals = np.add.reduceat(np.append(n_users_of[histories.indices], 0), starts)
        popularity = np.where(activity > 0, totals, 0) / np.maximum(activity, 1)
        return cls(top, histories.indptr, histories.indices, activity, popularity, histories.shape[1])


@dataclass(frozen=True)
class Tastes:
    """What the members of each group of a type have in common; arrays of shape (n_groups,).

    What cannot be known, as nothing recommends or there are no histories, is NaN.

    Attributes
    ----------
    recommendation_overlap_at_20, recommendation_overlap_at_10 : NDArray[np.float64] in [0, 1]
        ``|top(u) & top(v)| / k`` of the first k recommended items, mean over the pairs of members.
    recommendation_overlap_within, recommendation_overlap_across : NDArray[np.float64] in [0, 1]
        At 20, over the pairs inside subgroups and between them; NaN where there are none.
    jaccard : NDArray[np.float64] in [0, 1]
        ``|u & v| / |u | v|`` of histories, mean over the pairs; 0 for two empty ones.
    common_items, union_items : NDArray[np.int64]
        Items in every member's history, and in anybody's.
    activity : NDArray[np.float64]
        Items in a history, mean over the members.
    popularity : NDArray[np.float64]
        How many users of the profiles, those that can be drawn, have an item: mean over the items of a
        history, then over the members.
    """

    recommendation_overlap_at_20: Floats
    recommendation_overlap_at_10: Floats
    recommendation_overlap_within: Floats
    recommendation_overlap_across: Floats
    jaccard: Floats
    common_items: Integers | Floats
    union_items: Integers | Floats
    activity: Floats
    popularity: Floats


def measure_tastes(profiles: Profiles, members: Integers, sizes: tuple[int, ...]) -> Tastes:
    """Measure what the members of every group have in common.

    Parameters
    ----------
    profiles : Profiles
        The users.
    members : (n_groups, size) int64 in [0, n_users)
        Users, subgroup after subgroup, none twice in a group.
    sizes : tuple of int
        Subgroup sizes; they add up to ``size``.

    Notes
    -----
    Cost: for each pair of members 60 comparisons and both histories. Memory: the result, and a number for
    each item.
    """
    n = len(members)
    overlaps, means = np.full((4, n), np.nan), np.full((3, n), np.nan)
    items: Integers | Floats = np.full((2, n), np.nan)
    if profiles.top is not None:
        subgroups = np.repeat(np.arange(len(sizes)), sizes)
        _measure_recommendations(profiles.ascending, profiles.first_ascending, members, subgroups, overlaps)
    if profiles.n_items:
        items = np.empty((2, n), np.int64)
        _measure_histories(
            profiles.indptr, profiles.indices, profiles.activity, profiles.popularity,
            members, np.zeros(profiles.n_items, np.bool_), items, means,
        )  # fmt: skip
    return Tastes(
        recommendation_overlap_at_20=overlaps[0],
        recommendation_overlap_at_10=overlaps[1],
        recommendation_overlap_within=overlaps[2],
        recommendation_overlap_across=overlaps[3],
        jaccard=means[0],
        common_items=items[0],
        union_items=items[1],
        activity=means[1],
        popularity=means[2],
    )


@compiled()
def _measure_recommendations(top, first, members, subgroups, overlaps):
    """Fill the rows of overlaps: at 20, at 10, within, across; lists are ascending."""
    k, n_first = top.shape[1], first.shape[1]
    for g in range(members.shape[0]):
        shared_in = shared_out = shared_first = n_in = n_out = 0
        for i in range(members.shape[1]):
            for j in range(i + 1, members.shape[1]):
                u, v = members[g, i], members[g, j]
                shared = count_shared(top[u], ZERO, k, top[v], ZERO, k)
                shared_first += count_shared(first[u], ZERO, n_first, first[v], ZERO, n_first)
                if subgroups[i] == subgroups[j]:
                    shared_in += shared
                    n_in += 1
                else:
                    shared_out += shared
                    n_out += 1
        overlaps[0, g] = (shared_in + shared_out) / (k * (n_in + n_out))
        overlaps[1, g] = shared_first / (n_first * (n_in + n_out))
        overlaps[2, g] = shared_in / (k * n_in) if n_in else np.nan
        overlaps[3, g] = shared_out / (k * n_out) if n_out else np.nan


@compiled()
def _measure_histories(indptr, indices, activity, popularity, members, have, items, means):
    """Fill the rows of items (common, union) and of means (Jaccard, activity, popularity).

    ``have`` is False for every item, before and after.
    """
    size = members.shape[1]
    count_common(indptr, indices, members, items[0])
    for g in range(members.shape[0]):
        union = 0
        total = active = popular = 0.0
        for i in range(size):
            u = members[g, i]
            active += activity[u]
            popular += popularity[u]
            for p in range(indptr[u], indptr[u + 1]):
                union += not have[indices[p]]
                have[indices[p]] = True
            for j in range(i):
                total += _jaccard(indptr, indices, u, members[g, j])
        for i in range(size):
            for p in range(indptr[members[g, i]], indptr[members[g, i] + 1]):
                have[indices[p]] = False
        items[1, g] = union
        means[0, g] = total / (size * (size - 1) // 2)
        means[1, g], means[2, g] = active / size, popular / size


@compiled()
def _jaccard(indptr, indices, u, v):
    """Jaccard similarity of two histories, by one walk along both."""
    shared = count_shared(indices, indptr[u], indptr[u + 1], indices, indptr[v], indptr[v + 1])
    union = indptr[u + 1] - indptr[u] + indptr[v + 1] - indptr[v] - shared
    return shared / union if union > 0 else 0.0
