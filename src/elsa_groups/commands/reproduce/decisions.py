"""The decisions of the sampler one by one: who is drawn, whether it joins, and by what margin.

The draws and rules of :mod:`elsa_groups.groups.sampler`, whose compiled loop keeps none of this. Decisions
go by reference similarities, as there in effect.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.base.philox import block, stream_key, uniform_below
from elsa_groups.groups.family import Family, Linkage
from elsa_groups.groups.joining import among_others
from elsa_groups.similarity.limits import Band, Limits
from elsa_groups.similarity.scores import reference_similarity
from elsa_groups.similarity.users import Users

_MEAN, _ALL = int(Linkage.mean), int(Linkage.all)


@compiled()
def _slack(users, members, starts, counts, turn, user, within, across, linkage):
    """By how much a user satisfies the rules on joining subgroup ``turn``; infinite if there are none."""
    least = np.inf
    for s in range(counts.shape[0]):
        low, high = within if s == turn else across
        if counts[s] == 0:
            continue
        total, worst, best = 0.0, np.inf, -np.inf
        for m in range(starts[s], starts[s] + counts[s]):
            value = reference_similarity(users, members[m], user)
            slack = min(value - low, high - value)
            total, worst, best = total + value, min(worst, slack), max(best, slack)
        slack = worst if linkage == _ALL else best
        if linkage == _MEAN:
            mean = total / counts[s]
            slack = min(mean - low, high - mean)
        least = min(least, slack)
    return least


@compiled()
def _slacks(users, members, starts, counts, turn, within, across, linkage):
    """Return the slack of every user towards subgroup ``turn``."""
    slacks = np.empty(users.shape[0], np.float64)
    for user in range(users.shape[0]):
        slacks[user] = _slack(users, members, starts, counts, turn, user, within, across, linkage)
    return slacks


@compiled()
def _number(n, draw, group, key):
    """Return the number of a draw, uniform in [0, n)."""
    return uniform_below(block(draw, group, 0, key)[draw & 3], n, draw, group, key)


@compiled()
def _next(
    users, members, starts, counts, sizes, taken, turn, draw, until, group, key, wanted, tolerance,
    within, across, linkage,
):  # fmt: skip
    """Draw as :meth:`Decisions.next` says."""
    while draw < until:
        while counts[turn] == sizes[turn]:
            turn = turn + 1 if turn + 1 < sizes.shape[0] else 0
        user = among_others(_number(users.shape[0] - taken.shape[0], draw, group, key), taken, taken.shape[0])
        slack = _slack(users, members, starts, counts, turn, user, within, across, linkage)
        if slack >= -tolerance or user == wanted[turn]:
            return user, turn, draw, slack
        draw += 1
        turn = turn + 1 if turn + 1 < sizes.shape[0] else 0
    return -1, turn, draw, 0.0


@compiled()
def _next_of_lists(qualifying, counts, sizes, turn, draw, others, group, key):
    """Draw until a number is below how many qualify; return it, its turn and the number of its draw."""
    while True:
        while counts[turn] == sizes[turn]:
            turn = turn + 1 if turn + 1 < sizes.shape[0] else 0
        nth = _number(others, draw, group, key)
        if nth < qualifying[turn]:
            return nth, turn, draw
        draw += 1
        turn = turn + 1 if turn + 1 < sizes.shape[0] else 0


@dataclass(frozen=True)
class Attempt:
    """A group in the making.

    Attributes
    ----------
    members : (size,) int64
        By position, -1 where nobody has joined.
    counts : (n_subgroups,) int64
        Members of each subgroup.
    turn, draw : int
        Subgroup whose turn it is (full ones are skipped), and number of the next draw.
    until : int
        The draw that is made no more.
    """

    members: NDArray[np.int64]
    counts: NDArray[np.int64]
    turn: int
    draw: int
    until: int

    @property
    def joined(self) -> int:
        """Members so far."""
        return int(self.counts.sum())

    @property
    def taken(self) -> NDArray[np.int64]:
        """Members so far, in ascending order."""
        return np.sort(self.members[self.members >= 0])


class Decisions:
    """The draws of one group and the decisions about them.

    Parameters
    ----------
    users, family, sizes, similar, divergent, band, seed, stream
        As for :func:`~elsa_groups.groups.sampler.draw_groups`.
    group : int
        Number of the group.
    """

    def __init__(
        self,
        users: Users,
        family: Family,
        sizes: tuple[int, ...],
        group: int,
        *,
        similar: float,
        divergent: float,
        band: Band | None,
        seed: int,
        stream: str,
    ) -> None:
        self.n_users = users.shape[0]
        self.sizes = np.array(sizes)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self._users, self._group, self._key = users, group, stream_key(seed, stream, family.key(sizes))
        limits: Limits = {"similar": float(similar), "divergent": float(divergent), "band": band}
        within, across = (rule.interval(**limits) for rule in (family.within, family.across))
        self._rules = within, across, int(family.linkage)

    def first(self, draw: int) -> int:
        """Return the user that an attempt starts from."""
        return int(_number(self.n_users, draw, self._group, self._key))

    def next(
        self, attempt: Attempt, wanted: NDArray[np.int64], tolerance: float
    ) -> tuple[int, int, int, float]:
        """Draw until somebody qualifies, or nearly does, or is wanted where the turn is.

        Parameters
        ----------
        attempt : Attempt
            Not complete.
        wanted : (n_subgroups,) int64
            A user for each subgroup, or -1.
        tolerance : float
            Slack of who nearly qualifies: at least minus this.

        Returns
        -------
        tuple of int, int, int, float
            User (-1 after the last draw), turn and number of its draw, slack.
        """
        found: tuple[int, int, int, float] = _next(
            self._users, attempt.members, self.starts, attempt.counts, self.sizes, attempt.taken,
            attempt.turn, attempt.draw, attempt.until, self._group, self._key,
            wanted, tolerance, *self._rules,
        )  # fmt: skip
        return found

    def slacks(self, attempt: Attempt) -> NDArray[np.float64]:
        """Return slacks, (n_subgroups, n_users) float64: -inf where a user cannot join at all."""
        slacks = np.full((len(self.sizes), self.n_users), -np.inf)
        for s in np.flatnonzero(attempt.counts < self.sizes):
            slacks[s] = _slacks(self._users, attempt.members, self.starts, attempt.counts, s, *self._rules)
        slacks[:, attempt.taken] = -np.inf
        return slacks

    def next_of_lists(self, attempt: Attempt, qualifies: NDArray[np.bool_]) -> tuple[int, int, int]:
        """Draw from lists of who qualifies until somebody joins.

        Parameters
        ----------
        attempt : Attempt
            Not complete.
        qualifies : (n_subgroups, n_users) bool
            Who may join which subgroup; somebody may.

        Returns
        -------
        tuple of int
            User, turn and number of its draw.
        """
        nth, turn, draw = _next_of_lists(
            qualifies.sum(axis=1), attempt.counts, self.sizes, attempt.turn, attempt.draw,
            self.n_users - attempt.joined, self._group, self._key,
        )  # fmt: skip
        return int(np.flatnonzero(qualifies[turn])[nth]), turn, draw
