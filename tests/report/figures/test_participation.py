"""Groups that users are in."""

import numpy as np
import pytest
from scipy.stats import binom

from elsa_groups.report.figures.participation import (
    count_participation,
    describe_participation,
    draw_participation,
)

from ..conftest import make_result

FOUR = [[0, 1, 2], [1, 2, 5], [5, 6, 7], [2, 1, 0]]


def test_users_are_counted_by_their_groups_beside_chance():
    counted = count_participation("similar_3", np.array(FOUR), 10)

    # Users 3, 4, 8 and 9 are in none, 6 and 7 in one, 0 and 5 in two, 1 and 2 in three.
    assert counted.users.tolist() == [4, 2, 2, 2]
    assert counted.edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
    assert counted.busiest == 3
    np.testing.assert_allclose(counted.expected, 10 * binom.pmf(range(4), 4, 0.3), rtol=1e-12)


@pytest.mark.parametrize("n_groups", [1, 75, 10_000])
def test_bins_hold_every_user_and_all_that_chance_would_give(n_groups):
    members = make_result("similar_5", n_groups, n_users=40).groups.members

    counted = count_participation("similar_5", members, 40)

    assert len(counted.users) <= 30
    assert counted.users.sum() == 40
    assert counted.expected.sum() == pytest.approx(40.0, abs=5.0)
    assert (np.diff(counted.edges) == counted.edges[1] - counted.edges[0]).all()
    assert counted.edges[0] == -0.5
    assert counted.edges[-1] > counted.busiest


def test_users_who_are_in_every_group_are_expected_there():
    counted = count_participation("similar_3", np.array([[0, 1, 2], [2, 1, 0]]), 3)

    assert counted.users.tolist() == counted.expected.tolist() == [0, 0, 3]


def test_panels_show_users_and_chance():
    keys = [
        count_participation(key, make_result(key, seed=seed).groups.members, 200)
        for seed, key in enumerate(("similar_3", "similar_5", "random_3", "opposing_2_1"))
    ]

    figure = draw_participation(keys)

    for axes, key in zip(figure.axes, keys, strict=True):
        assert axes.get_title(loc="left") == key.key
        users, chance = axes.patches
        np.testing.assert_array_equal(users.get_data().values, key.users)
        np.testing.assert_array_equal(chance.get_data().values, key.expected)
        np.testing.assert_array_equal(users.get_data().edges, key.edges)
        assert axes.get_yscale() == "log"
        assert axes.get_ylim()[1] > 200 * 0.5
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["users", "expected by chance"]
    busiest = max(keys, key=lambda key: key.busiest)
    assert f"{busiest.busiest}, of {busiest.key}." in describe_participation(keys, 200)
