"""The delete-half jackknife: random halves of the users, and the confidence interval that they give."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from elsa_groups.base.compiled import compiled
from elsa_groups.base.philox import ZERO, block, stream_key

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

CONFIDENCE = 0.95
# Why a type of one group has no interval.
ONE_GROUP = "one group says nothing of how groups vary"
# Users of a half at most: what is drawn from it is to take no longer the more users there are.
_HALF_UP_TO = 5_000


def size_of_half(n_users: int) -> int:
    """Return how many users a half of them has: of more than 10,000 a half is 5,000."""
    return min(n_users // 2, _HALF_UP_TO)


def share_of_half(n_users: int) -> float:
    """Return the share of the users who are in a half of them, in (0, 0.5]."""
    return size_of_half(n_users) / n_users


def random_halves(n_users: int, count: int, *, seed: int) -> Iterator[Integers]:
    """Yield random halves of the users, ascending rows without replacement; see :func:`size_of_half`."""
    key = stream_key(seed, "halves")
    for half in range(count):
        words = np.empty(n_users, np.uint64)
        _words(half, key, words)
        yield where_smallest(words, size_of_half(n_users))


def where_smallest(words: NDArray[np.uint64], count: int) -> Integers:
    """Return where the smallest words are, ascending; of equal ones the first are taken.

    >>> where_smallest(np.array([7, 3, 9, 3, 1, 3], np.uint64), 3)
    array([1, 3, 4])
    """
    if not count:
        return np.empty(0, np.int64)
    largest = np.partition(words, count - 1)[count - 1]
    below, equal = np.flatnonzero(words < largest), np.flatnonzero(words == largest)
    return np.sort(np.concatenate([below, equal[: count - len(below)]]))


@compiled()
def _words(group, key, words):
    for user in range(words.shape[0]):
        words[user] = block(user, group, ZERO, key)[user & 3]


@dataclass(frozen=True)
class Interval:
    """How exactly the mean of a type is known.

    Attributes
    ----------
    low, high : float
        Interval of 95% confidence, of a measure from its smallest value, mostly 0, up.
    standard_error : float
        Of the mean.
    effective_groups : float
        As many independent groups would give the same standard error; never more than there are.
    """

    low: float
    high: float
    standard_error: float
    effective_groups: float


def find_interval(
    values: Floats, half_means: Floats, groups_of_half: float, share: float = 0.5, *, least: float = 0.0
) -> Interval | None:
    """Return the confidence interval of the mean over groups, users being a sample; None where there is none.

    What the mean estimates is what it would be on average, had other users of the same kind been there.
    Groups drawn from the same users share them, so they are no sample of independent groups. Instead the
    whole procedure, thresholds included, is repeated on random halves of the users: the mean over a half
    without replacement varies as the mean over all users does between samples of users. (The variance of a
    mean over m of N is that of a sample of m times ``1 - m / N``, which is that of a sample of N at
    m = N / 2.)

    Parameters
    ----------
    values : (n_groups,) array
        Of the groups of the type.
    half_means : (n_halves,) float64, n_halves >= 2
        Mean over the groups drawn from each half.
    groups_of_half : float
        How many these were, in the harmonic mean over halves. What their chance adds is taken off, and that
        of all groups is added: the variance of groups over their number.
    share : float in (0, 1)
        Of the users in a half. The variance that users make in a sample of m of N is that of all N by
        ``N / m - 1``.
    least : float
        The smallest value that the mean can have; the interval does not reach below it.

    Notes
    -----
    With ``s^2`` the variance of the n groups, ``v`` that of the means of halves, ``f = share / (1 - share)``
    and m groups of a half, the variance of the mean is ``f v + (1 / n - f / m) s^2``. The quantile is
    Student's, with degrees of freedom by Satterthwaite's rule for this sum of two mean squares. Where halves
    vary less than their groups alone would make them (``v < s^2 / m``), the groups count as independent:
    ``s^2 / n``, with n - 1 degrees of freedom.

    One group has no variance, hence no interval, and neither have groups that all have the same value: what
    none of n groups shows may still happen to one in n / 3 (Hanley and Lippman-Hand 1983), and how large a
    value it brings, such as a number of common items, nothing tells. Of 300 opposing groups whose members
    nearly never have an item in common, 90% of samples had an interval of no width at 0, which misses the
    truth (``benchmarks/coverage.py --filter distinct_first --n-groups 300 --halves 20``).

    No interval is narrower than independent groups would have it. So where users make no difference and the
    share is a half, the larger of two estimates of one variance is taken, and 95% intervals of 2 to 10 groups
    hold the truth in 97% of cases; where users matter, in 95% (``benchmarks/coverage.py --few``). At a small
    share that of two groups is 89 to 90%, as two values say little of their variance.

    References
    ----------
    Shao and Wu, "A General Theory for Jackknife Variance Estimation", Annals of Statistics 17, 1989,
    doi 10.1214/aos/1176347263: the delete-d jackknife. Satterthwaite, "An Approximate Distribution of
    Estimates of Variance Components", Biometrics Bulletin 2, 1946, doi 10.2307/3002019. Hanley and
    Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249, 1983,
    doi 10.1001/jama.1983.03330370053031: the rule of three.
    """
    n = len(values)
    if n < 2 or (values == values[0]).all():
        return None
    scale = share / (1.0 - share)
    of_halves, of_groups = float(half_means.var(ddof=1)), float(values.var(ddof=1))
    parts = (scale * of_halves, len(half_means) - 1), ((1.0 / n - scale / groups_of_half) * of_groups, n - 1)
    if of_halves <= of_groups / groups_of_half:
        parts = (0.0, 1), (of_groups / n, n - 1)
    variance = sum(part for part, _ in parts)
    freedom = _satterthwaite(variance, parts)
    error, mean = variance**0.5, float(values.mean())
    reach = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2)) * error
    return Interval(max(least, mean - reach), mean + reach, error, max(1.0, of_groups / variance))


def _satterthwaite(variance: float, parts: tuple[tuple[float, int], ...]) -> float:
    """Return the degrees of freedom, at least 1, of a sum of mean squares, each with its own."""
    spread = sum(part**2 / freedom for part, freedom in parts)
    return max(1.0, variance**2 / spread) if spread > 0.0 else 1.0
