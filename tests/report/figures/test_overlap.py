"""Members that groups share."""

import numpy as np
import pytest

from elsa_groups.report.figures.overlap import (
    count_pairs_sharing,
    describe_shared,
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
