"""What drawing the groups of a type would take, estimated from random walks before any group is drawn."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.philox import stream_key
from elsa_groups.commands.feasibility.loosening import Looser, find_looser
from elsa_groups.commands.feasibility.orders import can_count_orders, count_orders
from elsa_groups.commands.feasibility.walks import Walks, walk
from elsa_groups.groups.family import GroupType
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.users import Users

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Verdict = Literal["feasible", "hard", "infeasible"]

# Attempts from a first member before it counts as one that cannot start a group.
TRIES = 5
# Times that the waits of each walk are drawn.
_WAITS = 100
_RESAMPLES = 2_000
_NORMAL = 1.96


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval; an end that is unbounded or undefined is None, as is the number."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Feasibility:
    """What drawing the groups of a type would take.

    Attributes
    ----------
    key : str
        The key.
    n_groups : int
        Groups wanted.
    attempts : int
        Attempts that the estimates are from.
    verdict : {"feasible", "hard", "infeasible"}
        Infeasible: that each group wanted is filled within the dropped attempts allowed is less likely than
        not; hard: more are dropped on average for each than a given number.
    starting_share : Estimate
        Share of users from whom one of up to 5 attempts completes (Wilson).
    activity_starting, activity_others : float or None
        Mean number of items in the histories of those users, and of the others.
    starting_difference : float or None
        The former less the latter, by the standard deviation over all users.
    acceptance : tuple of float
        For each member but the first: chance that a candidate joins, mean over attempts that come so far.
    reached_share : tuple of float
        Share of attempts that come so far, were draws without bound.
    completing_share : Estimate
        Share of attempts that complete (Wilson).
    expected_draws : Estimate
        Draws a group, those of dropped attempts included (bootstrap over attempts).
    expected_restarts : float or None
        Dropped attempts a group.
    log10_distinct_groups : Estimate
        Of the number of distinct sets of members that can be drawn (bootstrap over attempts).
    looser : tuple of Looser
        The nearest quantiles that would do, where the key is hard or infeasible.
    """

    key: str
    n_groups: int
    attempts: int
    verdict: Verdict
    starting_share: Estimate
    activity_starting: float | None
    activity_others: float | None
    starting_difference: float | None
    acceptance: tuple[float, ...]
    reached_share: tuple[float, ...]
    completing_share: Estimate
    expected_draws: Estimate
    expected_restarts: float | None
    log10_distinct_groups: Estimate
    looser: tuple[Looser, ...]


@dataclass(frozen=True)
class Effort:
    """How much is tried, and what is thought too much.

    Attributes
    ----------
    attempts : int
        Walks for each estimate.
    hard_restarts : float
        Expected dropped attempts a group from which on a type is hard.
    completing_share : float in (0, 1]
        Share of attempts that complete by a quantile which would do.
    max_draws : int or None
        Draws after which the sampler drops an attempt.
    max_restarts : int
        Dropped attempts after which the sampler gives a key up.
    """

    attempts: int
    hard_restarts: float
    completing_share: float
    max_draws: int | None
    max_restarts: int


def assess_key(
    users: Users,
    kind: GroupType,
    limits: Limits,
    activity: Integers,
    *,
    seed: int,
    effort: Effort,
    ordered: Floats,
) -> Feasibility:
    """Estimate what drawing the groups of a type would take.

    Parameters
    ----------
    users : Users
        Whom groups are drawn from.
    kind : GroupType
        Rules, linkage, subgroup sizes and number of groups.
    limits : Limits
        What the rules mean.
    activity : (n_users,) int64
        Items in each user's history.
    seed : int
        With the key it fixes first members and walks.
    effort : Effort
        How much is tried.
    ordered : (m,) float64
        Ascending similarities of random pairs, by which quantiles become thresholds.

    Returns
    -------
    Feasibility

    Notes
    -----
    The sampler's draws follow from who qualifies. With open subgroups s of which a share p_s of the other
    users would be accepted, a round of one draw for each is in vain with probability prod(1 - p_s), the
    number of rounds in vain is geometric, and the draw of the last round by which somebody joins has the
    law of its turn. An attempt completes if its waits add up to at most ``max_draws``; so each walk gives
    the chance of it, over waits drawn 100 times. Draws a group are the mean cost of an attempt by the
    share that completes. The number of distinct groups is Knuth's estimate of the number of sequences (see
    :class:`Walks`), each divided by the sequences to the same set of members.
    Vectors are compared by float32 scores: a pair within rounding of a threshold may count for the other
    side. The first subgroup of a paired key, which is given, is taken as drawn by its own rules.

    Cost: two walks for each attempt, one where there is one subgroup, and some twelve for each threshold to
    be loosened; see :func:`~elsa_groups.commands.feasibility.walks.walk`, also for the memory.
    """
    attempts = _Attempts(users, kind, seed, effort)
    firsts = _spread(users.n_users, effort.attempts, attempts.stream("firsts"))
    walks, draws, completed = attempts.make(firsts, limits, "walks")
    starting = attempts.can_start(firsts, limits, completed[:, 0] > 0)
    share = float(completed.mean())
    restarts = (1.0 - share) / share if share else None
    verdict = _judge(share, kind.n_groups, effort)
    sets = attempts.sets_per_walk(firsts, limits, walks)
    looser: tuple[Looser, ...] = ()
    if verdict != "feasible":
        looser = find_looser(
            {kind.family.within, kind.family.across}, limits, ordered,
            lambda trial: float(attempts.make(firsts, trial, "trial")[2].mean()),
            wanted=effort.completing_share,
        )  # fmt: skip
    return Feasibility(
        kind.name, kind.n_groups, len(firsts), verdict,
        _wilson(float(starting.mean()), len(firsts)),
        *_compare_activity(activity, firsts, starting),
        *_steps(walks),
        _wilson(share, len(firsts)),
        _bootstrap(draws.mean(axis=1), completed.mean(axis=1), rng=attempts.stream("draws")),
        restarts,
        _log10(_bootstrap(sets, rng=attempts.stream("sets"))),
        looser,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Attempts:
    """Attempts to draw groups of a type, each made from the seed and a name alone."""

    users: Users
    kind: GroupType
    seed: int
    effort: Effort

    def stream(self, name: str) -> np.random.Generator:
        key = stream_key(self.seed, "feasibility", self.kind.name, name)
        return np.random.Generator(np.random.Philox(key=int(key)))

    def make(self, firsts: Integers, limits: Limits, name: str) -> tuple[Walks, Floats, Floats]:
        """Return walks, and by :func:`_draw_waits` what each costs and whether it completes."""
        rng = self.stream(name)
        walks = walk(self.users, self.kind, limits, firsts, rng=rng)
        return walks, *_draw_waits(walks, self.users.n_users, self.effort.max_draws, rng)

    def can_start(self, firsts: Integers, limits: Limits, completed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return from whom an attempt completes, the first or one of some more."""
        starting = completed.copy()
        for number in range(1, TRIES):
            rest = np.flatnonzero(~starting)
            if len(rest):
                starting[rest] = self.make(firsts[rest], limits, f"again {number}")[2][:, 0] > 0
        return starting

    def sets_per_walk(self, firsts: Integers, limits: Limits, walks: Walks) -> Floats:
        """Return numbers whose expectation is that of distinct groups, (n,); none if groups are too large."""
        if not can_count_orders(self.kind.sizes):
            return np.empty(0)
        if len(self.kind.sizes) > 1:
            rng = self.stream("uniform")
            walks = walk(self.users, self.kind, limits, firsts, rng=rng, by_turns=False)
        members, sets = walks.members[walks.complete], np.zeros(len(firsts))
        size = members.shape[1]
        us, vs = np.repeat(members, size, axis=1), np.tile(members, size)
        similarities = self.users.similarities(us.ravel(), vs.ravel())
        orders = count_orders(similarities.reshape(-1, size, size), self.kind, limits)
        # By reference values there may be none, where float32 scores saw one.
        sets[walks.complete] = walks.sequences[walks.complete] / np.maximum(orders, 1.0)
        return sets


