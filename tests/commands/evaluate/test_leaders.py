"""Which aggregator is said to lead, and from which others it is told."""

from dataclasses import replace

import numpy as np
import pytest

from elsa_groups.commands.evaluate.leaders import (
    Order,
    PairedDifference,
    Values,
    find_orders,
    pool_families,
    say_leader,
)
from elsa_groups.commands.evaluate.measures import HEADLINES, MEASURED
from elsa_groups.measures.jackknife import find_interval

NAMES = ("ADD", "AVG", "LMS")


def values_of(rng, n_groups, means, spread=0.1):
    """A value of each aggregator, the same in all measures; the first two always equal."""
    drawn = np.asarray(means) + spread * rng.normal(size=(n_groups, len(means)))
    drawn[:, 1] = drawn[:, 0]
    return np.repeat(drawn[:, :, None], len(MEASURED), axis=2)


def made(seed=1, means=(0.3, 0.3, 0.1), name="similar_3"):
    rng = np.random.default_rng(seed)
    halves = tuple(values_of(rng, 30, means) for _ in range(25))
    of_groups = {"parent": values_of(rng, 75, means), "EASE": values_of(rng, 75, means)}
    return Values(name, (name,), of_groups, {"parent": halves})


def headline(of, recommender="parent"):
    orders = find_orders(of, NAMES, 0.5)
    return next(o for o in orders if o.recommender == recommender and o.measured == HEADLINES[0])


def test_two_names_of_one_aggregator_are_never_told_apart():
    order = headline(made())
    twins = next(each for each in order.differences if (each.first, each.second) == ("ADD", "AVG"))
    assert twins == PairedDifference("ADD", "AVG", 0.0, same=True)
    assert not twins.is_told
    assert say_leader(order) == (
        f"ADD leads with {order.means['ADD']:.3f}, and is told from all others; AVG the same in every group"
    )


def test_a_difference_has_the_interval_of_its_pairs():
    of = made()
    order = headline(of)
    apart = of.of_groups["parent"][:, 0, 0] - of.of_groups["parent"][:, 2, 0]
    means = np.array([(half[:, 0, 0] - half[:, 2, 0]).mean() for half in of.of_halves["parent"]])
    expected = find_interval(apart, means, 30, 0.5, least=-np.inf)
    found = order.to_leader()["LMS"]
    assert (found.mean, found.low, found.high) == pytest.approx((apart.mean(), expected.low, expected.high))
    turned = found.seen_from("LMS")
    assert (turned.mean, turned.low, turned.high) == (-found.mean, -found.high, -found.low)
    assert turned.is_told


def test_an_interval_of_a_difference_reaches_below_0_where_nothing_is_told():
    order = headline(made(means=(0.3, 0.3, 0.3)))
    found = order.to_leader()[[name for name in order.means if name != order.leader][-1]]
    others = [each for each in order.to_leader().values() if not each.same]
    assert all(each.low < 0 < each.high for each in others)
    assert found.mean >= 0
    assert "the order cannot be told" in say_leader(order)


def test_chance_tells_equal_aggregators_apart_in_one_of_twenty():
    told = [
        next(
            each for each in headline(made(seed, (0.3, 0.3, 0.3))).differences if each.second == "LMS"
        ).is_told
        for seed in range(200)
    ]
    # Binomial: below 0.09 in 99% of cases at a true share of 0.05; intervals are rather too wide.
    assert np.mean(told) <= 0.09


def test_groups_whose_members_have_no_held_out_items_count_in_none_of_the_means():
    of = made()
    of.of_groups["parent"][:5, :, 0] = np.nan
    orders = {o.measured: o for o in find_orders(of, NAMES, 0.5) if o.recommender == "parent"}
    assert orders[MEASURED[0]].n_groups == 70
    assert orders[MEASURED[0]].means["ADD"] == pytest.approx(of.of_groups["parent"][5:, 0, 0].mean())
    assert orders[MEASURED[-1]].n_groups == 75


def test_other_recommenders_and_runs_without_halves_have_no_intervals():
    assert headline(made(), "EASE").differences == ()
    assert "no interval says" in say_leader(headline(made(), "EASE"))
    of = made()
    both = headline(replace(of, of_halves={**of.of_halves, "EASE": of.of_halves["parent"]}), "EASE")
    assert any(each.is_told for each in both.differences)
    alone = headline(Values(of.name, of.keys, of.of_groups))
    assert not any(each.is_told for each in alone.differences)


def test_where_a_half_has_no_groups_differences_have_no_interval():
    of = made()
    *halves, last = of.of_halves["parent"]
    lacking = replace(of, of_halves={"parent": (*halves, last[:0])})
    expected = [replace(each, low=None, high=None, error=None) for each in headline(of).differences]
    assert [*headline(lacking).differences] == expected
    assert any(each.is_told for each in headline(of).differences)


def test_families_of_several_sizes_are_pooled_group_by_group():
    types = [made(1, name="similar_3"), made(2, name="similar_5"), made(3, name="random_3")]
    families = {"similar_3": "similar", "similar_5": "similar", "random_3": "random"}
    pooled = pool_families(types, families)
    assert [of.name for of in pooled] == ["similar", "similar_3", "similar_5", "random_3"]
    both = pooled[0]
    assert both.keys == ("similar_3", "similar_5")
    assert len(both.of_groups["EASE"]) == 150
    assert [len(half) for half in both.of_halves["parent"]] == [60] * 25


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ((), "ADD has the highest mean, 0.300; no interval says from which others that can be told"),
        (
            [(0.1, 0.05, 0.15), (0.2, 0.1, 0.3)],
            "ADD leads with 0.300, and is told from all others",
        ),
        (
            [(0.1, 0.05, 0.15), (0.2, -0.1, 0.3)],
            "ADD has the highest mean, 0.300; it is told from MPL, but not from LMS",
        ),
        (
            [(0.1, -0.05, 0.15), (0.2, -0.1, 0.3)],
            "ADD has the highest mean, 0.300, but the order cannot be told: no difference to it exceeds its"
            " interval",
        ),
    ],
)
def test_leaders_are_told_in_words(differences, expected):
    pairs = [
        PairedDifference("ADD", name, *ends) for name, ends in zip(("MPL", "LMS"), differences, strict=False)
    ]
    means = {"ADD": 0.3, "MPL": 0.2, "LMS": 0.1}
    assert say_leader(Order("a", "parent", HEADLINES[0], 75, means, tuple(pairs))) == expected


def test_aggregators_that_are_all_the_same_have_no_leader():
    same = [PairedDifference("ADD", "AVG", 0.0, same=True)]
    order = Order("a", "parent", HEADLINES[0], 75, {"ADD": 0.3, "AVG": 0.3}, tuple(same))
    assert say_leader(order) == "all aggregators have the same value in every group"
