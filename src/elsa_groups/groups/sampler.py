"""Draw groups: the seed notebook's loop, compiled, one group at a time.

A group starts from a user drawn uniformly, in subgroup 0. Then candidates are drawn uniformly from the
users not yet in it, and offered to the subgroup whose turn it is: turns rotate with every draw, starting
at subgroup 1 (0 if it is the only one), and skip full subgroups. A candidate joins if it meets ``within``
towards its own subgroup (an empty one takes anybody) and ``across`` towards every other that has members.
After ``max_draws`` draws without completing, or when nobody can join, the group is dropped and started
over.

Draw ``t`` of group ``g`` of a key depends on (seed, key, g, t) alone, so neither threads nor ranks nor more
groups nor other keys change a group.
"""

import math
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.base.distributed import ONE, Ranks
from elsa_groups.base.errors import InputError, Unfilled
from elsa_groups.base.philox import almost_uniform_below, block, stream_key, uniform_below
from elsa_groups.base.prefetch import prefetch_row
from elsa_groups.base.progress import progress
from elsa_groups.base.threads import SharedTasks, run_workers
from elsa_groups.groups.diagnosis import explain_starvation
from elsa_groups.groups.family import Accounting, Family, Groups, Linkage
from elsa_groups.similarity.histories import history_similarity
from elsa_groups.similarity.limits import Band, Limits
from elsa_groups.similarity.scores import (
    Coarse,
    Users,
    coarse_dot,
    coarsen,
    fast_cosine_bound,
    fast_dot,
    vector_similarity,
)

_MEAN, _ALL = int(Linkage.mean), int(Linkage.all)

# So often a stop is noticed.
_DRAWS_BETWEEN_LOOKS = 1 << 20
# Enough groups a call that the call itself, and threads waiting for the interpreter, cost little, and enough
# calls to go round. None may depend on the number of threads, which ranks need not have in common.
_FEWEST_PER_CALL, _GROUPS_PER_CALL = 4, 64
_CALLS = 256


@compiled()
def _reference(vectors, histories, u, v):
    """Return the reference similarity of two users: by their vectors where there are no histories.

    None is a type of its own, so which it is costs nothing; one more array in the hot loop would.
    """
    if histories is None:
        return vector_similarity(vectors, u, v)
    return history_similarity(histories, u, v)


@compiled()
def _distance(value, low, high):
    """How far a value is from the nearer end of an interval."""
    return min(abs(value - low), abs(value - high))


@compiled()
def _decide_mean(vectors, histories, sums, s, members, start, count, user, low, high, bound):
    """Whether the mean similarity of a user to the members of a subgroup lies in an interval."""
    value = 0.5 + 0.5 * np.float64(fast_dot(vectors, user, sums, s)) / count
    # A sum of count unit rows has norm at most count, so the mean keeps the bound of a pair, but for the
    # rounding of the running sum.
    if _distance(value, low, high) <= bound * (1.0 + count / vectors.shape[1]):
        value = 0.0
        for m in range(start, start + count):
            value += _reference(vectors, histories, members[m], user)
        value /= count
    return low <= value <= high


# Without references to count: the process that compiles the kernels would count two arrays' at every pair,
# which costs as much as the coarse dot product; code read from the cache does not.
@compiled(_nrt=False)
def _decide_pairs(
    coarse, half_scale, doubt, vectors, histories, members, start, count, user, low, high, every, bound
):  # fmt: skip
    """Whether every, or any, similarity of a user to members lies in an interval."""
    for m in range(start, start + count):
        value = 0.5 + half_scale * np.float64(coarse_dot(coarse, user, vectors, members[m]))
        if _distance(value, low, high) <= doubt:
            value = 0.5 + 0.5 * np.float64(fast_dot(vectors, members[m], vectors, user))
            if _distance(value, low, high) <= bound:
                value = np.float64(_reference(vectors, histories, members[m], user))
        if (low <= value <= high) != every:
            return not every
    return every


