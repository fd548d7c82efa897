"""Similarity within subgroups against that across them."""

import numpy as np
import pytest

from elsa_groups.report.figures.style import ORANGE
from elsa_groups.report.figures.within_across import Sides, describe_sides, draw_sides, find_sides

from ..conftest import make_result

LIMITS = {"similar": 0.75, "divergent": 0.45}


def test_only_keys_with_pairs_within_and_across_are_drawn():
    results = [make_result(key) for key in ("similar_3", "duel_1_1", "opposing_2_1", "camps_2_2_2")]

    sides = find_sides(results)

    assert [side.key for side in sides] == ["opposing_2_1", "camps_2_2_2"]
    np.testing.assert_array_equal(sides[0].within, results[2].quality.within)
    np.testing.assert_array_equal(sides[0].across, results[2].quality.across)


def test_each_group_is_a_mark_at_its_numbers():
    (sides,) = find_sides([make_result("opposing_2_1")])

    figure = draw_sides([sides], **LIMITS)
    (axes,) = figure.axes

    (groups,) = (line for line in axes.lines if line.get_marker() == ".")
    np.testing.assert_array_equal(groups.get_xdata(), sides.across)
    np.testing.assert_array_equal(groups.get_ydata(), sides.within)
    (mean,) = (line for line in axes.lines if line.get_color() == ORANGE)
    assert (mean.get_xdata()[0], mean.get_ydata()[0]) == (sides.across.mean(), sides.within.mean())
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("across subgroups", "within subgroups")


def test_many_groups_are_counted_in_cells():
    (sides,) = find_sides([make_result("opposing_2_1", 10_000, n_users=500)])

    (axes,) = draw_sides([sides], **LIMITS).axes

    (cells,) = axes.collections
    counts, across, within = np.histogram2d(sides.across, sides.within, 40)
    np.testing.assert_array_equal(cells.get_array().filled(0), counts.T)
    assert cells.get_array().sum() == 10_000
    np.testing.assert_array_equal(cells.get_coordinates()[0, :, 0], across)
    np.testing.assert_array_equal(cells.get_coordinates()[:, 0, 1], within)


@pytest.mark.parametrize(("across", "within"), [(0.44, 0.9), (0.9, 0.44)])
def test_axes_hold_all_groups_and_the_threshold_next_to_them(across, within):
    rng = np.random.default_rng(0)
    keys = [Sides(f"k_2_{n}", rng.normal(within, 0.01, 9), rng.normal(across, 0.01, 9)) for n in (1, 2)]

    for axes in draw_sides(keys, **LIMITS).axes:
        for limits, name, near in ((axes.get_xlim(), "across", across), (axes.get_ylim(), "within", within)):
            values = np.concatenate([getattr(sides, name) for sides in keys])
            nearest = 0.45 if near < 0.6 else 0.75
            assert limits[0] < min(values.min(), nearest)
            assert limits[1] > max(values.max(), nearest)


def test_thresholds_are_lines_along_both_axes_and_named():
    figure = draw_sides(find_sides([make_result("opposing_2_1")]), **LIMITS)
    (axes,) = figure.axes

    lines = [line for line in axes.lines if len(line.get_xdata()) == 2]
    assert sorted(line.get_xdata()[0] for line in lines if line.get_ydata()[:] == [0, 1]) == [0.45, 0.75]
    assert sorted(line.get_ydata()[0] for line in lines if line.get_xdata()[:] == [0, 1]) == [0.45, 0.75]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "mean",
        "divergent ≤ 0.450",
        "similar ≥ 0.750",
    ]


def test_alt_text_says_both_means():
    sides = find_sides([make_result("opposing_2_1"), make_result("opposing_3_2", seed=1)])

    said = describe_sides(sides, **LIMITS)

    for side in sides:
        assert f"{side.within.mean():.3f} ({side.key})" in said
        assert f"{side.across.mean():.3f} ({side.key})" in said
