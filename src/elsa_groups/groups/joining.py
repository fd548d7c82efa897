"""Who joins a group next: the compiled loop that nearly all time goes into.

Decisions are those of the float64 reference similarities on every machine: a score of 8-bit rows, and then
one in float32, decides only where its error bound leaves no doubt.
"""

import numpy as np

from elsa_groups.base.compiled import compiled
from elsa_groups.base.cpu_prefetch import prefetch_row
from elsa_groups.base.philox import ZERO, almost_uniform_below, block, uniform_below
from elsa_groups.groups.family import Linkage
from elsa_groups.similarity.scores import coarse_dot, fast_dot, reference_similarity

_MEAN, _ALL = int(Linkage.mean), int(Linkage.all)


@compiled()
def _reference(vectors, exact, u, v):
    """Return the reference similarity of two users: by their vectors where nothing else is exact.

    None is a type of its own, so which it is costs nothing; one more array in the hot loop would.
    """
    if exact is None:
        return reference_similarity(vectors, u, v)
    return reference_similarity(exact, u, v)


@compiled()
def _distance(value, low, high):
    """How far a value is from the nearer end of an interval."""
    return min(abs(value - low), abs(value - high))


@compiled()
def _decide_mean(vectors, exact, sums, s, members, start, count, user, low, high, bound):
    """Whether the mean similarity of a user to the members of a subgroup lies in an interval."""
    value = 0.5 + 0.5 * np.float64(fast_dot(vectors, user, sums, s)) / count
    # A sum of count unit rows has norm at most count, so the mean keeps the bound of a pair, but for the
    # rounding of the running sum.
    if _distance(value, low, high) <= bound * (1.0 + count / vectors.shape[1]):
        total, least, most = 0.0, np.inf, -np.inf
        for m in range(start, start + count):
            one = _reference(vectors, exact, members[m], user)
            total, least, most = total + one, min(least, one), max(most, one)
        # As elsa_groups.groups.linkage has it: the mean of equal values is the value.
        value = min(most, max(least, total / count))
    return low <= value <= high


# Without references to count: the process that compiles the kernels would count two arrays' at every pair,
# which costs as much as the coarse dot product; code read from the cache does not.
@compiled(_nrt=False)
def _decide_pairs(
    coarse, half_scale, doubt, vectors, exact, members, start, count, user, low, high, every, bound
):  # fmt: skip
    """Whether every, or any, similarity of a user to members lies in an interval."""
    for m in range(start, start + count):
        value = 0.5 + half_scale * np.float64(coarse_dot(coarse, user, vectors, members[m]))
        if _distance(value, low, high) <= doubt:
            value = 0.5 + 0.5 * np.float64(fast_dot(vectors, members[m], vectors, user))
            if _distance(value, low, high) <= bound:
                value = np.float64(_reference(vectors, exact, members[m], user))
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
def next_to_join(
    coarse, half_scale, doubt, vectors, exact, sums, members, starts, counts, sizes, taken, joined, turn,
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
    words = block(draw, group, ZERO, key)
    coming = block((draw + 3) & ~3, group, ZERO, key)
    qualifying = 0
    while draw < last_draw:
        user = draw
        if nth < 0:
            while counts[turn] == sizes[turn]:
                turn = turn + 1 if turn + 1 < n_subgroups else 0
            if draw & 3 == 0:
                words, coming = coming, block(draw + 4, group, ZERO, key)
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
                        vectors, exact, sums, s, members, starts[s], counts[s], user, low, high, bound
                    )
                else:
                    accepted = low <= value <= high
            else:
                accepted = _decide_pairs(
                    coarse, half_scale, doubt, vectors, exact, members, starts[s], counts[s], user, low,
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
def next_of_listed(
    coarse, half_scale, doubt, vectors, exact, sums, members, starts, counts, sizes, taken, joined, turn,
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
            _, _, qualifying[s] = next_to_join(
                coarse, half_scale, doubt, vectors, exact, sums, members, starts, counts, sizes, taken,
                joined, s, ZERO, others, group, key, within, across, linkage, bound, others,
            )  # fmt: skip
    if qualifying.sum() == 0:
        return -1, turn, draw
    while True:
        while counts[turn] == sizes[turn]:
            turn = turn + 1 if turn + 1 < sizes.shape[0] else 0
        nth = uniform_below(block(draw, group, ZERO, key)[draw & 3], others, draw, group, key)
        draw += 1
        if nth < qualifying[turn]:
            break
        turn = turn + 1 if turn + 1 < sizes.shape[0] else 0
    user, _, _ = next_to_join(
        coarse, half_scale, doubt, vectors, exact, sums, members, starts, counts, sizes, taken, joined,
        turn, ZERO, others, group, key, within, across, linkage, bound, nth,
    )  # fmt: skip
    return user, turn, draw


@compiled()
def add_member(vectors, sums, members, starts, counts, taken, size, s, user):
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