@compiled()
def among_others(user, taken, joined):
    """Return the user of a number among the users not taken."""
    for i in range(joined):
        if taken[i] <= user:
            user += 1
    return user


@compiled(error_model="numpy")
def _next_to_join(
    coarse, half_scale, doubt, vectors, histories, sums, members, starts, counts, sizes, taken, joined, turn,
    draw, last_draw, group, key, within, across, linkage, bound, nth,
):  # fmt: skip
    """Draw until a candidate joins, or until ``last_draw``; return it (or -1), its subgroup, the next draw.

    If ``nth`` is not negative, candidates are all users in order instead, ``draw`` being their number, and
    offered to ``turn`` alone; the one sought has ``nth`` others before it who qualify. If it is not there,
    how many do is returned instead of a draw.

    The loop that all time goes into: its arrays are arguments, since arrays handed on or sliced inside it
    would have their references counted at every draw.
    """
    n_subgroups = sizes.shape[0]
    others = vectors.shape[0] - joined
    words = block(draw, group, 0, key)
    coming = block((draw + 3) & ~3, group, 0, key)
    qualifying = 0
    while draw < last_draw:
        user = draw
        if nth < 0:
            while counts[turn] == sizes[turn]:
                turn = turn + 1 if turn + 1 < n_subgroups else 0
            if draw & 3 == 0:
                words, coming = coming, block(draw + 4, group, 0, key)
                for word in coming:
                    prefetch_row(coarse, among_others(almost_uniform_below(word, others), taken, joined))
            user = uniform_below(words[draw & 3], others, draw, group, key)
        draw += 1
        user = among_others(user, taken, joined)
        accepted = True
        for s in range(n_subgroups):
            low, high = within if s == turn else across
            if counts[s] == 0 or (low == -np.inf and high == np.inf):
                continue
            if linkage == _MEAN:
                value = 0.5 + half_scale * np.float64(coarse_dot(coarse, user, sums, s)) / counts[s]
                if _distance(value, low, high) <= doubt:
                    accepted = _decide_mean(
                        vectors, histories, sums, s, members, starts[s], counts[s], user, low, high, bound
                    )
                else:
                    accepted = low <= value <= high
            else:
                accepted = _decide_pairs(
                    coarse, half_scale, doubt, vectors, histories, members, starts[s], counts[s], user, low,
                    high, linkage == _ALL, bound,
                )  # fmt: skip
            if not accepted:
                break
        if accepted:
            if qualifying >= nth:
                return user, turn, draw
            qualifying += 1
        if nth < 0:
            turn = turn + 1 if turn + 1 < n_subgroups else 0
    return -1, turn, draw if nth < 0 else qualifying


@compiled()
def _next_of_listed(
    coarse, half_scale, doubt, vectors, histories, sums, members, starts, counts, sizes, taken, joined, turn,
    draw, group, key, within, across, linkage, bound,
):  # fmt: skip
    """Draw until a candidate joins, or return -1 if nobody can.

    Users are numbered anew for each turn, those who qualify first. A uniform number below how many they are
    is one of them, so that draws are counted and candidates join by the same law, at almost no cost a draw.
    """
    others = vectors.shape[0] - joined
    qualifying = np.zeros(sizes.shape[0], np.int64)
    for s in range(sizes.shape[0]):
        if counts[s] < sizes[s]:
            _, _, qualifying[s] = _next_to_join(
                coarse, half_scale, doubt, vectors, histories, sums, members, starts, counts, sizes, taken,
                joined, s, 0, others, group, key, within, across, linkage, bound, others,
            )  # fmt: skip
    if qualifying.sum() == 0:
        return -1, turn, draw
    while True:
        while counts[turn] == sizes[turn]:
            turn = turn + 1 if turn + 1 < sizes.shape[0] else 0
        nth = uniform_below(block(draw, group, 0, key)[draw & 3], others, draw, group, key)
        draw += 1
        if nth < qualifying[turn]:
            break
        turn = turn + 1 if turn + 1 < sizes.shape[0] else 0
    user, _, _ = _next_to_join(
        coarse, half_scale, doubt, vectors, histories, sums, members, starts, counts, sizes, taken, joined,
        turn, 0, others, group, key, within, across, linkage, bound, nth,
    )  # fmt: skip
    return user, turn, draw


