"""The figure of recommendation overlap: what is counted, drawn and said."""

import re
from dataclasses import replace

import numpy as np
import pytest

from elsa_groups.report.figures.recommendation_overlap import count_overlaps, describe_overlaps, draw_overlaps

from ..conftest import check_writing, make_result


def with_overlaps(key, groups, random):
    result = make_result(key, len(groups))
    tastes = replace(result.tastes, recommendation_overlap_at_20=np.array(groups))
    return replace(result, tastes=tastes, random_overlap=np.array(random))


def test_every_group_is_in_the_bin_of_its_overlap():
    results = [
        with_overlaps("similar_3", [0.0, 0.39, 0.4], [0.1, 0.1]),
        with_overlaps("random_3", [0.02], [0.0]),
    ]
    counted = count_overlaps(results)
    assert counted.edges == pytest.approx(np.arange(21) * 0.02)
    first, second = counted.keys
    assert first.groups.nonzero()[0].tolist() == [0, 19]
    assert first.groups[19] == 2
    assert first.random[5] == first.random.sum() == 2
    assert (second.groups[1], second.random[0]) == (1, 1)
    assert (first.mean, second.random_mean) == (pytest.approx(0.79 / 3), 0.0)


def test_bars_and_lines_are_shares_and_all_of_them_in_sight():
    results = [
        with_overlaps("similar_3", [0.4, 0.41], [0.1, 0.3]),
        with_overlaps("divergent_3", [0.0] * 5, [0.0, 0.2]),
    ]
    figure = draw_overlaps(count_overlaps(results))
    for axes in figure.axes:
        bars, line = axes.patches
        assert bars.get_data().values.sum() == line.get_data().values.sum() == pytest.approx(1.0)
        assert axes.get_ylim()[1] >= 1.0
    check_writing(figure)


def test_nothing_in_common_is_drawn_and_said():
    counted = count_overlaps([with_overlaps("divergent_3", [0.0, 0.0], [0.0])])
    check_writing(draw_overlaps(counted))
    said = describe_overlaps(counted)
    assert re.findall(r"\d\.\d+", said) == ["0.000", "0.000"]
