"""Whether the order of aggregators depends on the settings that groups were drawn by."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from elsa_groups.base.words import say_numbers
from elsa_groups.commands.compare.differing_settings import Varying, say_value
from elsa_groups.commands.evaluate.leaders import Order
from elsa_groups.report.tables import Row

Floats = NDArray[np.float64]

# Means are drawn so often within their errors, for intervals of 95%.
_DRAWS, _REACH = 2_000, 1.96


@dataclass(frozen=True, eq=False)
class RankedRuns:
    """The orders of aggregators of one family or type in several runs.

    Attributes
    ----------
    name : str
        Family or type.
    runs : tuple of int
        Positions of the runs among those compared.
    orders : tuple of Order
        One a run.
    aggregators : tuple of str
        Those that all of them have.
    """

    name: str
    runs: tuple[int, ...]
    orders: tuple[Order, ...]
    aggregators: tuple[str, ...]

    @property
    def means(self) -> Floats:
        """Mean of every aggregator in every run, shape (n_runs, n_aggregators)."""
        return np.array([[order.means[name] for name in self.aggregators] for order in self.orders])

    @property
    def ranks(self) -> Floats:
        """Rank of every aggregator in every run, 1 the highest mean; equal ones share the mean of theirs."""
        return np.asarray(rankdata(-self.means, axis=1))

    def told(self) -> dict[tuple[str, str], list[int]]:
        """Return by pair of aggregators, for each run: 1, the first is told above the second, -1 below."""
        found = {}
        for first, second in combinations(self.aggregators, 2):
            each = [_told(order, first, second) for order in self.orders]
            found[first, second] = each
        return found


def _told(order: Order, first: str, second: str) -> int:
    for apart in order.differences:
        if {apart.first, apart.second} == {first, second} and apart.is_told:
            return 1 if apart.seen_from(first).mean > 0.0 else -1
    return 0


def rank_runs(orders: Sequence[Mapping[str, Order] | None]) -> list[RankedRuns]:
    """Return what runs with an evaluation have in common, by family and type; nothing of a single run.

    Parameters
    ----------
    orders : sequence of mapping of str to Order
        By family and type, of each run; None of a run without evaluation.
    """
    names = dict.fromkeys(name for one in orders if one for name in one)
    found = []
    for name in names:
        there = [(run, one[name]) for run, one in enumerate(orders) if one and name in one]
        aggregators = [a for a in there[0][1].means if all(a in order.means for _, order in there)]
        if len(there) > 1 and len(aggregators) > 1:
            runs, ordered = zip(*there, strict=True)
            found.append(RankedRuns(name, runs, ordered, tuple(sorted(aggregators))))
    return found


@dataclass(frozen=True)
class Tau:
    """Kendall's tau-b of the orders of runs that differ in one setting.

    Attributes
    ----------
    setting : str
        What they differ in.
    n_pairs : int
        Pairs of runs that differ in nothing else.
    mean : float
        Of their taus, from -1 (reversed) to 1 (the same order).
    low, high : float or None
        95% interval; None where a run has no intervals.
    """

    setting: str
    n_pairs: int
    mean: float
    low: float | None = None
    high: float | None = None


def find_taus(ranked: RankedRuns, settings: Sequence[Varying]) -> list[Tau]:
    """Return how well the orders of runs agree that differ in one setting alone, for each setting.

    Settings that change together, as both quantiles may, are one. The interval is tau plus and minus 1.96
    standard deviations of the taus of means that are drawn anew within their errors, runs independently of
    each other. It is for the tau that runs with as many groups have on average: chance disturbs an order more
    often than it mends it, so that exactly known means would have a higher one.

    References
    ----------
    Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945, doi 10.1093/biomet/33.3.239.
    """
    drawn = _draw_signs(ranked)
    means = ranked.means
    found = []
    for name, pairs in _pairs_by_setting(ranked.runs, settings):
        mean = float(np.mean([kendalltau(means[a], means[b]).statistic for a, b in pairs]))
        ends: tuple[float, ...] = ()
        if drawn is not None:
            each = np.mean([_tau_b(drawn[a], drawn[b]) for a, b in pairs], axis=0)
            reach = _REACH * float(each.std(ddof=1))
            ends = max(-1.0, mean - reach), min(1.0, mean + reach)
        found.append(Tau(name, len(pairs), mean, *ends))
    return found


def _pairs_by_setting(
    runs: Sequence[int], settings: Sequence[Varying]
) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Yield each setting, and the pairs of runs that differ in it alone, if there are any."""
    apart: dict[tuple[int, ...], list[str]] = {}
    for setting in settings:
        said = [say_value(setting.values[run]) for run in runs]
        if len({*said}) > 1:
            apart.setdefault(tuple(said.index(value) for value in said), []).append(setting.short)
    for partition, names in apart.items():
        pairs = [
            (a, b)
            for a, b in combinations(range(len(runs)), 2)
            if [other for other in apart if other[a] != other[b]] == [partition]
        ]
        if pairs:
            more = f" and {len(names) - 1} more" if len(names) > 2 else ""
            yield (f"{names[0]}{more}" if more else " and ".join(names)), pairs
    if not apart:
        yield "none", [*combinations(range(len(runs)), 2)]