@compiled()
def _add(vectors, sums, members, starts, counts, taken, size, s, user):
    """Put a user into a subgroup; ``taken`` keeps the group's users in ascending order."""
    members[starts[s] + counts[s]] = user
    counts[s] += 1
    for k in range(vectors.shape[1]):
        sums[s, k] += vectors[user, k]
    i = size
    while i > 0 and taken[i - 1] > user:
        taken[i] = taken[i - 1]
        i -= 1
    taken[i] = user


@compiled()
def _draw_groups(
    coarse, half_scale, doubt, vectors, histories, sizes, within, across, linkage, bound, key,
    first, given, max_draws, max_restarts, members, draws, accepted, restarts, stop,
):  # fmt: skip
    """Draw groups ``first`` to ``first + len(members) - 1``; return False when stopped or exhausted.

    Of a group that ran out of restarts, ``members`` keeps the last attempt, -1 where nobody joined. Without
    ``max_draws`` (0) an attempt ends when it is complete or nobody can join. ``given`` has a row for each
    group: who is in subgroup 0 from the start, instead of a user drawn for each attempt; nobody if empty.
    """
    # So many candidates cost more to draw than to list once.
    patience = max_draws if max_draws > 0 else vectors.shape[0]
    n_subgroups = sizes.shape[0]
    starts = np.zeros(n_subgroups, np.int64)
    for s in range(1, n_subgroups):
        starts[s] = starts[s - 1] + sizes[s - 1]
    counts = np.empty(n_subgroups, np.int64)
    sums = np.empty((n_subgroups, vectors.shape[1]), np.float32)
    taken = np.empty(members.shape[1], np.int64)
    for row in range(members.shape[0]):
        group, group_members = first + row, members[row]
        draw, joined = 0, 0
        while joined < members.shape[1]:
            restarts[row] += draw > 0
            if stop[0] or restarts[row] > max_restarts:
                return False
            counts[:] = 0
            sums[:] = np.float32(0.0)
            group_members[:] = -1
            for m in range(given.shape[1]):
                _add(vectors, sums, group_members, starts, counts, taken, m, 0, given[row, m])
            if given.shape[1] == 0:
                word = block(draw, group, 0, key)[draw & 3]
                user = uniform_below(word, vectors.shape[0], draw, group, key)
                _add(vectors, sums, group_members, starts, counts, taken, 0, 0, user)
                draw += 1
            joined, turn = max(1, given.shape[1]), 1 % n_subgroups
            begun, until = draw, draw + patience
            while joined < members.shape[1]:
                user, turn, draw = _next_to_join(
                    coarse, half_scale, doubt, vectors, histories, sums, group_members, starts, counts, sizes,
                    taken, joined, turn, draw, min(until, draw + _DRAWS_BETWEEN_LOOKS), group, key, within,
                    across, linkage, bound, -1,
                )  # fmt: skip
                if user < 0 and draw < until:
                    if stop[0]:
                        return False
                    continue
                if user < 0 and max_draws == 0:
                    user, turn, draw = _next_of_listed(
                        coarse, half_scale, doubt, vectors, histories, sums, group_members, starts, counts,
                        sizes, taken, joined, turn, draw, group, key, within, across, linkage, bound,
                    )  # fmt: skip
                if user < 0:
                    break
                _add(vectors, sums, group_members, starts, counts, taken, joined, turn, user)
                joined += 1
                accepted[row] += 1
                turn = turn + 1 if turn + 1 < n_subgroups else 0
                until = until if max_draws > 0 else draw + patience
            draws[row] += draw - begun
    return True


