"""The groups kept so far, and the filters that hold a candidate against them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.groups.filters import NAMES, Filters

Members = NDArray[np.int64]
# Of each candidate 0, or the number, from 1, of the first filter that rejects it.
Verdicts = NDArray[np.int8]
KEPT = 0


def number_of(name: str) -> int:
    """Return the number by which verdicts name a filter."""
    return NAMES.index(name) + 1


_DUPLICATE, _FIRST, _DISJOINT, _PARTICIPATION, _OVERLAP = map(
    number_of, ("no_duplicates", "distinct_first", "disjoint", "max_participation", "max_member_overlap")
)


class _Limits(NamedTuple):
    """What the filters ask that look at the groups kept before; a negative number asks nothing."""

    no_duplicates: bool
    distinct_first: bool
    disjoint: bool
    participation: int
    overlap: float


class _Kept(NamedTuple):
    """The groups kept so far, as compiled code takes them.

    ``last`` and ``before`` are a list of places in ``members`` for each user: its last, and from each place
    the one before.
    """

    members: Members
    numbers: Members
    last: Members
    before: Members
    participation: Members
    is_first: NDArray[np.bool_]
    shared: Members


class KeptGroups:
    """The groups kept so far, and the filters that look at them: candidates pass in order of their number.

    Memory: ``n_groups * (size + 2)`` and ``3 * n_users`` numbers.
    """

    def __init__(self, filters: Filters, *, n_users: int, n_groups: int, size: int) -> None:
        """Keep up to ``n_groups`` groups of ``size`` of ``n_users`` users."""
        self.n_groups, self.count = n_groups, 0
        most, overlap = filters.max_participation.value, filters.max_member_overlap.value
        self._limits = _Limits(
            bool(filters.no_duplicates.value),
            bool(filters.distinct_first.value),
            bool(filters.disjoint.value),
            -1 if most is None else most,
            -1.0 if overlap is None else float(overlap),
        )
        self._kept = _Kept(
            members=np.empty((n_groups, size), np.int64),
            numbers=np.empty(n_groups, np.int64),
            last=np.full(n_users, -1, np.int64),
            before=np.full(n_groups * size, -1, np.int64),
            participation=np.zeros(n_users, np.int64),
            is_first=np.zeros(n_users, np.bool_),
            shared=np.zeros(n_groups, np.int64),
        )

    @property
    def members(self) -> Members:
        """Members of the groups kept, in order of their number, shape (count, size)."""
        return self._kept.members[: self.count]

    @property
    def numbers(self) -> Members:
        """Numbers of the groups kept, shape (count,)."""
        return self._kept.numbers[: self.count]

    def sift(self, members: Members, first: int, verdicts: Verdicts) -> int:
        """Keep the candidates that pass, until there are as many as wanted; return how many were looked at.

        Parameters
        ----------
        members : (n_candidates, size) int64
            Candidates in order of number.
        first : int
            Number of the first.
        verdicts : (n_candidates,) int8
            By the filters that look at a candidate alone; those of the others are filled in.

        Notes
        -----
        Cost: a candidate is compared with the groups that its members are in, not with all.
        """
        seen, self.count = _sift(members, first, verdicts, self._limits, self._kept, self.count)
        return int(seen)


@compiled()
def _sift(members, first, verdicts, limits, kept, n_kept):
    """Pass candidates in order; return how many were looked at, and how many groups are kept now."""
    no_duplicates, distinct_first, disjoint, cap, overlap = limits
    kept_members, kept_numbers, last, before, participation, is_first, shared = kept
    size = members.shape[1]
    compares = no_duplicates or overlap >= 0
    for c in range(members.shape[0]):
        if n_kept == kept_members.shape[0]:
            return c, n_kept
        if verdicts[c] == KEPT:
            most = _most_shared(members[c], last, before, shared) if compares else 0
            busiest = 0
            for user in members[c]:
                busiest = max(busiest, participation[user])
            if no_duplicates and most == size:
                verdicts[c] = _DUPLICATE
            elif distinct_first and is_first[members[c, 0]]:
                verdicts[c] = _FIRST
            elif disjoint and busiest > 0:
                verdicts[c] = _DISJOINT
            elif cap >= 0 and busiest >= cap:
                verdicts[c] = _PARTICIPATION
            elif overlap >= 0 and most / size > overlap:
                verdicts[c] = _OVERLAP
        if verdicts[c] == KEPT:
            kept_members[n_kept], kept_numbers[n_kept] = members[c], first + c
            is_first[members[c, 0]] = True
            for i in range(size):
                user = members[c, i]
                participation[user] += 1
                before[n_kept * size + i] = last[user]
                last[user] = n_kept * size + i
            n_kept += 1
    return members.shape[0], n_kept


@compiled()
def _most_shared(group, last, before, shared):
    """Return the most members that a group shares with a kept one; ``shared`` is zero before and after."""
    size = group.shape[0]
    most = 0
    for user in group:
        place = last[user]
        while place >= 0:
            shared[place // size] += 1
            most = max(most, shared[place // size])
            place = before[place]
    for user in group:
        place = last[user]
        while place >= 0:
            shared[place // size] = 0
            place = before[place]
    return most
