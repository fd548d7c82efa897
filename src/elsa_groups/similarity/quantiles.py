"""Quantiles as numbers between two order statistics, and what a sample of pairs says of them."""

import math

import numpy as np
from numpy.typing import NDArray


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
    """Distribution-free 95% interval of a quantile from the binomial law of its rank (normal limit)."""
    n = len(ordered)
    half = 1.96 * math.sqrt(n * quantile * (1.0 - quantile)) + 0.5
    low, high = math.floor(quantile * n - half), math.ceil(quantile * n + half)
    return float(ordered[max(low, 0)]), float(ordered[min(high, n - 1)])