def draw_groups(
    users: Users,
    family: Family,
    sizes: tuple[int, ...],
    *,
    similar: float,
    divergent: float,
    band: Band | None = None,
    seed: int,
    coarse: Coarse | None = None,
    stream: str = "groups",
    n_groups: int | None = None,
    first: int = 0,
    or_fewer: bool = False,
    given: NDArray[np.int64] | None = None,
    max_draws: int | None = 1000,
    max_restarts: int = 10_000,
    threads: int = 1,
    ranks: Ranks = ONE,
) -> Groups:
    """Draw the groups of one key.

    Parameters
    ----------
    users : (n_users, dim) float32, or BinaryHistories
        Unit rows, C-contiguous, or histories.
    family : Family
        Rules, linkage and number of groups.
    sizes : tuple of int
        Subgroup sizes, one of the family's compositions.
    similar, divergent : float in [0, 1]
        Thresholds on similarity.
    band : (float, float), optional
        Lowest and highest similarity by the rule band, where the family asks for it.
    seed : int
        With the key and ``stream`` it fixes every draw.
    coarse : Coarse, optional
        The same rows by :func:`coarsen`, so that it is done once for many keys.
    stream : str
        Independent streams of draws: ``groups``, ``baseline``.
    n_groups : int, optional
        Instead of the family's own number.
    first : int
        Number of the first group.
    or_fewer : bool
        Return the groups before the first that cannot be completed, perhaps none, instead of an error.
    given : (n_groups, sizes[0]) int64, optional
        The first subgroup of each group: it stays as it is, and only the others are drawn.
    max_draws : int, optional
        Draws after which an attempt is dropped. None: not before nobody can join; after as many draws in
        vain as there are users, those who can join are listed and drawn from.
    max_restarts : int
        Dropped attempts after which the key cannot be filled.
    threads : int
        Threads over groups; the result does not depend on it.
    ranks : Ranks
        Processes that share the groups; all get all of them, which do not depend on their number.

    Returns
    -------
    Groups

    Raises
    ------
    InputError
        If there are fewer users than members, or a group could not be completed: then the message says
        which step starves, how many users qualify and which quantile would admit one.

    Notes
    -----
    Decisions are those of the float64 reference similarities on every machine: a score of 8-bit rows, and
    then one in float32, decides only where its error bound leaves no doubt. A draw costs ``dim``
    multiply-adds for each subgroup (mean linkage) or member (all, any), whatever the number of users; of
    histories it costs the items of the candidate and of all members it is compared with.
    Memory: the members, and the coarse rows if they are not given.
    """
    count = family.n_groups if n_groups is None else n_groups
    key = family.key(sizes)
    size = sum(sizes)
    n_users = users.shape[0]
    if n_users < size:
        raise InputError(f"{key}: expected at least {size} users to draw a group from, came {n_users}")
    members = np.zeros((count, size), np.int64)
    draws, accepted, restarts = (np.zeros(count, np.int64) for _ in range(3))
    step = max(_FEWEST_PER_CALL, min(_GROUPS_PER_CALL, count // _CALLS))
    # One for each call, in the only row: a worker that raises sets them all.
    stops = np.zeros((1, -(-count // step)), np.int64)
    given = np.empty((count, 0), np.int64) if given is None else given
    coarse = coarsen(users) if coarse is None else coarse
    limits: Limits = {"similar": float(similar), "divergent": float(divergent), "band": band}
    law = _law_of(users, family, sizes, limits, coarse, stream_key(seed, stream, key))

    def worker(tasks: SharedTasks[int]) -> None:
        for call in tasks:
            part = slice(call * step, (call + 1) * step)
            outcome = (members[part], draws[part], accepted[part], restarts[part], stops[0, call : call + 1])
            start = first + part.start, given[part]
            arguments: tuple[Any, ...] = (*law, *start, max_draws or 0, max_restarts, *outcome)
            if not _draw_groups(*arguments):
                # Groups of earlier calls may be among the fewer.
                stops[0, call if or_fewer else 0 :] = 1
            # The other ranks are about as far.
            bar.update(ranks.size * len(restarts[part]))

    with progress(label=f"{stream} {key}", unit="group", total=count, hidden=ranks.rank > 0) as bar:
        run_workers(worker, ranks.share(range(stops.size)), threads=threads, stop=stops)
    for numbers in (draws, accepted, restarts, members):
        ranks.sum(numbers)
    exhausted = restarts > max_restarts
    if exhausted.any() and not or_fewer:
        reason = explain_incomplete(
            users, family, sizes, seed=seed, coarse=coarse, stream=stream, given=given, max_draws=max_draws,
            max_restarts=max_restarts, threads=threads, ranks=ranks, **limits,
        )  # fmt: skip
        raise Unfilled(f"{key}: {reason}")
    complete = slice(int(exhausted.argmax()) if exhausted.any() else count)
    accounting = Accounting(draws[complete], accepted[complete], restarts[complete])
    return Groups(key, members[complete], sizes, accounting)


def explain_incomplete(
    users: Users,
    family: Family,
    sizes: tuple[int, ...],
    *,
    seed: int,
    coarse: Coarse | None = None,
    stream: str = "groups",
    given: NDArray[np.int64] | None = None,
    max_draws: int | None = 1000,
    max_restarts: int = 10_000,
    threads: int = 1,
    ranks: Ranks = ONE,
    **limits: Unpack[Limits],
) -> str:
    """Say why a group of a key could not be completed, and what would let it.

    Parameters
    ----------
    users, family, sizes, seed, coarse, stream, given, max_draws, max_restarts, threads, ranks, **limits
        As :func:`draw_groups` had them.

    Notes
    -----
    Costs a hundred attempts, whatever ``max_restarts``, and their diagnosis.
    """
    key, given = family.key(sizes), np.empty((1, 0), np.int64) if given is None else given
    coarse = coarsen(users) if coarse is None else coarse
    law = _law_of(users, family, sizes, limits, coarse, stream_key(seed, stream, key))
    attempt = _deepest_attempt(law, given, sum(sizes), max_draws)
    reason = explain_starvation(users, family, sizes, attempt, threads=threads, ranks=ranks, **limits)
    attempts = f"{max_restarts + 1:,} attempts" + (f" of {max_draws:,} draws" if max_draws else "")
    return f"a group could not be completed in {attempts}. {reason}"


def _law_of(
    users: Users, family: Family, sizes: tuple[int, ...], limits: Limits, coarse: Coarse, key: np.uint64
) -> tuple[Any, ...]:
    """Return the first arguments of the compiled loop, which all groups of a key have in common."""
    vectors, histories = (
        (users, None) if isinstance(users, np.ndarray) else (_no_vectors(users.shape[0]), users)
    )
    bound = math.inf if math.isinf(coarse.error) else fast_cosine_bound(vectors.shape[1]) / 2
    # As in _decide_mean; a coarse row is longer than its vector by the error at most.
    doubt = coarse.error / 2 + bound * (1.0 + coarse.error + sum(sizes) / vectors.shape[1])
    return (
        coarse.rows, coarse.scale / 2, doubt, vectors, histories,
        np.array(sizes), family.within.interval(**limits), family.across.interval(**limits),
        int(family.linkage), bound, key,
    )  # fmt: skip


def _no_vectors(n_users: int) -> NDArray[np.float32]:
    """Return what stands for the vectors of users who have histories: fast scores of these tell nothing."""
    return np.zeros((n_users, 1), np.float32)


def _deepest_attempt(
    law: tuple[Any, ...], given: NDArray[np.int64], size: int, max_draws: int | None
) -> NDArray[np.int64]:
    """Return the attempt with most members among a hundred single ones, -1 where nobody joined."""
    members = np.full((100, size), -1, np.int64)
    for group in range(len(members)):
        zeros = [np.zeros(1, np.int64) for _ in range(4)]
        from_start = given[group % len(given)][np.newaxis]
        outcome = (members[group : group + 1], *zeros)
        arguments: tuple[Any, ...] = (*law, group, from_start, max_draws or 0, 0, *outcome)
        _draw_groups(*arguments)
    return members[(members >= 0).sum(axis=1).argmax()]
