"""Random walks to groups: who joins next, without the candidates in vain between, many walks at a time.

A walk goes as the sampler does (:mod:`elsa_groups.groups.sampler`), but is told who qualifies: one product
of matrices a step compares the members of all walks with every user. So it also knows what the sampler never
counts: how many would have qualified. Decisions are by float32 scores, which is enough for estimates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.family import GroupType, Linkage
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.users import Users

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Most that is kept of the walks under way, in bytes.
BYTES = 1 << 28


@dataclass(frozen=True, eq=False)
class Walks:
    """Attempts to draw a group, as far as they came.

    Attributes
    ----------
    members : NDArray[np.int64], shape (n, size)
        Subgroup after subgroup; -1 where nobody could join.
    acceptance : NDArray[np.float64], shape (n, size - 1)
        Of each member but the first: share of the other users who qualify, mean over open subgroups; 0 where
        nobody does, NaN after that.
    in_vain : NDArray[np.float64], shape (n, size - 1)
        Probability that a round of draws, one for each open subgroup, ends with nobody joining.
    round_length, place : NDArray[np.int64], shape (n, size - 1)
        Draws of a round, and the place in it, from 1 on, of the draw by which somebody joins.
    sequences : NDArray[np.float64], shape (n,)
        Product over the steps of how many could have been next, the number of users for the first; 0 if
        unfinished. Its expectation over walks with ``by_turns=False`` is the number of sequences of members
        that lead to a group (Knuth, "Estimating the Efficiency of Backtrack Programs", 1975,
        doi 10.2307/2005469).
    """

    members: Integers
    acceptance: Floats
    in_vain: Floats
    round_length: Integers
    place: Integers
    sequences: Floats

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which walks came to a group, shape (n,)."""
        return np.asarray((self.members >= 0).all(axis=1))


def walk(
    users: Users,
    kind: GroupType,
    limits: Limits,
    firsts: Integers,
    *,
    rng: np.random.Generator,
    by_turns: bool = True,
) -> Walks:
    """Walk from first members to groups, or to where nobody can join.

    Parameters
    ----------
    users : Users
        Whom groups are drawn from.
    kind : GroupType
        Rules, linkage and subgroup sizes.
    limits : Limits
        What the rules mean.
    firsts : (n,) int64 in [0, n_users)
        First member of each walk.
    rng : numpy.random.Generator
        Of who joins.
    by_turns : bool
        Whether who joins, and which subgroup, is by the law of the sampler; otherwise uniform over all that
        could be next.

    Notes
    -----
    Cost: for each member of a walk ``n_users * dim`` multiply-adds, and about ten passes over as many bytes.
    Memory: at most 256 MB beside the users, however many they and the walks are, as walks go in batches; one
    walk at least, of some 30 bytes a user.
    """
    n_users, n_subgroups = users.n_users, len(kind.sizes)
    # Drawn for all at once, so that a walk does not depend on the batch it is in.
    chances = rng.random((len(firsts), kind.size - 1, 2))
    of_score = np.dtype(users.score_type).itemsize
    step = max(1, BYTES // (n_users * (of_score * (n_subgroups + 3) + 4 * n_subgroups + 4)))
    parts = [
        _walk_batch(
            _Batch(users, kind, limits, len(firsts[at : at + step])),
            firsts[at : at + step],
            chances[at : at + step],
            by_turns,
        )
        for at in range(0, len(firsts), step)
    ]
    return Walks(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))


