"""Similarity of all keys side by side."""

import numpy as np
import pytest

from elsa_groups.report.figures.similarity import (
    describe_similarities,
    draw_similarities,
    summarise_similarities,
)
from elsa_groups.report.figures.style import BLUE, GREY

from ..conftest import make_result

LIMITS = {"similar": 0.75, "divergent": 0.45}
KEYS = ("similar_3", "divergent_5", "opposing_3_2")


@pytest.fixture
def results():
    return [make_result(key, seed=seed) for seed, key in enumerate(KEYS)]


def test_a_summary_holds_quantiles_and_the_mean(results):
    summary = summarise_similarities(results, **LIMITS)

    for row, result in enumerate(results):
        for found, values in (
            (summary.groups[row], result.quality.similarity),
            (summary.random[row], result.baseline),
        ):
            expected = [*np.quantile(values, [0.05, 0.25, 0.75, 0.95]), values.mean()]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


def test_rows_show_the_numbers_of_their_keys_beside_random_ones(results):
    summary = summarise_similarities(results, **LIMITS)

    (axes,) = draw_similarities(summary).axes

    assert [label.get_text() for label in axes.get_yticklabels()] == list(KEYS)
    marks = {line.get_color(): line for line in axes.lines if line.get_marker() == "o"}
    whiskers, bars = ([c for c in axes.collections if c.get_linewidth() == width] for width in (1.2, 4.0))
    for number, (color, spread) in enumerate(((GREY, summary.random), (BLUE, summary.groups))):
        np.testing.assert_array_equal(marks[color].get_xdata(), spread[:, 4])
        # Each in the row of its key.
        np.testing.assert_array_equal(np.round(marks[color].get_ydata()), range(3))
        for lines, ends in ((whiskers[number], spread[:, [0, 3]]), (bars[number], spread[:, [1, 2]])):
            np.testing.assert_array_equal([segment[:, 0] for segment in lines.get_segments()], ends)
    assert (marks[BLUE].get_ydata() < marks[GREY].get_ydata()).all()
    assert [text.get_text() for text in axes.texts][:3] == [f"{mean:.3f}" for mean in summary.groups[:, 4]]


def test_thresholds_are_lines_through_all_rows_and_named(results):
    figure = draw_similarities(summarise_similarities(results, **LIMITS))
    (axes,) = figure.axes

    lines = [line for line in axes.lines if line.get_marker() != "o"]
    assert sorted(line.get_xdata()[0] for line in lines) == [0.45, 0.75]
    assert {tuple(line.get_ydata()) for line in lines} == {(0, 1)}
    assert {"divergent ≤ 0.450", "similar ≥ 0.750"} <= {text.get_text() for text in axes.texts}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["groups of the key", "random groups"]


def test_alt_text_names_the_extreme_keys(results):
    summary = summarise_similarities(results, **LIMITS)

    said = describe_similarities(summary)

    low, high = summary.groups[:, 4].argmin(), summary.groups[:, 4].argmax()
    assert "3 keys" in said
    assert f"{summary.groups[low, 4]:.3f} ({KEYS[low]})" in said
    assert f"{summary.groups[high, 4]:.3f} ({KEYS[high]})" in said
    assert describe_similarities(summarise_similarities(results[:1], **LIMITS)).startswith(
        "Similarity of the groups of similar_3, mean 0."
    )
