"""Say why a family cannot be filled, and which thresholds would fill it."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.runtime import ALONE, Runtime
from elsa_groups.groups.family import Family, GroupType, Rule
from elsa_groups.groups.linkage import deciding_of_all
from elsa_groups.similarity.limits import Band, Limits
from elsa_groups.similarity.thresholds import share_of_pairs
from elsa_groups.similarity.users import Users

Values = NDArray[np.float64]
Members = NDArray[np.int64]
Intervals = dict[Rule, Band]
Needs = dict[Rule, tuple[Values, Values]]


def explain_starvation(
    users: Users, kind: GroupType, attempt: Members, limits: Limits, runtime: Runtime = ALONE
) -> str:
    """Explain at which step an unfinished group starves, and what would let it go on.

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
    runtime : Runtime
        What shares the count of pairs on either side of a needed threshold; all ranks must explain the same
        attempt.

    Returns
    -------
    str
        The step, how many users qualify for it, and the thresholds that would admit the nearest one:
        one step further, so that filling the family may take several rounds.
    """
    joined = attempt[attempt >= 0]
    if len(joined) == len(attempt):
        return "Others could: those who qualify are rare. " + _ALLOW_MORE
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
        return f"{step} They are rare. {_ALLOW_MORE}"
    turn, user = np.unravel_index(misses.argmin(), misses.shape)
    needed = {rule: (float(low[user]), float(high[user])) for rule, (low, high) in needs[int(turn)].items()}
    advice = [_advise(*change, users, runtime) for change in _changes(needed, intervals)]
    return (
        f"{step} The nearest one needs {' and '.join(advice)}; or ask for smaller groups or another linkage."
    )


def _changes(needed: Intervals, asked: Intervals) -> Iterator[tuple[str, float, float]]:
    """Yield the thresholds that must move: name, similarity that it must admit, and where it is."""
    for rule, (low, high) in asked.items():
        lowest, highest = needed[rule]
        if lowest < low:
            yield _LOW_ENDS[rule], lowest, low
        if highest > high:
            yield _HIGH_ENDS[rule], highest, high


_ALLOW_MORE = "Raise sampling.max_draws (null: no bound), sampling.max_restarts, or loosen the thresholds."


# The thresholds that are the ends of a rule's interval.
_LOW_ENDS = {Rule.similar: "similar", Rule.band: "band.low"}
_HIGH_ENDS = {Rule.divergent: "divergent", Rule.band: "band.high"}


def _advise(name: str, value: float, limit: float, users: Users, runtime: Runtime) -> str:
    """Return the settings that bring a threshold to a value, rounded to the side that admits it."""
    share = share_of_pairs(users, value, runtime=runtime)
    if value < limit:
        # The last order statistic that is not above the value.
        quantile = math.floor((share.not_above - share.margin) * 1e4) / 1e4
        value_there = math.floor(value * 1e6) / 1e6
    else:
        quantile = math.ceil((share.below + share.margin) * 1e4) / 1e4
        value_there = math.ceil(value * 1e6) / 1e6
    settings = [f"thresholds.{name}.quantile={quantile:.4g}"] if 0 <= quantile <= 1 else []
    settings.append(f"thresholds.{name}.value={value_there}")
    return f"{' or '.join(settings)} (similarity {value:.4f} where {limit:.4f} is asked)"


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
