"""Say why a family cannot be filled, and which thresholds would fill it."""

import math

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.distributed import ONE, Ranks
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.similarity.limits import Band, Limits
from elsa_groups.similarity.scores import Users, reference_similarities
from elsa_groups.similarity.thresholds import share_of_pairs

Values = NDArray[np.float64]
Members = NDArray[np.int64]
Intervals = dict[Rule, Band]
Needs = dict[Rule, tuple[Values, Values]]


def explain_starvation(
    users: Users,
    family: Family,
    sizes: tuple[int, ...],
    attempt: Members,
    *,
    similar: float,
    divergent: float,
    band: Band | None = None,
    threads: int = 1,
    ranks: Ranks = ONE,
) -> str:
    """Explain at which step an unfinished group starves, and what would let it go on.

    Parameters
    ----------
    users : (n_users, dim) float32, or BinaryHistories
        Unit rows, or histories.
    family : Family
        The rules.
    sizes : tuple of int
        Subgroup sizes of the key.
    attempt : (size,) int64
        Members of the attempt that came farthest by position, -1 where nobody joined.
    similar, divergent : float
        Thresholds on similarity.
    band : (float, float), optional
        Lowest and highest similarity by the rule band.
    threads : int
        Threads that count the pairs of users on either side of a needed threshold.
    ranks : Ranks
        Processes that share these pairs; all must explain the same attempt.

    Returns
    -------
    str
        The step, how many users qualify for it, and the thresholds that would admit the nearest one:
        one step further, so that filling the family may take several rounds.
    """
    joined = attempt[attempt >= 0]
    if len(joined) == len(attempt):
        return "Others could: those who qualify are rare. " + _ALLOW_MORE
    subgroups = [part[part >= 0] for part in np.split(attempt, np.cumsum(sizes)[:-1])]
    open_ones = [s for s, part in enumerate(subgroups) if len(part) < sizes[s]]
    limits: Limits = {"similar": similar, "divergent": divergent, "band": band}
    intervals = {
        rule: rule.interval(**limits) for rule in sorted({family.within, family.across} - {Rule.any})
    }
    needs = [_needed_intervals(users, family, subgroups, s, intervals) for s in open_ones]
    misses = np.array([_misses(need, intervals, users.shape[0]) for need in needs])
    misses[:, joined] = np.inf
    qualifying = int((misses <= 0).any(axis=0).sum())
    step = (
        f"The attempt that came farthest had {len(joined)} of {len(attempt)} members; of {users.shape[0]:,}"
        f" users {qualifying:,} qualify as the next."
    )
    if qualifying:
        return f"{step} They are rare. {_ALLOW_MORE}"
    turn, user = np.unravel_index(misses.argmin(), misses.shape)
    advice = []
    for rule, (low, high) in intervals.items():
        lowest, highest = (float(ends[user]) for ends in needs[int(turn)][rule])
        if lowest < low:
            advice.append(_advise(_LOW_ENDS[rule], lowest, low, users, threads, ranks))
        if highest > high:
            advice.append(_advise(_HIGH_ENDS[rule], highest, high, users, threads, ranks))
    return (
        f"{step} The nearest one needs {' and '.join(advice)}; or ask for smaller groups or another linkage."
    )


_ALLOW_MORE = "Raise sampling.max_draws (null: no bound), sampling.max_restarts, or loosen the thresholds."


# The thresholds that are the ends of a rule's interval.
_LOW_ENDS = {Rule.similar: "similar", Rule.band: "band.low"}
_HIGH_ENDS = {Rule.divergent: "divergent", Rule.band: "band.high"}


def _advise(name: str, value: float, limit: float, users: Users, threads: int, ranks: Ranks) -> str:
    """Return the settings that bring a threshold to a value, rounded to the side that admits it."""
    share = share_of_pairs(users, value, threads=threads, ranks=ranks)
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
    everybody = np.arange(users.shape[0])
    needs = {rule: (np.full(users.shape[0], np.inf), np.full(users.shape[0], -np.inf)) for rule in asked}
    for s, part in enumerate(subgroups):
        rule = family.within if s == turn else family.across
        if rule == Rule.any or not len(part):
            continue
        scores = np.array(
            [reference_similarities(users, everybody, np.full_like(everybody, m)) for m in part]
        )
        low, high = _linked(scores, family.linkage, asked[rule])
        lowest, highest = needs[rule]
        needs[rule] = np.minimum(lowest, low), np.maximum(highest, high)
    return needs


def _linked(scores: Values, linkage: Linkage, interval: Band) -> tuple[Values, Values]:
    """Return the lowest and the highest similarity that count, of (n_members, n_users) similarities."""
    if linkage == Linkage.all:
        return scores.min(axis=0), scores.max(axis=0)
    if linkage == Linkage.mean:
        means = scores.mean(axis=0)
        return means, means
    nearest = np.maximum(interval[0] - scores, scores - interval[1]).argmin(axis=0)
    best = scores[nearest, np.arange(scores.shape[1])]
    return best, best


def _misses(needs: Needs, intervals: Intervals, n_users: int) -> Values:
    """Return by how much every user misses the intervals of the rules; none or less if it meets them."""
    misses = np.full(n_users, -np.inf)
    for rule, (lowest, highest) in needs.items():
        low, high = intervals[rule]
        misses = np.maximum(misses, np.maximum(low - lowest, highest - high))
    return misses
