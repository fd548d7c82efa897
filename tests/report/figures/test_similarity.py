"""The lead figure: similarity within and across subgroups of all group types, beside random groups."""

from dataclasses import replace

import numpy as np
import pytest

from elsa_groups.report.colors import BLUE, ORANGE
from elsa_groups.report.figures.counting import similarity_rows
from elsa_groups.report.figures.data import Similarities
from elsa_groups.report.figures.similarity import describe_similarities, draw_similarities

from ..conftest import make_result

LIMITS = {"similar": 0.75, "divergent": 0.45}
KEYS = ("similar_3", "opposing_3_2", "duel_1_1", "divergent_5")


@pytest.fixture
def results():
    return [make_result(key, seed=seed) for seed, key in enumerate(KEYS)]


def _draw(results):
    (axes,) = draw_similarities(Similarities(similarity_rows(results), **LIMITS)).axes
    return axes


def _expected(results):
    """What is within and across in each row; all pairs of a single subgroup are within it."""
    one = ("similar_3", "divergent_5")
    within = [r.quality.similarity if r.groups.key in one else r.quality.within for r in results]
    return within, [r.quality.across for r in results]


def test_marks_are_means_within_and_across_in_the_row_of_their_type(results):
    axes = _draw(results)

    assert [label.get_text() for label in axes.get_yticklabels()] == list(KEYS)
    marks = {line.get_marker(): line for line in axes.lines if line.get_marker() in ("o", "D")}
    for (marker, color), parts in zip((("o", BLUE), ("D", ORANGE)), _expected(results), strict=True):
        np.testing.assert_array_equal(marks[marker].get_xdata(), [values.mean() for values in parts])
        np.testing.assert_array_equal(np.round(marks[marker].get_ydata()), range(len(KEYS)))
        assert marks[marker].get_markeredgecolor() == color
    # Full within, hollow across.
    assert marks["o"].get_markerfacecolor() == BLUE
    assert marks["D"].get_markerfacecolor() == "white"


def test_lines_and_bands_go_from_5_to_95_percent(results):
    axes = _draw(results)

    lines = [c.get_segments() for c in axes.collections if c.get_linewidth()[0] == 1.3]
    for drawn, parts in zip(lines, _expected(results), strict=True):
        ends = [np.quantile(values, [0.05, 0.95]) for values in parts if not np.isnan(values).all()]
        found = [segment[:, 0] for segment in drawn if len(segment)]
        np.testing.assert_array_equal(found, ends)
    for row, (bar, result) in enumerate(zip(axes.patches, results, strict=True)):
        assert bar.get_y() < row < bar.get_y() + bar.get_height()
        ends = bar.get_x(), bar.get_x() + bar.get_width()
        assert ends == pytest.approx(np.quantile(result.baseline, [0.05, 0.95]), abs=1e-12)


def test_both_means_and_the_share_of_groups_that_break_the_rule_are_written(results):
    wrong = np.zeros(75, np.int64)
    wrong[:30] = 1
    results[0] = replace(results[0], quality=replace(results[0].quality, wrong_pairs=wrong))

    texts = [text.get_text() for text in _draw(results).texts]

    within, across = ([f"{v.mean():.3f}".replace("nan", "") for v in parts] for parts in _expected(results))
    for column in (within, across, ["40.0%", "0.0%", "0.0%", "0.0%"]):
        assert any(texts[i : i + 4] == column for i in range(len(texts))), column


def test_a_type_without_a_rule_cannot_break_it(results):
    rows = similarity_rows(results, without_rule=[results[3].groups.key])
    assert rows.notes == ("0.0%", "0.0%", "0.0%", "no rule")


def test_thresholds_are_lines_through_all_rows_and_named(results):
    figure = draw_similarities(Similarities(similarity_rows(results), **LIMITS))
    (axes,) = figure.axes

    lines = [line for line in axes.lines if line.get_marker() == "None"]
    assert sorted(line.get_xdata()[0] for line in lines) == [0.45, 0.75]
    assert {tuple(line.get_ydata()) for line in lines} == {(0, 1)}
    written = " ".join(text.get_text() for text in axes.texts)
    for part in ("≤ 0.4500", "≥ 0.7500"):
        assert part in written
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["within subgroups", "across", "random groups"]


def test_without_several_subgroups_nothing_is_said_of_pairs_across():
    results = [make_result("similar_3")]
    rows = similarity_rows(results)

    assert [(marks.label, marks.heading) for marks in rows.marks] == [("groups", "mean")]
    said = describe_similarities(Similarities(rows, **LIMITS))
    assert "across" not in said
    assert "similar_3: mean 0." in said


def test_alt_text_names_the_extreme_types(results):
    said = describe_similarities(Similarities(similarity_rows(results), **LIMITS))

    for parts in _expected(results):
        means = {key: v.mean() for key, v in zip(KEYS, parts, strict=True) if not np.isnan(v).all()}
        for extreme in (min, max):
            key = extreme(means, key=means.__getitem__)
            assert f"{means[key]:.3f} ({key})" in said
    assert "4 group types" in said
    assert "0.4500" in said
    assert "0.7500" in said
