"""The groups of a type that can be drawn at all, listed one by one where users are few."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.family import GroupType, Linkage, Rule
from elsa_groups.similarity.limits import Band, Limits
from elsa_groups.similarity.users import Users

Members = NDArray[np.int64]
Rows = NDArray[np.int16]
Values = NDArray[np.float64]
# How many members each subgroup has so far.
Counts = tuple[int, ...]

# So many users, groups begun and comparisons take about a second; where there are more, nothing is listed.
_MOST_USERS, _MOST_BEGUN, _MOST_COMPARED = 1_000, 1 << 19, 100_000_000
_AT_ONCE = 1 << 22
# A mean by other orders of joining may differ by its rounding; groups that only one of them admits count.
_ROUNDING = 1e-12


class _TooMany(Exception):
    """There are more groups than are listed."""


def list_possible(users: Users, kind: GroupType, limits: Limits) -> Members | None:
    """List the groups that the sampler can draw, whatever its seed.

    Parameters
    ----------
    users : Users
        Whom groups are drawn from.
    kind : GroupType
        Its rules and subgroup sizes; how many are wanted does not matter.
    limits : Limits
        What the rules mean.

    Returns
    -------
    (n, size) int64 or None
        Subgroup after subgroup, each ascending, but for the user that the group starts from, who stands
        first: so a set of members occurs once for each such user and each way to share it out. None where
        there are too many to be listed.

    Notes
    -----
    Groups are joined member by member, breadth first, as by linkage ``mean`` it depends on the order who can
    join. A group whose mean meets a limit up to rounding is listed, so that none is missing.
    """
    if users.n_users > _MOST_USERS:
        return None
    try:
        return _list(_matrix(users), kind, limits).astype(np.int64)
    except _TooMany:
        return None


def _matrix(users: Users) -> Values:
    """Return the reference similarities of all pairs, (n_users, n_users)."""
    n = users.n_users
    us, vs = np.triu_indices(n, 1)
    similarities = np.ones((n, n))
    similarities[us, vs] = similarities[vs, us] = users.similarities(us, vs)
    return similarities


def _list(similarities: Values, kind: GroupType, limits: Limits) -> Rows:
    first: Counts = (1, *(0 for _ in kind.sizes[1:]))
    begun: dict[Counts, Rows] = {first: np.arange(len(similarities), dtype=np.int16)[:, np.newaxis]}
    for _ in range(kind.size - 1):
        longer: defaultdict[Counts, list[Rows]] = defaultdict(list)
        left = _MOST_BEGUN
        for counts, groups in begun.items():
            for s in np.flatnonzero(np.less(counts, kind.sizes)).tolist():
                grown = (*counts[:s], counts[s] + 1, *counts[s + 1 :])
                longer[grown].append(_join(similarities, groups, counts, s, kind, limits, left))
                left -= len(longer[grown][-1])
        begun = {counts: _distinct(np.concatenate(parts), counts) for counts, parts in longer.items()}
    return begun[kind.sizes]


def _join(
    similarities: Values, groups: Rows, counts: Counts, s: int, kind: GroupType, limits: Limits, most: int
) -> Rows:
    """Return the groups that become of some when anybody who may joins subgroup s."""
    n, size = len(similarities), sum(counts)
    if len(groups) * n * size > _MOST_COMPARED:
        raise _TooMany
    place, step, parts = sum(counts[: s + 1]), max(1, _AT_ONCE // (n * size)), []
    for start in range(0, len(groups), step):
        some = groups[start : start + step]
        group, user = np.nonzero(_may_join(similarities, some, counts, s, kind, limits))
        most -= len(user)
        if most < 0:
            raise _TooMany
        joined = some[group]
        new = user.astype(np.int16)[:, np.newaxis]
        parts.append(np.concatenate([joined[:, :place], new, joined[:, place:]], axis=1))
    return np.concatenate(parts) if parts else np.empty((0, size + 1), np.int16)


def _may_join(
    similarities: Values, groups: Rows, counts: Counts, s: int, kind: GroupType, limits: Limits
) -> NDArray[np.bool_]:
    """Return who may join subgroup s of each group, (n_groups, n_users)."""
    may = np.ones((len(groups), len(similarities)), np.bool_)
    may[np.arange(len(groups))[:, np.newaxis], groups] = False
    ends = np.cumsum(counts)
    for t, (end, count) in enumerate(zip(ends, counts, strict=True)):
        rule = kind.family.within if s == t else kind.family.across
        if count and rule != Rule.any:
            of_members = similarities[groups[:, end - count : end]]
            may &= _meets(of_members, kind.family.linkage, rule.interval(limits))
    return may


def _meets(of_members: Values, linkage: Linkage, interval: Band) -> NDArray[np.bool_]:
    """Whether similarities to the members of a subgroup, (n_groups, count, n_users), meet a rule."""
    low, high = interval
    if linkage == Linkage.mean:
        of_members = of_members.mean(axis=1, keepdims=True)
        low, high = low - _ROUNDING, high + _ROUNDING
    inside = (of_members >= low) & (of_members <= high)
    combine = np.logical_or if linkage == Linkage.any else np.logical_and
    met: NDArray[np.bool_] = combine.reduce(inside, axis=1)
    return met


def _distinct(groups: Rows, counts: Counts) -> Rows:
    """Return the groups once each, members of a subgroup ascending but for the first of all."""
    start = 0
    for s, count in enumerate(counts):
        groups[:, start + (s == 0) : start + count].sort(axis=1)
        start += count
    return np.unique(groups, axis=0)
