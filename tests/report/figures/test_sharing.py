"""Members that groups share, and groups that users are in."""

import numpy as np
import pytest
from scipy.stats import binom

from elsa_groups.report.figures.sharing import (
    count_pairs_sharing,
    count_participation,
    describe_participation,
    describe_shared,
    draw_participation,
    draw_shared,
    shorten_count,
)

from ..conftest import make_result

# Pairs of these share 2, 0, 3, 1, 2 and 0 members.
FOUR = [[0, 1, 2], [1, 2, 5], [5, 6, 7], [2, 1, 0]]


def test_pairs_are_counted_by_shared_members_in_the_columns_of_their_key():
    shared = count_pairs_sharing([make_result(members=FOUR), make_result("similar_5", 20, n_users=12)])

    assert shared.columns == ["1", "2", "3", "4", "5"]
    assert shared.pairs[0].tolist() == [1, 2, 1, -1, -1]
    assert shared.n_pairs.tolist() == [6, 190]
    np.testing.assert_allclose(shared.shares[0], [1 / 6, 2 / 6, 1 / 6, 0, 0], rtol=0, atol=1e-15)


def test_the_last_column_counts_all_that_share_more():
    members = [list(range(12)), list(range(12)), [*range(3, 12), 20, 21, 22], [0, *range(30, 41)]]

    shared = count_pairs_sharing([make_result("large_12", members=members), make_result()])

    # 12 members once and 9 twice; one member twice.
    assert shared.columns[-1] == "8+"
    assert shared.pairs[0].tolist() == [2, 0, 0, 0, 0, 0, 0, 3]
    assert shared.pairs[1].tolist()[3:] == [-1] * 5


def test_cells_show_counts_coloured_by_share():
    shared = count_pairs_sharing([make_result(members=FOUR), make_result("similar_5", 20, n_users=12)])

    (axes,) = draw_shared(shared).axes

    (cells,) = axes.collections
    np.testing.assert_array_equal(cells.get_array().filled(0.0), shared.shares)
    inside = {(int(x), int(y)): t.get_text() for t in axes.texts for x, y in [t.get_position()] if x != 1.02}
    assert [inside[column, 0] for column in range(3)] == ["1", "2", "1"]
    assert len(inside) == 8
    assert [t.get_text() for t in axes.texts if t.get_position()[0] == 1.02] == ["of 6", "of 190"]
    assert [label.get_text() for label in axes.get_xticklabels()] == shared.columns
    assert [label.get_text() for label in axes.get_yticklabels()] == ["similar_3", "similar_5"]


def test_alt_text_of_shared_members():
    apart = make_result(members=[[0, 1, 2], [3, 4, 5]])

    assert describe_shared(count_pairs_sharing([apart])).endswith("for similar_3: no pair shares any.")
    said = describe_shared(count_pairs_sharing([make_result(members=FOUR), apart]))
    assert "Of similar_3 66.67% of the pairs share one or more" in said
    assert said.endswith("the most members that a pair of any key shares are 3.")


@pytest.mark.parametrize(
    ("count", "text"),
    [(9_999, "9,999"), (10_000, "10.0k"), (99_949, "99.9k"), (99_950, "100k"), (999_499, "999k"),
     (999_500, "1.0M"), (49_995_000, "50.0M"), (5 * 10**11, "500G"), (5 * 10**13, "50.0T")],
)  # fmt: skip
def test_counts_are_written_short(count, text):
    assert shorten_count(count) == text


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
