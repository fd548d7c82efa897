"""Random groups, also activity-matched ones, and how far the groups of a type are from them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.base.philox import ZERO, block, stream_key, uniform_below
from elsa_groups.measures.jackknife import Interval
from elsa_groups.measures.registry import RATIOS

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Measures = Mapping[str, Floats]

_CLASSES = 10


@dataclass(frozen=True)
class BaselineComparison:
    """One measure of a type beside one kind of random groups.

    Attributes
    ----------
    measure, baseline : str
        Of what, and beside which groups: ``random`` or ``as_active``.
    mean : float
        Over the groups of the type.
    interval : Interval or None
        Of the mean, where users were resampled.
    random_mean : float
        Over the random groups.
    percentile : float in [0, 100]
        Percentage of the random groups below the type's mean, and half of those equal to it.
    cliffs_delta : float in [-1, 1]
        Of the groups of the type against the random ones.
    ratio : float or None
        Of the means, for counts and overlaps that are not zero among random groups.
    """

    measure: str
    baseline: str
    mean: float
    interval: Interval | None
    random_mean: float
    percentile: float
    cliffs_delta: float
    ratio: float | None


def compare_with_baselines(
    measures: Measures, baselines: Mapping[str, Measures], intervals: Mapping[str, Interval]
) -> list[BaselineComparison]:
    """Compare every measure of a type with each kind of random groups.

    Parameters
    ----------
    measures : mapping of str to (n_groups,) array
        Of the key.
    baselines : mapping of str to mapping of str to (n_random,) array
        The same measures of random groups, by their kind.
    intervals : mapping of str to Interval
        By measure; empty where users were not resampled.
    """
    return [
        _compare_measure(name, kind, values, random[name], intervals.get(name))
        for name, values in measures.items()
        for kind, random in baselines.items()
    ]


def _compare_measure(
    name: str, kind: str, values: Floats, random: Floats, interval: Interval | None
) -> BaselineComparison:
    mean, random_mean = float(values.mean()), float(random.mean())
    return BaselineComparison(
        measure=name,
        baseline=kind,
        mean=mean,
        interval=interval,
        random_mean=random_mean,
        percentile=percentile(mean, random),
        cliffs_delta=cliffs_delta(values, random),
        ratio=mean / random_mean if name in RATIOS and random_mean > 0 else None,
    )


def percentile(value: float, values: Floats) -> float:
    """Return the percentage of values below a value, and half of those equal to it.

    >>> percentile(2.0, np.array([1.0, 2.0, 3.0, 4.0]))
    37.5
    """
    return 100.0 * float((values < value).mean() + 0.5 * (values == value).mean())


def cliffs_delta(values: Floats, others: Floats) -> float:
    """Return how much more often a value is above one of the others than below it, in [-1, 1].

    Cost: sorting both. ``2 * AUC - 1`` of telling both apart by the measure.

    References
    ----------
    Cliff, "Dominance statistics: Ordinal analyses to answer ordinal questions", Psychological Bulletin 114,
    1993, doi 10.1037/0033-2909.114.3.494.

    >>> cliffs_delta(np.array([1.0, 3.0]), np.array([0.0, 1.0, 2.0, 2.0]))
    0.375
    """
    ordered = np.sort(others)
    above = np.searchsorted(ordered, values, side="left").sum()
    below = (len(ordered) - np.searchsorted(ordered, values, side="right")).sum()
    return (int(above) - int(below)) / (len(values) * len(others))


def match_activity(
    members: Integers, activity: Integers, *, seed: int, key: str, n_groups: int
) -> NDArray[np.int64]:
    """Replace each member by a random user of the same tenth of activity.

    Users in order of activity, equal ones by row, are cut into ten classes of equal size, or as many as
    leave a class more users than a group has members. Each member of groups 0, 1, ..., round and round, is
    replaced by a user drawn uniformly from its class who is not in the new group yet. So the new groups are
    random but for the activity of who is together.

    Parameters
    ----------
    members : (n, size) int64 in [0, n_users)
        Groups to be matched.
    activity : (n_users,) int64
        Items in each user's history.
    seed : int
        With the key it fixes every draw.
    key : str
        Key of the groups.
    n_groups : int
        Random groups wanted.

    Returns
    -------
    (n_groups, size) int64
        Nobody twice in a group.
    """
    n_users, size = len(activity), members.shape[1]
    n_classes = max(1, min(_CLASSES, n_users // size))
    order = np.argsort(activity, kind="stable")
    starts = np.linspace(0, n_users, n_classes + 1).astype(np.int64)
    class_of = np.empty(n_users, np.int64)
    class_of[order] = np.repeat(np.arange(n_classes), np.diff(starts))
    matched = np.empty((n_groups, size), np.int64)
    _match(members, class_of, order, starts, stream_key(seed, "activity", key), matched)
    return matched


@compiled()
def _match(members, class_of, order, starts, key, matched):
    for g in range(matched.shape[0]):
        draw = 0
        for i in range(matched.shape[1]):
            c = class_of[members[g % members.shape[0], i]]
            new = False
            while not new:
                word = block(draw, g, ZERO, key)[draw & 3]
                user = order[starts[c] + uniform_below(word, starts[c + 1] - starts[c], draw, g, key)]
                draw += 1
                new = True
                for j in range(i):
                    new = new and matched[g, j] != user
            matched[g, i] = user


def activity_difference(activity: NDArray[np.int64], members: NDArray[np.int64]) -> float:
    """Return the standardised mean difference of the activity of members and of all users.

    Members count as often as drawn. All users are the expectation of random groups, without their chance;
    their standard deviation is the unit (Glass, "Primary, Secondary, and Meta-Analysis of Research", 1976).
    0 where all histories are as long.

    Parameters
    ----------
    activity : (n_users,) int64
        Items in the history of each eligible user.
    members : (n_groups, size) int64 in [0, n_users)
        Users of the groups.
    """
    spread = float(activity.std())
    return (float(activity[members].mean()) - float(activity.mean())) / spread if spread else 0.0
