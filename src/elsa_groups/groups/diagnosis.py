"""Say at which step the groups of a type starve, and how much the nearest user misses it by."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.family import Family, GroupType, Rule
from elsa_groups.groups.linkage import deciding_of_all
from elsa_groups.similarity.limits import Band, Limits
from elsa_groups.similarity.users import Users

Values = NDArray[np.float64]
Members = NDArray[np.int64]
Intervals = dict[Rule, Band]
Needs = dict[Rule, tuple[Values, Values]]


def explain_starvation(users: Users, kind: GroupType, attempt: Members, limits: Limits) -> str:
    """Explain at which step an unfinished group starves, and what the nearest user misses.

    Parameters
    ----------
    users : Users
        Whom it was drawn from.
    kind : GroupType
        Its rules and subgroup sizes.
    attempt : (size,) int64
        Members of the attempt that came farthest by position, -1 where nobody joined.
    limits : Limits
        What the rules mean.

    Returns
    -------
    str
        The step, how many users qualify for it, and the similarities at which thresholds would admit the
        nearest one. That is one step, and no advice: thresholds may be in the wrong order then, and the
        next step may starve.
    """
    joined = attempt[attempt >= 0]
    if len(joined) == len(attempt):
        return "Others could: those who qualify are rare."
    family = kind.family
    subgroups = [part[part >= 0] for part in np.split(attempt, np.cumsum(kind.sizes)[:-1])]
    open_ones = [s for s, part in enumerate(subgroups) if len(part) < kind.sizes[s]]
    intervals = {rule: rule.interval(limits) for rule in sorted({family.within, family.across} - {Rule.any})}
    needs = [_needed_intervals(users, family, subgroups, s, intervals) for s in open_ones]
    misses = np.array([_misses(need, intervals, users.n_users) for need in needs])
    misses[:, joined] = np.inf
    qualifying = int((misses <= 0).any(axis=0).sum())
    step = (
        f"The attempt that came farthest had {len(joined)} of {len(attempt)} members; of {users.n_users:,}"
        f" users {qualifying:,} qualify as the next."
    )
    if qualifying:
        return f"{step} They are rare."
    turn, user = np.unravel_index(misses.argmin(), misses.shape)
    needed = {rule: (float(low[user]), float(high[user])) for rule, (low, high) in needs[int(turn)].items()}
    changes = " and ".join(
        f"{name} {value:.6f} (it is {limit:.6f})" for name, value, limit in _changes(needed, intervals)
    )
    return f"{step} The nearest one would be admitted by {changes}."


def _changes(needed: Intervals, asked: Intervals) -> Iterator[tuple[str, float, float]]:
    """Yield the thresholds that must move: name, similarity that it must admit, and where it is."""
    for rule, (low, high) in asked.items():
        lowest, highest = needed[rule]
        if lowest < low:
            yield _LOW_ENDS[rule], lowest, low
        if highest > high:
            yield _HIGH_ENDS[rule], highest, high


# The thresholds that are the ends of a rule's interval.
_LOW_ENDS = {Rule.similar: "similar", Rule.band: "band.low"}
_HIGH_ENDS = {Rule.divergent: "divergent", Rule.band: "band.high"}


def _needed_intervals(
    users: Users, family: Family, subgroups: list[Members], turn: int, asked: Intervals
) -> Needs:
    """Return by rule, and for every user, the similarities that its interval must reach for it to join."""
    needs = {rule: (np.full(users.n_users, np.inf), np.full(users.n_users, -np.inf)) for rule in asked}
    for s, part in enumerate(subgroups):
        rule = family.within if s == turn else family.across
        if rule == Rule.any or not len(part):
            continue
        low, high = np.empty((2, users.n_users))
        deciding_of_all(users.kernel, part, int(family.linkage), *asked[rule], low, high)
        lowest, highest = needs[rule]
        needs[rule] = np.minimum(lowest, low), np.maximum(highest, high)
    return needs


def _misses(needs: Needs, intervals: Intervals, n_users: int) -> Values:
    """Return by how much every user misses the intervals of the rules; none or less if it meets them."""
    misses = np.full(n_users, -np.inf)
    for rule, (lowest, highest) in needs.items():
        low, high = intervals[rule]
        misses = np.maximum(misses, np.maximum(low - lowest, highest - high))
    return misses