def _spread(n_users: int, n: int, rng: np.random.Generator) -> Integers:
    """Return n uniform first members, nobody again before everybody was."""
    rounds = [rng.permutation(n_users) for _ in range(-(-n // n_users))]
    return np.concatenate(rounds)[:n].astype(np.int64)


def _draw_waits(
    walks: Walks, n_users: int, max_draws: int | None, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return what each walk costs in draws, and whether it completes within them, many times: (n, 100)."""
    joined = walks.place > 0
    rounds = rng.geometric(np.where(joined, 1.0 - walks.in_vain, 1.0), (_WAITS, *joined.shape)) - 1
    waits = np.where(joined, rounds * walks.round_length + walks.place, 0).sum(axis=2).T.astype(np.float64)
    complete = np.broadcast_to(walks.complete[:, np.newaxis], waits.shape)
    if max_draws is None:
        # So many are drawn in vain before it is found out that nobody can join.
        return waits + np.where(complete, 0, n_users), complete.astype(np.float64)
    completed = complete & (waits <= max_draws)
    return np.where(completed, waits, max_draws), completed.astype(np.float64)


def _judge(share: float, n_groups: int, effort: Effort) -> Verdict:
    filled = (1.0 - (1.0 - share) ** (effort.max_restarts + 1)) ** n_groups
    if filled < 0.5:
        return "infeasible"
    return "hard" if (1.0 - share) / share > effort.hard_restarts else "feasible"


def _compare_activity(
    activity: Integers, firsts: Integers, starting: NDArray[np.bool_]
) -> tuple[float | None, float | None, float | None]:
    of_firsts, spread = activity[firsts], float(activity.std())
    parts = of_firsts[starting], of_firsts[~starting]
    means = [float(part.mean()) if len(part) else None for part in parts]
    if means[0] is None or means[1] is None:
        return means[0], means[1], None
    return means[0], means[1], (means[0] - means[1]) / spread if spread else 0.0


def _steps(walks: Walks) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the acceptance at each step, 0 where no walk came to it, and the share of walks that came."""
    reached = ~np.isnan(walks.acceptance)
    totals, counts = np.nansum(walks.acceptance, axis=0), reached.sum(axis=0)
    return tuple((totals / np.maximum(counts, 1)).tolist()), tuple(reached.mean(axis=0).tolist())


def _wilson(share: float, n: int) -> Estimate:
    """Return a share with its interval (Wilson 1927, doi 10.1080/01621459.1927.10502953)."""
    z2 = _NORMAL**2 / n
    middle, reach = share + z2 / 2, _NORMAL * math.sqrt(share * (1.0 - share) / n + z2 / (4 * n))
    return Estimate(share, max(0.0, (middle - reach) / (1 + z2)), min(1.0, (middle + reach) / (1 + z2)))


def _bootstrap(values: Floats, by: Floats | None = None, *, rng: np.random.Generator) -> Estimate:
    """Return a mean, or the ratio of two, with the percentile interval of attempts drawn anew."""
    if not len(values):
        return Estimate(None)
    again = rng.integers(len(values), size=(_RESAMPLES, len(values)))
    by = np.ones(len(values)) if by is None else by
    with np.errstate(divide="ignore"):
        ratios = values[again].mean(axis=1) / by[again].mean(axis=1)
        ends = np.quantile(ratios, (0.025, 0.975), method="nearest")
        numbers = [float(number) for number in (values.mean() / by.mean(), *ends)]
    return Estimate(*(number if math.isfinite(number) else None for number in numbers))


def _log10(of: Estimate) -> Estimate:
    return Estimate(*(math.log10(number) if number else None for number in (of.value, of.low, of.high)))