class _Batch:
    """Walks that take each step together: their members, and who may join which subgroup."""

    def __init__(self, users: Users, kind: GroupType, limits: Limits, n_walks: int) -> None:
        n_subgroups, shape = len(kind.sizes), (len(kind.sizes), n_walks, users.n_users)
        self.people, self.linkage = users, kind.family.linkage
        self.intervals = kind.family.within.interval(limits), kind.family.across.interval(limits)
        self.sizes, self.starts = np.array(kind.sizes), np.cumsum((0, *kind.sizes[:-1]))
        self.members = np.full((n_walks, kind.size), -1, np.int64)
        self.counts = np.zeros((n_walks, n_subgroups), np.int64)
        self.free = np.ones(shape[1:], bool)
        # By rule, within and across: whether a user meets it towards a subgroup; an empty one takes anybody.
        self.meets = np.ones((2, *shape), bool)
        self.sums = np.zeros(shape, users.score_type) if self.linkage == Linkage.mean else None

    def join(self, walks: Integers, subgroups: Integers, users: Integers) -> None:
        """Put one user into a subgroup of each of some walks."""
        self.members[walks, self.starts[subgroups] + self.counts[walks, subgroups]] = users
        self.counts[walks, subgroups] += 1
        self.free[walks, users] = False
        for subgroup in np.unique(subgroups):
            here = subgroups == subgroup
            self._compare(int(subgroup), walks[here], users[here])

    def _compare(self, subgroup: int, walks: Integers, joined: Integers) -> None:
        """Bring who meets the rules towards a subgroup up to date with the member that joined it."""
        scores = self.people.similarities_to_all(joined)
        counts = self.counts[walks, subgroup][:, np.newaxis]
        if self.sums is not None:
            scores += self.sums[subgroup, walks]
            self.sums[subgroup, walks] = scores
            scores /= counts.astype(scores.dtype)
        for meets, (low, high) in zip(self.meets[:, subgroup], self.intervals, strict=True):
            met = (scores >= low) & (scores <= high)
            if self.linkage == Linkage.all:
                met &= meets[walks]
            elif self.linkage == Linkage.any:
                met |= meets[walks] & (counts > 1)
            meets[walks] = met

    def welcome(self, subgroup: int) -> NDArray[np.bool_]:
        """Return who may join a subgroup, (n_walks, n_users): nobody if it is full."""
        welcome = self.free & (self.counts[:, subgroup] < self.sizes[subgroup])[:, np.newaxis]
        for other in range(len(self.sizes)):
            welcome &= self.meets[int(other != subgroup), other]
        return welcome


def _walk_batch(batch: _Batch, firsts: Integers, chances: Floats, by_turns: bool) -> Walks:
    (n_walks, n_steps, _), n_users, sizes = chances.shape, batch.people.n_users, batch.sizes
    batch.join(np.arange(n_walks), np.zeros(n_walks, np.int64), firsts)
    acceptance, in_vain = np.full((2, n_walks, n_steps), np.nan)
    round_length, place = np.zeros((2, n_walks, n_steps), np.int64)
    sequences = np.full(n_walks, float(n_users))
    turns = np.full(n_walks, 1 % len(sizes))
    going = np.arange(n_walks)
    for step in range(n_steps):
        welcome = [batch.welcome(subgroup) for subgroup in range(len(sizes))]
        counts = np.stack([np.count_nonzero(each, axis=1) for each in welcome], axis=1)[going]
        is_open = (batch.counts < batch.sizes)[going]
        shares = counts / max(1, n_users - 1 - step)
        joins, places, in_vain[going, step] = _round(shares, is_open, turns[going])
        acceptance[going, step] = shares.sum(axis=1) / is_open.sum(axis=1)
        round_length[going, step] = is_open.sum(axis=1)
        sequences[going] *= counts.sum(axis=1)
        some = counts.any(axis=1)
        going, joins, places, counts = going[some], joins[some], places[some], counts[some]
        chosen = _choose(joins if by_turns else counts.astype(np.float64), chances[going, step, 0])
        each = np.arange(len(going))
        place[going, step] = places[each, chosen]
        nth = (chances[going, step, 1] * counts[each, chosen]).astype(np.int64)
        joined = [np.flatnonzero(welcome[s][w])[n] for w, s, n in zip(going, chosen, nth, strict=True)]
        batch.join(going, chosen, np.array(joined, np.int64))
        turns[going] = (chosen + 1) % len(sizes)
    return Walks(batch.members, acceptance, in_vain, round_length, place, sequences)


def _round(shares: Floats, is_open: NDArray[np.bool_], turns: Integers) -> tuple[Floats, Integers, Floats]:
    """Return the law of one round of draws, which begins at the turn and skips full subgroups.

    That is, by walk and subgroup, the probability that somebody joins it and the place of its draw in the
    round, and by walk the probability that nobody joins any.
    """
    n_walks, n_subgroups = shares.shape
    joins, places = np.zeros(shares.shape), np.zeros(shares.shape, np.int64)
    nobody, drawn, each = np.ones(n_walks), np.zeros(n_walks, np.int64), np.arange(n_walks)
    for after in range(n_subgroups):
        turn = (turns + after) % n_subgroups
        drawn += is_open[each, turn]
        places[each, turn] = drawn
        joins[each, turn] = nobody * shares[each, turn]
        nobody *= 1.0 - shares[each, turn]
    return joins, places, nobody


def _choose(weights: Floats, chances: Floats) -> Integers:
    """Return a column of each row of weights, by a uniform number in [0, 1)."""
    up_to = np.cumsum(weights, axis=1)
    # In (0, total], so that no column of weight zero is reached.
    return np.asarray((up_to >= ((1.0 - chances) * up_to[:, -1])[:, np.newaxis]).argmax(axis=1))
