"""Quantiles as numbers between two order statistics, and what a sample of pairs says of them."""

import math
from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

CONFIDENCE = 0.95


def around(n: int, quantile: float) -> tuple[int, int, float]:
    """Return the ranks of the order statistics around a quantile of n values, and how far it is between."""
    at = quantile * (n - 1)
    low = min(math.floor(at), n - 1)
    return low, min(low + 1, n - 1), at - low


def interpolate(a: float, b: float, share: float) -> float:
    """Interpolate linearly between two order statistics, as numpy does."""
    return a + (b - a) * share if share < 0.5 else b - (b - a) * (1.0 - share)


def sorted_quantile(ordered: NDArray[np.float64], quantile: float) -> float:
    """Return a quantile of ascending values, (n,), as :func:`numpy.quantile` does."""
    first, second, share = around(len(ordered), quantile)
    return interpolate(float(ordered[first]), float(ordered[second]), share)


def confidence_interval(ordered: NDArray[np.float64], quantile: float) -> tuple[float, float]:
    """Return the distribution-free 95% confidence interval of a quantile of similarities.

    As many sampled values are at most the quantile as a binomial law says, whatever the distribution. The
    ends are the order statistics that are above, or below, the quantile with a probability of at most 2.5%,
    by the exact law. Where there is no such value, as above the largest, the end is that of the scale.

    Parameters
    ----------
    ordered : (n,) float64 in [0, 1]
        Ascending similarities of pairs drawn independently.
    quantile : float in [0, 1]
        Which quantile of all pairs is wanted.

    References
    ----------
    David and Nagaraja, Order Statistics, 3rd edition, 2003, section 7.1.
    """
    n = len(ordered)
    below, above = (
        _binomial_quantile(n, quantile, p) for p in ((1.0 - CONFIDENCE) / 2, (1.0 + CONFIDENCE) / 2)
    )
    low = float(ordered[below - 1]) if below > 0 else 0.0
    return low, float(ordered[above]) if above < n else 1.0


def _binomial_quantile(n: int, chance: float, p: float) -> int:
    """Return the smallest number of successes of n that is not exceeded with a probability of at least p."""
    return bisect_left(range(n + 1), p, key=lambda k: bdtr(k, n, chance))
