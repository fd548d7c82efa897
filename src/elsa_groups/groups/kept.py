"""The groups kept so far, and the filters that hold a candidate against them."""

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.groups.filters import BESIDE, KEPT, NAMES, Filters, Members, Verdicts

_DUPLICATE, _FIRST, _DISJOINT, _PARTICIPATION, _OVERLAP = (NAMES.index(name) + 1 for name in BESIDE)


class KeptGroups:
    """The groups kept so far, and the filters that look at them: candidates pass in order of their number.

    Memory: ``n_groups * (size + 2)`` and ``3 * n_users`` numbers.
    """

    def __init__(self, filters: Filters, *, n_users: int, n_groups: int, size: int) -> None:
        """Keep up to ``n_groups`` groups of ``size`` of ``n_users`` users."""
        self.n_groups = n_groups
        self.members = np.empty((n_groups, size), np.int64)
        self.numbers = np.empty(n_groups, np.int64)
        self._limits = (
            filters.no_duplicates,
            filters.distinct_first,
            filters.disjoint,
            -1 if filters.max_participation is None else filters.max_participation,
            -1.0 if filters.max_member_overlap is None else filters.max_member_overlap,
        )
        # A list of places in ``members`` for each user: its last, and from each place the one before.
        lists = np.full(n_users, -1, np.int64), np.full(n_groups * size, -1, np.int64)
        users = np.zeros(n_users, np.int64), np.zeros(n_users, np.bool_)
        self._state = (*lists, *users, np.zeros(n_groups, np.int64))
        self.count = 0

    def sift(
        self, members: Members, numbers: Members, verdicts: Verdicts, decided: NDArray[np.bool_] | None = None
    ) -> int:
        """Keep the candidates that pass, until there are as many as wanted; return how many were looked at.

        Parameters
        ----------
        members : (n_candidates, size) int64
            Candidates in order of number.
        numbers : (n_candidates,) int64
            Their numbers.
        verdicts : (n_candidates,) int8
            As by :meth:`OwnFilters.judge`; those of rejected candidates are filled in.
        decided : (n_candidates,) bool, optional
            Which candidates to keep, whatever the verdicts are.

        Notes
        -----
        Cost: a candidate is compared with the groups that its members are in, not with all.
        """
        forced = np.empty(0, np.bool_) if decided is None else decided
        kept = self.members, self.numbers
        seen, self.count = _sift(
            members, numbers, verdicts, forced, *self._limits, *kept, self.count, *self._state
        )
        return int(seen)


@compiled()
def _sift(
    members, numbers, verdicts, forced, no_duplicates, distinct_first, disjoint, cap, overlap,
    kept_members, kept_numbers, n_kept, last, before, participation, is_first, shared,
):  # fmt: skip
    """Pass candidates in order; return how many were looked at, and how many groups are kept now."""
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
        if forced[c] if forced.shape[0] else verdicts[c] == KEPT:
            kept_members[n_kept], kept_numbers[n_kept] = members[c], numbers[c]
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
