"""Quantiles of ordered similarities, and how sure a sample is of them."""

import numpy as np
import pytest
from scipy.stats import binom

from elsa_groups.similarity.quantiles import confidence_interval


@pytest.mark.parametrize("quantile", [0.001, 0.1, 0.5, 0.9, 0.99, 1 - 1e-5])
@pytest.mark.parametrize("n", [100, 1_000, 100_000])
def test_ends_are_the_order_statistics_of_the_binomial_law(n: int, quantile: float) -> None:
    ordered = (np.arange(n) + 0.5) / n
    below, above = (int(binom.ppf(p, n, quantile)) for p in (0.025, 0.975))
    expected = (ordered[below - 1] if below else 0.0, ordered[above] if above < n else 1.0)
    assert confidence_interval(ordered, quantile) == expected


def test_above_the_largest_and_below_the_smallest_value_the_scale_ends() -> None:
    ordered = np.linspace(0.2, 0.8, 1_000)
    assert confidence_interval(ordered, 1.0) == (0.8, 1.0)
    assert confidence_interval(ordered, 0.0) == (0.0, 0.2)


@pytest.mark.parametrize("quantile", [0.1, 0.9, 1 - 1e-4, 1 - 1e-5, 1.0])
def test_the_interval_covers_the_quantile_in_most_samples(quantile: float) -> None:
    rng = np.random.default_rng(0)
    everyone = np.sort(rng.beta(2.0, 5.0, 500_000))
    wanted = np.quantile(everyone, quantile)
    covered = 0
    for _ in range(200):
        low, high = confidence_interval(np.sort(rng.choice(everyone, 20_000)), quantile)
        covered += low <= wanted <= high
    # 95% or more, less three standard errors of 200 samples.
    assert covered >= 181
