"""Which aggregator leads, and from which others that can be told: paired differences with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import harmonic_mean

import numpy as np
from numpy.typing import NDArray

from elsa_groups.commands.evaluate.measures import MEASURED, ListMeasure
from elsa_groups.measures.jackknife import find_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Values:
    """What was measured of the groups of a type, or of all types of a family.

    Attributes
    ----------
    name : str
        Of the type or the family.
    keys : tuple of str
        Types that it is made of.
    of_groups : mapping of str to (n_groups, n_aggregators, n_measures) float64
        By recommender.
    of_halves : mapping of str to tuple of (m, n_aggregators, n_measures) float64
        Of groups from each half of the users, by recommender; those without intervals are not in it.
    """

    name: str
    keys: tuple[str, ...]
    of_groups: Mapping[str, Floats]
    of_halves: Mapping[str, tuple[Floats, ...]] = field(default_factory=dict, repr=False)


def pool_families(types: Sequence[Values], families: Mapping[str, str]) -> list[Values]:
    """Return the values of each family over all of its sizes, then those of its types where it has several.

    Parameters
    ----------
    types : sequence of Values
        Of each type.
    families : mapping of str to str
        Family of each type.
    """
    found = []
    for family in dict.fromkeys(families[of.name] for of in types):
        parts = [of for of in types if families[of.name] == family]
        if len(parts) > 1:
            found.append(_pool(family, parts))
        found += parts
    return found


def _pool(name: str, parts: Sequence[Values]) -> Values:
    groups = {
        recommender: np.concatenate([of.of_groups[recommender] for of in parts])
        for recommender in parts[0].of_groups
    }
    halves = {
        recommender: tuple(
            np.concatenate(half) for half in zip(*(of.of_halves[recommender] for of in parts), strict=False)
        )
        for recommender in parts[0].of_halves
        if all(of.of_halves.get(recommender) for of in parts)
    }
    return Values(name, tuple(of.name for of in parts), groups, halves)


@dataclass(frozen=True)
class PairedDifference:
    """The paired difference of two aggregators on the same groups.

    Attributes
    ----------
    first, second : str
        Aggregators.
    mean : float
        First minus second, over groups.
    low, high, error : float or None
        95% confidence interval and standard error; None where there are none.
    same : bool
        Whether both have the same value in every group.
    """

    first: str
    second: str
    mean: float
    low: float | None = None
    high: float | None = None
    error: float | None = None
    same: bool = False

    @property
    def is_told(self) -> bool:
        """Whether the interval says which is better."""
        return self.low is not None and self.high is not None and (self.low > 0.0 or self.high < 0.0)

    def seen_from(self, name: str) -> "PairedDifference":
        """Return it as that of an aggregator to the other."""
        if name == self.first:
            return self
        low, high = (None if end is None else -end for end in (self.high, self.low))
        return PairedDifference(self.second, self.first, -self.mean, low, high, self.error, self.same)


@dataclass(frozen=True)
class Order:
    """Aggregators by one measure of one type or family, the highest mean first.

    Attributes
    ----------
    name : str
        Type or family.
    recommender : str
        Whose scores were aggregated.
    measured : ListMeasure
        By what.
    n_groups : int
        Over how many groups: those with a member who has held-out items.
    means : mapping of str to float
        By aggregator, in descending order.
    differences : tuple of PairedDifference
        Of all pairs; none where nothing says how exactly they are known.
    """

    name: str
    recommender: str
    measured: ListMeasure
    n_groups: int
    means: Mapping[str, float]
    differences: tuple[PairedDifference, ...] = ()

    @property
    def leader(self) -> str:
        """The aggregator of the highest mean."""
        return next(iter(self.means))

    def to_leader(self) -> dict[str, PairedDifference]:
        """Return the difference of the leader to every other aggregator, by the other's name."""
        found = [each for each in self.differences if self.leader in (each.first, each.second)]
        seen = [each.seen_from(self.leader) for each in found]
        return {each.second: each for each in seen}


def find_orders(of: Values, aggregators: Sequence[str], share: float) -> Iterator[Order]:
    """Yield the order of aggregators by every recommender and measure.

    Parameters
    ----------
    of : Values
        Of a type or family.
    aggregators : sequence of str
        Names.
    share : float
        Of the users in a half.
    """
    for number, (recommender, values) in enumerate(of.of_groups.items()):
        halves = of.of_halves.get(recommender, ())
        for place, measured in enumerate(MEASURED):
            known = _known(values[:, :, place])
            if not len(known):
                continue
            means = dict(zip(aggregators, known.mean(axis=0).tolist(), strict=True))
            ordered = dict(sorted(means.items(), key=lambda item: -item[1]))
            of_halves = [_known(half[:, :, place]) for half in halves]
            differences = _differences(aggregators, known, of_halves, share) if halves or not number else ()
            yield Order(of.name, recommender, measured, len(known), ordered, tuple(differences))


def _known(values: Floats) -> Floats:
    """Return the groups that have values, which all aggregators have or none."""
    return values[~np.isnan(values).any(axis=1)]


def _differences(
    aggregators: Sequence[str], values: Floats, halves: Sequence[Floats], share: float
) -> Iterator[PairedDifference]:
    """Yield the difference of every pair, with its interval where every half has groups."""
    pairs = [*combinations(range(len(aggregators)), 2)]
    apart, counts = _apart(values, pairs), [len(half) for half in halves]
    # 0 where a half has none.
    groups = harmonic_mean(counts) if counts else 0
    of_halves = np.array([_apart(half, pairs).mean(axis=1) for half in halves]).T if groups else None
    for number, ((a, b), mean) in enumerate(zip(pairs, apart.mean(axis=1).tolist(), strict=True)):
        found = PairedDifference(aggregators[a], aggregators[b], mean, same=not apart[number].any())
        if of_halves is not None and (
            interval := find_interval(apart[number], of_halves[number], groups, share, least=-np.inf)
        ):
            error = interval.standard_error
            found = replace(found, low=interval.low, high=interval.high, error=error)
        yield found


def _apart(values: Floats, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Return the difference of each pair of columns in every group, shape (n_pairs, n_groups)."""
    by_name = np.ascontiguousarray(values.T)
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return by_name[first] - by_name[second]


def say_leader(order: Order) -> str:
    """Say in words which aggregator leads, and from which others that can be told."""
    others = order.to_leader()
    same = [name for name, each in others.items() if each.same]
    apart = [name for name, each in others.items() if each.is_told]
    unknown = [name for name in order.means if name in others and name not in same and name not in apart]
    leader = f"{order.leader} has the highest mean, {order.means[order.leader]:.3f}"
    if not others:
        return f"{leader}; no interval says from which others that can be told"
    if not apart and not unknown:
        return "all aggregators have the same value in every group"
    equal = f"; {' and '.join(same)} the same in every group" if same else ""
    if not apart:
        return f"{leader}, but the order cannot be told: no difference to it exceeds its interval{equal}"
    if not unknown:
        return (
            f"{order.leader} leads with {order.means[order.leader]:.3f}, and is told from all others{equal}"
        )
    return f"{leader}; it is told from {', '.join(apart)}, but not from {', '.join(unknown)}{equal}"
