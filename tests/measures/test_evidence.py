"""Percentiles, dominance and intervals, by plain counts and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.measures.baselines import (
    activity_difference,
    cliffs_delta,
    compare_with_baselines,
    percentile,
)
from elsa_groups.measures.jackknife import find_interval, random_halves
from elsa_groups.measures.registry import measures_of
from elsa_groups.measures.similarity import Quality
from elsa_groups.measures.tastes import Tastes

from ..one_by_one import draw_groups, measure_quality

numbers = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@given(numbers, numbers)
def test_dominance_and_percentile_are_plain_counts(values, others):
    signs = [(a > b) - (a < b) for a in values for b in others]
    assert cliffs_delta(np.array(values), np.array(others)) == pytest.approx(sum(signs) / len(signs))
    below = sum(b < values[0] for b in others) + 0.5 * others.count(values[0])
    assert percentile(values[0], np.array(others)) == pytest.approx(100 * below / len(others))


def test_the_chance_of_fewer_groups_is_taken_off():
    rng = np.random.default_rng(0)
    values = rng.normal(10.0, 1.0, 4_000)
    variance = values.var(ddof=1)
    halves = np.array([9.9, 10.0, 10.1])  # variance 0.01
    found = find_interval(values, halves, groups_of_half=200)
    taken_off = variance * (1 / 200 - 1 / 4_000)
    left = 0.01 - taken_off
    assert found.standard_error == pytest.approx(left**0.5)
    freedom = left**2 / (0.01**2 / 2 + taken_off**2 / 3_999)
    assert found.high - values.mean() == pytest.approx(student.ppf(0.975, max(1.0, freedom)) * left**0.5)


def _measures(several: bool):
    nothing, one = np.full(2, np.nan), np.array([0.25, 0.75])
    sides = one if several else nothing
    quality = Quality(one, one, sides, np.zeros(2, np.int64))
    return measures_of(
        quality, Tastes(one, one, one, sides, one, np.array([2, 4]), np.array([5, 6]), one, one)
    )


def test_measures_of_sides_are_there_where_there_are_sides():
    sides = {"within", "across", "recommendation_overlap_within", "recommendation_overlap_across"}
    assert _measures(True).keys() - _measures(False).keys() == sides
    assert {values.dtype for values in _measures(True).values()} == {np.dtype(np.float64)}


def test_ratios_are_of_counts_and_overlaps_alone():
    measures = _measures(False)
    random = {name: values * 2 for name, values in measures.items()} | {"jaccard": np.zeros(2)}
    found = {of.measure: of for of in compare_with_baselines(measures, {"random": random}, {})}
    assert found["common_items"].ratio == pytest.approx(0.5)
    assert found["similarity"].ratio is None
    assert found["jaccard"].ratio is None
    assert {of.interval for of in found.values()} == {None}
    assert len(compare_with_baselines(measures, {"random": random, "as_active": random}, {})) == 2 * len(
        measures
    )


def test_activity_counts_a_member_as_often_as_drawn():
    # Lengths 10, 20, 60: mean 30, squares of 20, 10, 30 over 3; members 10, 60, 20, 60.
    found = activity_difference(np.array([10, 20, 60]), np.array([[0, 2], [1, 2]]))
    assert found == pytest.approx((37.5 - 30.0) / (1400 / 3) ** 0.5)
    assert activity_difference(np.full(3, 7), np.array([[0, 1]])) == 0.0


@pytest.mark.parametrize("rule", [Rule.similar, Rule.any], ids=["similar", "random"])
def test_intervals_hold_what_other_users_give_in_95_of_100_samples(unit_rows, rule):
    family = Family("kind", ((3,),), rule, Rule.any, Linkage.mean, 3_000)
    n_users, n_halves, n_samples = 200, 12, 120
    rng = np.random.default_rng(11)

    def draw(vectors, seed):
        options = {"similar": 0.8, "divergent": 0.2, "seed": seed}
        members = draw_groups(vectors, family, (3,), **options).members
        limits = {"within": Rule.any, "across": Rule.any, "similar": 1.0, "divergent": 0.0}
        return measure_quality(vectors, members, (3,), **limits).similarity

    means, intervals, of_groups_alone = [], [], []
    for seed in range(n_samples):
        # Users of two kinds, more or less pronounced.
        vectors = unit_rows(
            rng.normal(size=(n_users, 3)) + [[0.0, 0.0, 2.0]] * (rng.random((n_users, 1)) < 0.5)
        )
        values = draw(vectors, seed)
        halves = random_halves(n_users, n_halves, seed=seed)
        half_means = np.array([draw(vectors[half], n_samples + seed).mean() for half in halves])
        means.append(values.mean())
        intervals.append(find_interval(values, half_means, 3_000))
        of_groups_alone.append(1.96 * values.std() / 3_000**0.5)
    truth = np.mean(means)
    held = np.mean([found.low <= truth <= found.high for found in intervals])
    # Of 120 samples, 95% have a standard error of 2 points.
    assert 0.90 <= held < 1.0
    # The standard error is that of the means themselves, within a quarter: four of its own errors.
    errors = np.array([found.standard_error for found in intervals])
    assert np.sqrt((errors**2).mean()) == pytest.approx(np.std(means), rel=0.25)
    # Were groups taken for independent of each other, far fewer would be held.
    assert np.mean(np.abs(np.array(means) - truth) <= of_groups_alone) < 0.8


def test_the_variance_of_a_part_of_the_users_is_scaled_to_all_of_them():
    values, means = np.array([1.0, 3.0]), np.array([1.0, 2.0, 3.0])  # of variance 2 and 1
    found = find_interval(values, means, groups_of_half=5, share=0.2)
    # A fifth against the other four: 0.25 * 1 + (1 / 2 - 0.25 / 5) * 2
    assert found.standard_error == pytest.approx(1.15**0.5)
    freedom = 1.15**2 / (0.25**2 / 2 + 0.9**2 / 1)
    assert found.high - 2.0 == pytest.approx(student.ppf(0.975, freedom) * 1.15**0.5)


def test_means_of_parts_of_the_users_foretell_how_means_of_all_vary():
    rng = np.random.default_rng(11)
    n_users, part = 400, 40
    users = rng.normal(size=(200, n_users))
    # One group a user: all that varies is who is there.
    errors = []
    for sample in users[:100]:
        means = [sample[rng.choice(n_users, part, replace=False)].mean() for _ in range(50)]
        # So many that they add nothing, whatever they are.
        values = np.tile([0.0, 1e-9], 50)
        found = find_interval(values, np.array(means), groups_of_half=part, share=part / n_users)
        errors.append(found.standard_error**2)
    assert np.mean(errors) == pytest.approx(users.mean(axis=1).var(), rel=0.2)
