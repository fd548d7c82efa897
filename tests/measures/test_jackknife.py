"""Intervals of few groups: by hand, and how often they contain the truth."""

import numpy as np
import pytest

from elsa_groups.measures.jackknife import find_interval

FEW = 5_000 / 571_355


@pytest.mark.parametrize("share", [0.5, FEW])
def test_one_group_has_no_interval(share):
    assert find_interval(np.array([0.6]), np.array([0.5, 0.7, 0.6, 0.4]), 1.0, share) is None


def test_an_interval_worked_by_hand():
    # s^2 = 0.02 of two groups, variance of halves 0.04: the variance is 0.04 + (1/2 - 1/2) * 0.02.
    found = find_interval(np.array([0.4, 0.6]), np.array([0.2, 0.4, 0.6]), 2.0)
    assert found.standard_error == pytest.approx(0.2)
    assert found.high - 0.5 == pytest.approx(4.302653 * 0.2, rel=1e-6)  # two degrees of freedom


def test_where_halves_vary_less_than_groups_these_count_as_independent():
    values = np.array([1.0, 3.0])  # s^2 = 2
    found = find_interval(values, np.full(5, 2.0), 2.0)
    assert found.standard_error == pytest.approx(1.0)
    assert found.high - 2.0 == pytest.approx(12.706205, rel=1e-6)  # one degree of freedom


@pytest.mark.parametrize("halves", [np.zeros(5), np.array([0.0, 0.1, 0.0])])
def test_groups_that_are_all_alike_have_no_interval(halves):
    # None of 75 groups has an item in common, yet one in 25 may: an interval of no width would promise not.
    assert find_interval(np.zeros(75), halves, 38.0) is None


def test_intervals_of_rare_events_contain_the_truth_where_there_is_one():
    rng, share, n, repeats = np.random.default_rng(5), 0.02, 75, 1_000
    held, alike = 0, 0
    for _ in range(repeats):
        values = (rng.random(n) < share).astype(float)
        found = find_interval(values, rng.binomial(n, share, 50) / n, n)
        alike += found is None
        held += found is not None and found.low <= share <= found.high
    # 0.98^75 is 22%; of the others that have one such group or more, all but 2% are expected to.
    assert alike / repeats == pytest.approx(0.98**75, abs=0.05)
    assert held / (repeats - alike) >= 0.95


@pytest.mark.parametrize("share", [0.5, FEW], ids=["half", "few"])
@pytest.mark.parametrize(("n", "low"), [(2, 0.86), (3, 0.91), (5, 0.92), (75, 0.925)])
def test_intervals_of_few_groups_contain_the_truth(n, low, share):
    rng = np.random.default_rng(n)
    of_users, scale, repeats = 0.1, share / (1.0 - share), 2_000
    held = 0
    for _ in range(repeats):
        # Users move the mean of all groups by a variance of 0.01; a half moves it by 1 / scale times that.
        values = 10.0 + rng.normal(0.0, of_users) + rng.normal(size=n)
        halves = 10.0 + rng.normal(0.0, of_users / scale**0.5, 50) + rng.normal(size=50) / n**0.5
        found = find_interval(values, halves, n, share)
        held += found.low <= 10.0 <= found.high
    # Four standard errors are 2 points.
    assert low <= held / repeats <= 0.98