def _draw_signs(ranked: RankedRuns) -> Floats | None:
    """Return which aggregator of each pair is above in means drawn within their errors.

    Returns
    -------
    (n_runs, n_draws, n_pairs) float64 or None
        1, -1, or 0 where both are the same; None where a run lacks an error.
    """
    n = len(ranked.aggregators)
    rng = np.random.default_rng(0)
    signs = []
    for order, means in zip(ranked.orders, ranked.means, strict=True):
        spread = _covariance(order, ranked.aggregators)
        if spread is None:
            return None
        values, vectors = np.linalg.eigh(spread)
        drawn = means + rng.normal(size=(_DRAWS, n)) * np.sqrt(values.clip(0.0)) @ vectors.T
        apart = np.stack([drawn[:, a] - drawn[:, b] for a, b in combinations(range(n), 2)], axis=1)
        # What is the same in every group is so in every draw, but for rounding.
        signs.append(np.where(abs(apart) > 1e-9, np.sign(apart), 0.0))
    return np.array(signs)


def _covariance(order: Order, aggregators: Sequence[str]) -> Floats | None:
    """Return a covariance of means that gives their differences the errors they have; None if one lacks."""
    place = {name: number for number, name in enumerate(aggregators)}
    squares = np.zeros((len(place), len(place)))
    for apart in order.differences:
        if apart.first in place and apart.second in place:
            if apart.error is None and not apart.same:
                return None
            a, b = place[apart.first], place[apart.second]
            squares[a, b] = squares[b, a] = (apart.error or 0.0) ** 2
    # Classical scaling: of all covariances with these variances of differences, that of deviations from the
    # mean of all aggregators.
    centre = np.eye(len(place)) - 1.0 / len(place)
    return np.asarray(-0.5 * centre @ squares @ centre)


def _tau_b(first: Floats, second: Floats) -> Floats:
    """Return Kendall's tau-b by the signs of all pairs, (n_draws, n_pairs) each; 0 where all are tied."""
    agreeing = (first * second).sum(axis=1)
    untied = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.asarray(np.divide(agreeing, untied, out=np.zeros_like(agreeing), where=untied > 0.0))


def say_conclusions(ranked: RankedRuns) -> list[str]:
    """Say in words what holds in all runs, what is told both ways, and what is not told everywhere."""
    told = ranked.told()
    leaders = Counter(order.leader for order in ranked.orders)
    who = ", ".join(f"{name} in {count}" for name, count in leaders.most_common())
    both = [pair for pair, each in told.items() if {1, -1} <= {*each}]
    alike = {(a, b) if each[0] > 0 else (b, a) for (a, b), each in told.items() if {*each} in ({1}, {-1})}
    never = sum(not any(each) for each in told.values())
    some = len(told) - len(both) - len(alike) - never
    sentences = [
        f"Of {len(ranked.runs)} runs the highest mean is of {who}.",
        f"Told in all of them: {_say_above(alike) or 'nothing'}.",
    ]
    if both:
        turned = "; ".join(_say_turned(ranked, pair, told[pair]) for pair in both)
        sentences.append(f"Told one way in some runs and the other way in others: {turned}.")
    if some:
        sentences.append(f"Told in some runs only, never the other way: {some} of {len(told)} pairs.")
    if never:
        sentences.append(f"Told in none: {never} of {len(told)} pairs.")
    return sentences


def _say_above(pairs: Set[tuple[str, str]]) -> str:
    """Say which aggregators are above which; those that are above the same ones together."""
    lower = {high: tuple(sorted(low for other, low in pairs if other == high)) for high, _ in sorted(pairs)}
    together: dict[tuple[str, ...], list[str]] = {}
    for high in sorted(lower, key=lambda name: -len(lower[name])):
        together.setdefault(lower[high], []).append(high)
    return "; ".join(f"{', '.join(high)} above {', '.join(low)}" for low, high in together.items())


def _say_turned(ranked: RankedRuns, pair: tuple[str, str], told: Sequence[int]) -> str:
    high, low = (
        [run + 1 for run, each in zip(ranked.runs, told, strict=True) if each == sign] for sign in (1, -1)
    )
    return f"{pair[0]} above {pair[1]} in {say_numbers(high)}, below in {say_numbers(low)}"


def orders_rows(ranked: Sequence[RankedRuns]) -> list[Row]:
    """Return one row a family or type, run and aggregator: its rank and its mean."""
    return [
        {
            "groups_of": of.name,
            "run": run + 1,
            "aggregator": aggregator,
            "rank": float(of.ranks[row, column]),
            "ndcg_at_20": float(of.means[row, column]),
        }
        for of in ranked
        for row, run in enumerate(of.runs)
        for column, aggregator in enumerate(of.aggregators)
    ]


def conclusions_text(ranked: Sequence[RankedRuns], settings: Sequence[Varying]) -> str:
    """Return what the terminal shows: how well orders agree, and what holds, by family and type."""
    lines = ["Kendall's tau of the order of aggregators (nDCG@20) between runs that differ in:"]
    for of in ranked:
        taus = ", ".join(f"{tau.setting} {say_tau(tau)}" for tau in find_taus(of, settings))
        lines += [f"{of.name}: {taus}", *(f"  {text}" for text in say_conclusions(of))]
    return "\n".join(lines)


def say_tau(tau: Tau) -> str:
    """Write a tau with its interval, if it has one.

    >>> say_tau(Tau("seed", 3, 0.9, 0.75, 0.98)), say_tau(Tau("seed", 1, 0.5))
    ('0.90 (0.75 to 0.98)', '0.50')
    """
    interval = "" if tau.low is None else f" ({tau.low:.2f} to {tau.high:.2f})"
    return f"{tau.mean:.2f}{interval}"
