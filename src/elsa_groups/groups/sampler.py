"""Draw groups: the seed notebook's loop, compiled, one group at a time.

A group starts from a user drawn uniformly, in subgroup 0. Then candidates are drawn uniformly from the
users not yet in it, and offered to the subgroup whose turn it is: turns rotate with every draw, starting
at subgroup 1 (0 if it is the only one), and skip full subgroups. A candidate joins if it meets ``within``
towards its own subgroup (an empty one takes anybody) and ``across`` towards every other that has members.
After ``max_draws`` draws without completing, or when nobody can join, the group is dropped and started
over.

Draw ``t`` of group ``g`` of a type depends on (seed, key, g, t) alone, so neither threads nor ranks nor more
groups nor other keys change a group.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.base.errors import Unfilled
from elsa_groups.base.philox import ZERO, block, stream_key, uniform_below
from elsa_groups.base.progress import progress
from elsa_groups.base.runtime import ALONE, Runtime
from elsa_groups.base.threads import SharedTasks, run_workers
from elsa_groups.groups.diagnosis import explain_starvation
from elsa_groups.groups.family import GroupType
from elsa_groups.groups.groups import Accounting, Groups
from elsa_groups.groups.joining import add_member, next_of_listed, next_to_join
from elsa_groups.groups.room import check_size
from elsa_groups.similarity.histories import BinaryHistories
from elsa_groups.similarity.limits import Band, Limits
from elsa_groups.similarity.users import Users

Members = NDArray[np.int64]

# The draws of the groups that were asked for.
WANTED = "groups"

# Of `next_to_join`: whoever is drawn, not one of those who qualify.
_ANYBODY = np.int64(-1)
# So often a stop is noticed.
_DRAWS_BETWEEN_LOOKS = 1 << 20
# Enough groups a call that the call itself, and threads waiting for the interpreter, cost little, and enough
# calls to go round. None may depend on the number of threads, which ranks need not have in common.
_FEWEST_PER_CALL, _GROUPS_PER_CALL = 4, 64
_CALLS = 256
# Single attempts among which the one that came farthest is explained.
_ATTEMPTS_EXPLAINED = 100


@dataclass(frozen=True)
class Law:
    """What the draws of a group follow from, beside its users, its type and its number.

    Attributes
    ----------
    limits : Limits
        What the rules similar, divergent and band mean.
    seed : int
        With the key and ``stream`` it fixes every draw.
    max_draws : int, optional
        Draws after which an attempt is dropped. None: not before nobody can join; after as many draws in
        vain as there are users, those who can join are listed and drawn from.
    max_restarts : int
        Dropped attempts after which the group is given up.
    stream : str
        Independent streams of draws: ``groups``, those that were asked for, ``baseline``, and one for each
        half of the users.
    """

    limits: Limits
    seed: int
    max_draws: int | None = 1000
    max_restarts: int = 10_000
    stream: str = WANTED


class _Scores(NamedTuple):
    """What compiled code compares users by."""

    coarse: NDArray[np.int8]
    half_scale: float
    doubt: float
    vectors: NDArray[np.float32]
    exact: BinaryHistories | None
    bound: float


class _Rules(NamedTuple):
    """What compiled code draws by."""

    sizes: NDArray[np.int64]
    within: Band
    across: Band
    linkage: int
    key: np.uint64
    max_draws: int
    max_restarts: int
    listing: bool | None


class _Room(NamedTuple):
    """What compiled code puts a group together in, one for each thread; ``starts`` is where subgroups do."""

    starts: Members
    counts: Members
    sums: NDArray[np.float32]
    taken: Members

    @classmethod
    def of(cls, sizes: tuple[int, ...], dim: int) -> "_Room":
        """Make room for a group: numpy does so in no time, and what numba does would have to be compiled."""
        n = len(sizes)
        counts, taken = np.empty(n, np.int64), np.empty(sum(sizes), np.int64)
        return cls(np.cumsum((0, *sizes[:-1])), counts, np.empty((n, dim), np.float32), taken)


class _Outcome(NamedTuple):
    """What compiled code fills, one row for each group, and where it looks whether to stop."""

    members: Members
    draws: Members
    accepted: Members
    restarts: Members
    stop: Members

    def part(self, rows: slice) -> "_Outcome":
        """Return some of the rows."""
        return _Outcome(
            self.members[rows], self.draws[rows], self.accepted[rows], self.restarts[rows], self.stop
        )


@compiled()
def _draw_groups(
    coarse, half_scale, doubt, vectors, exact, bound, sizes, within, across, linkage, key, max_draws,
    max_restarts, listing, starts, counts, sums, taken, first, given, members, draws, accepted, restarts,
    stop,
):  # fmt: skip
    """Draw groups ``first`` to ``first + len(members) - 1``; return False when stopped or exhausted.

    Of a group that ran out of restarts, ``members`` keeps the last attempt, -1 where nobody joined. Without
    ``max_draws`` (0) an attempt ends when it is complete or nobody can join. If ``listing`` is None, a type
    of its own, nobody is ever listed, and what lists them is not even compiled. ``given`` has a row for each
    group: who is in subgroup 0 from the start, instead of a user drawn for each attempt; nobody if empty.
    """
    # So many candidates cost more to draw than to list once.
    patience = max_draws if max_draws > 0 else vectors.shape[0]
    n_subgroups = sizes.shape[0]
    for row in range(members.shape[0]):
        group, group_members = first + row, members[row]
        draw, joined = ZERO, 0
        while joined < members.shape[1]:
            restarts[row] += draw > 0
            if stop[0] or restarts[row] > max_restarts:
                return False
            counts[:] = 0
            sums[:] = np.float32(0.0)
            group_members[:] = -1
            for m in range(given.shape[1]):
                add_member(vectors, sums, group_members, starts, counts, taken, m, ZERO, given[row, m])
            if given.shape[1] == 0:
                word = block(draw, group, ZERO, key)[draw & 3]
                user = uniform_below(word, vectors.shape[0], draw, group, key)
                add_member(vectors, sums, group_members, starts, counts, taken, ZERO, ZERO, user)
                draw += 1
            joined, turn = max(1, given.shape[1]), 1 % n_subgroups
            begun, until = draw, draw + patience
            while joined < members.shape[1]:
                user, turn, draw = next_to_join(
                    coarse, half_scale, doubt, vectors, exact, sums, group_members, starts, counts, sizes,
                    taken, joined, turn, draw, min(until, draw + _DRAWS_BETWEEN_LOOKS), group, key, within,
                    across, linkage, bound, _ANYBODY,
                )  # fmt: skip
                if user < 0 and draw < until:
                    if stop[0]:
                        return False
                    continue
                if listing is None:
                    if user < 0:
                        break
                elif user < 0:
                    user, turn, draw = next_of_listed(
                        coarse, half_scale, doubt, vectors, exact, sums, group_members, starts, counts,
                        sizes, taken, joined, turn, draw, group, key, within, across, linkage, bound,
                    )  # fmt: skip
                    if user < 0:
                        break
                add_member(vectors, sums, group_members, starts, counts, taken, joined, turn, user)
                joined += 1
                accepted[row] += 1
                turn = turn + 1 if turn + 1 < n_subgroups else 0
                until = until if max_draws > 0 else draw + patience
            draws[row] += draw - begun
    return True


def sample_groups(
    users: Users,
    kind: GroupType,
    law: Law,
    *,
    first: int = 0,
    n_groups: int | None = None,
    given: Members | None = None,
    or_fewer: bool = False,
    runtime: Runtime = ALONE,
) -> Groups:
    """Draw the groups of one type.

    Parameters
    ----------
    users : Users
        Whom to draw from.
    kind : GroupType
        Rules, linkage, subgroup sizes and number of groups.
    law : Law
        What every draw follows from.
    first : int
        Number of the first group.
    n_groups : int, optional
        Instead of the family's own number.
    given : (n_groups, sizes[0]) int64, optional
        The first subgroup of each group: it stays as it is, and only the others are drawn.
    or_fewer : bool
        Return the groups before the first that cannot be completed, perhaps none, instead of an error.
    runtime : Runtime
        Threads and processes that share the groups; the result does not depend on it.

    Returns
    -------
    Groups

    Raises
    ------
    InputError
        If there are fewer users than members, or a group could not be completed: then the message says
        which step starves, how many users qualify and by how much the nearest one misses it.

    Notes
    -----
    A draw costs ``dim`` multiply-adds for each subgroup (mean linkage) or member (all, any), whatever the
    number of users; of histories it costs the items of the candidate and of all members it is compared with.
    Memory: the members.
    """
    count = kind.n_groups if n_groups is None else n_groups
    check_size(kind, users.n_users)
    outcome = _draw_shared(users, kind, law, first, _given_or_nobody(given, count), or_fewer, runtime)
    exhausted = outcome.restarts > law.max_restarts
    if exhausted.any() and not or_fewer:
        raise Unfilled(f"{kind.name}: {explain_incomplete(users, kind, law, given)}")
    complete = slice(int(exhausted.argmax()) if exhausted.any() else count)
    accounting = Accounting(outcome.draws[complete], outcome.accepted[complete], outcome.restarts[complete])
    return Groups(kind.name, outcome.members[complete], kind.sizes, accounting)


def _given_or_nobody(given: Members | None, count: int) -> Members:
    return np.empty((count, 0), np.int64) if given is None else given


def _draw_shared(
    users: Users, kind: GroupType, law: Law, first: int, given: Members, or_fewer: bool, runtime: Runtime
) -> _Outcome:
    """Draw a group for each row of ``given``, shared by threads and ranks in calls of a few groups."""
    count, ranks = len(given), runtime.ranks
    step = max(_FEWEST_PER_CALL, min(_GROUPS_PER_CALL, count // _CALLS))
    # One for each call, in the only row: a worker that raises sets them all.
    stops = np.zeros((1, -(-count // step)), np.int64)
    draws, accepted, restarts = (np.zeros(count, np.int64) for _ in range(3))
    members = np.zeros((count, kind.size), np.int64)
    everything = _Outcome(members, draws, accepted, restarts, stops[0])
    scores, rules = _compile_law(users, kind, law)

    def worker(tasks: SharedTasks[int]) -> None:
        room = _Room.of(kind.sizes, scores.vectors.shape[1])
        for call in tasks:
            rows = slice(call * step, (call + 1) * step)
            part = everything.part(rows)._replace(stop=stops[0, call : call + 1])
            if not _draw_groups(*scores, *rules, *room, first + rows.start, given[rows], *part):
                # Groups of earlier calls may be among the fewer.
                stops[0, call if or_fewer else 0 :] = 1
            # The other ranks are about as far.
            bar.update(ranks.size * len(part.restarts))

    label = f"{law.stream} {kind.name}"
    with progress(label=label, unit="group", total=count, hidden=ranks.rank > 0) as bar:
        run_workers(worker, ranks.share(range(stops.size)), threads=runtime.threads, stop=stops)
    for column in (everything.draws, everything.accepted, everything.restarts, everything.members):
        ranks.sum(column)
    return everything


def explain_incomplete(users: Users, kind: GroupType, law: Law, given: Members | None = None) -> str:
    """Say why a group could not be completed, for the arguments of `sample_groups`.

    Costs a hundred attempts, whatever ``max_restarts``, and their diagnosis.
    """
    attempt = _deepest_attempt(users, kind, law, _given_or_nobody(given, 1))
    reason = explain_starvation(users, kind, attempt, law.limits)
    attempts = f"{law.max_restarts + 1:,} attempts" + (
        f" of {law.max_draws:,} draws" if law.max_draws else ""
    )
    return f"a group could not be completed in {attempts}. {reason}"


def _compile_law(users: Users, kind: GroupType, law: Law) -> tuple[_Scores, _Rules]:
    """Return what all groups of a type have in common: the first arguments of the compiled loop.

    Handed over one by one: a call costs 2 us so, and 6 us with the named tuples themselves.
    """
    vectors, exact, bound = users.fast
    coarse, family = users.coarse, kind.family
    # As in _decide_mean; a coarse row is longer than its vector by the error at most.
    doubt = coarse.error / 2 + bound * (1.0 + coarse.error + kind.size / vectors.shape[1])
    scores = _Scores(coarse.rows, coarse.scale / 2, doubt, vectors, exact, bound)
    within, across = family.within.interval(law.limits), family.across.interval(law.limits)
    rules = _Rules(
        np.array(kind.sizes),
        within,
        across,
        int(family.linkage),
        stream_key(law.seed, law.stream, kind.name),
        law.max_draws or 0,
        law.max_restarts,
        None if law.max_draws else True,
    )
    return scores, rules


def _deepest_attempt(users: Users, kind: GroupType, law: Law, given: Members) -> Members:
    """Return the attempt with most members among a hundred single ones, -1 where nobody joined."""
    members = np.full((_ATTEMPTS_EXPLAINED, kind.size), -1, np.int64)
    scores, rules = _compile_law(users, kind, replace(law, max_restarts=0))
    room = _Room.of(kind.sizes, scores.vectors.shape[1])
    for group in range(len(members)):
        zeros = [np.zeros(1, np.int64) for _ in range(4)]
        from_start = given[group % len(given)][np.newaxis]
        _draw_groups(*scores, *rules, *room, group, from_start, members[group : group + 1], *zeros)
    return members[(members >= 0).sum(axis=1).argmax()]
