"""How far the groups of a key are from random ones, and how sure that is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from elsa_groups.measures.registry import RATIOS

Floats = NDArray[np.float64]
Measures = Mapping[str, Floats]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """How exactly the mean of a key is known.

    Attributes
    ----------
    low, high : float
        Interval of 95% confidence, from 0 up as all measures are.
    standard_error : float
        Of the mean.
    effective_groups : float
        As many independent groups would give the same standard error; never more than there are.
    """

    low: float
    high: float
    standard_error: float
    effective_groups: float


@dataclass(frozen=True)
class Comparison:
    """One measure of a key beside one kind of random groups.

    Attributes
    ----------
    measure, baseline : str
        Of what, and beside which groups: ``random`` or ``as_active``.
    mean : float
        Over the groups of the key.
    interval : Interval or None
        Of the mean, where users were resampled.
    random_mean : float
        Over the random groups.
    percentile : float in [0, 100]
        Percentage of the random groups below the key's mean, and half of those equal to it.
    cliffs_delta : float in [-1, 1]
        Of the groups of the key against the random ones.
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


def compare(
    measures: Measures, baselines: Mapping[str, Measures], intervals: Mapping[str, Interval]
) -> list[Comparison]:
    """Compare every measure of a key with each kind of random groups.

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
        _compare(name, kind, values, random[name], intervals.get(name))
        for name, values in measures.items()
        for kind, random in baselines.items()
    ]


def _compare(name: str, kind: str, values: Floats, random: Floats, interval: Interval | None) -> Comparison:
    mean, random_mean = float(values.mean()), float(random.mean())
    return Comparison(
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


def find_interval(values: Floats, half_means: Floats, groups_of_half: float, share: float = 0.5) -> Interval:
    """Return the interval of the mean of a key's groups, users being a sample.

    What the mean estimates is what it would be on average, had other users of the same kind been there.
    Groups drawn from the same users share them, so they are no sample of independent groups. Instead the
    whole procedure, thresholds included, is repeated on random halves of the users: the mean over a half
    without replacement varies as the mean over all users does between samples of users. (The variance of a
    mean over m of N is that of a sample of m times ``1 - m / N``, which is that of a sample of N at
    m = N / 2.)

    Parameters
    ----------
    values : (n_groups,) array
        Of the groups of the key.
    half_means : (n_halves,) float64, n_halves >= 2
        Mean over the groups drawn from each half.
    groups_of_half : float
        How many these were, in the harmonic mean over halves. What their chance adds is taken off, and that
        of all groups is added: the variance of groups over their number.
    share : float in (0, 1)
        Of the users in a half. The variance that users make in a sample of m of N is that of all N by
        ``N / m - 1``.

    Notes
    -----
    The quantile is Student's, with degrees of freedom by Satterthwaite's rule for the variance that is left.
    It is at least that of independent groups.

    References
    ----------
    Shao and Wu, "A General Theory for Jackknife Variance Estimation", Annals of Statistics 17, 1989,
    doi 10.1214/aos/1176347263: the delete-d jackknife. Satterthwaite, "An Approximate Distribution of
    Estimates of Variance Components", Biometrics Bulletin 2, 1946, doi 10.2307/3002019.
    """
    n, of_halves, of_groups = len(values), float(half_means.var(ddof=1)), float(values.var())
    scale = share / (1.0 - share)
    variance = scale * max(0.0, of_halves - of_groups / groups_of_half) + of_groups / n
    freedom = float(len(half_means) - 1)
    if of_halves > 0.0:
        freedom *= min(1.0, variance / (scale * of_halves)) ** 2
    error = variance**0.5
    reach = float(student.ppf(0.5 + CONFIDENCE / 2, max(1.0, freedom))) * error
    mean = float(values.mean())
    # Groups that are all alike say nothing of how many they are worth.
    effective = max(1.0, of_groups / variance) if of_groups > 0.0 else float(n)
    return Interval(max(0.0, mean - reach), mean + reach, error, effective)


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
