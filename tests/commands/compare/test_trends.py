"""Metrics over settings: what is drawn is what was measured."""

import pytest

from elsa_groups.commands.compare.comparison import compare_groups_runs
from elsa_groups.commands.compare.looks import looks_of
from elsa_groups.commands.compare.trends import (
    describe_trend,
    draw_runs,
    draw_trend,
    metric_figures,
)
from elsa_groups.report.colors import BLUE, GREY, ORANGE
from elsa_groups.report.figures.style import save_png

from ...report.conftest import check_writing

QUANTILES = (0.5, 0.8, 0.9, 0.95)


@pytest.fixture
def over_quantiles(make_compared):
    return compare_groups_runs([make_compared(str(q), quantile=q) for q in QUANTILES])


def panels(figure) -> dict:
    return {axes.get_title(loc="left"): axes for axes in figure.axes}


def lines_of(axes) -> list:
    """Lines through what was measured; those from a line to its name are no lines of the panel."""
    return list(axes.lines)


def test_lines_of_types_go_through_their_metrics(over_quantiles):
    (setting,) = over_quantiles.variation.settings

    drawn = panels(draw_trend(over_quantiles, setting))

    assert list(drawn) == [
        "mean similarity", "within (filled) and across (hollow)",
        "groups that break the rule",
    ]  # fmt: skip
    lines = lines_of(drawn["mean similarity"])
    for line, key in zip(lines, over_quantiles.keys, strict=True):
        assert list(line.get_xdata()) == list(QUANTILES)
        expected = [run.value(key, "similarity_mean") for run in over_quantiles.runs]
        assert list(line.get_ydata()) == expected
    assert [line.get_color() for line in lines] == [BLUE, BLUE, ORANGE, GREY]
    assert lines[0].get_linestyle() != lines[1].get_linestyle()
    (across,) = lines_of(drawn["within (filled) and across (hollow)"])
    assert (across.get_color(), across.get_markerfacecolor()) == (ORANGE, "white")


def test_lines_are_named_at_their_ends_in_their_order_and_colour(over_quantiles):
    (setting,) = over_quantiles.variation.settings

    axes = panels(draw_trend(over_quantiles, setting))["mean similarity"]

    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    colors = {text.get_text(): text.get_color() for text in axes.texts}
    ends = {key: over_quantiles.runs[-1].value(key, "similarity_mean") for key in over_quantiles.keys}
    assert sorted(heights, key=heights.__getitem__) == sorted(ends, key=ends.__getitem__)
    assert colors == {line_key: line.get_color() for line_key, line in zip(ends, axes.lines, strict=True)}


def test_ticks_stand_at_the_values_that_were_tried(over_quantiles):
    (setting,) = over_quantiles.variation.settings

    figure = draw_trend(over_quantiles, setting)

    for axes in figure.axes:
        assert list(axes.get_xticks()) == list(QUANTILES)
    written = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert written[0] == "0.5"
    assert set(written) <= {"", *(f"{q:g}" for q in QUANTILES)}


def test_intervals_are_lines_over_their_ends(make_compared):
    runs = [make_compared(str(q), quantile=q, keys=("similar_3",)) for q in QUANTILES]
    for run in runs[1:]:
        mean = run.rows["similar_3"]["similarity_mean"]
        run.rows["similar_3"] |= {"similarity_low": mean - 0.02, "similarity_high": mean + 0.01}
    comparison = compare_groups_runs(runs)
    (setting,) = comparison.variation.settings

    axes = panels(draw_trend(comparison, setting))["mean similarity"]

    # The lines to names are in the figure's own coordinates.
    (intervals,) = (c for c in axes.collections if c.get_transform() != axes.transAxes and c.get_alpha())
    drawn = {segment[0, 0]: tuple(segment[:, 1]) for segment in intervals.get_segments()}
    means = {q: 0.5 + 0.1 * q for q in QUANTILES[1:]}
    assert drawn == {q: pytest.approx((mean - 0.02, mean + 0.01)) for q, mean in means.items()}


@pytest.mark.parametrize(("half", "said"), [(0.05, True), (0.001, False)])
def test_types_of_which_no_dependence_can_be_told_are_named(make_compared, half, said):
    runs = [make_compared(str(q), quantile=q, keys=("similar_3",)) for q in QUANTILES]
    for run in runs:
        mean = run.rows["similar_3"]["similarity_mean"]
        run.rows["similar_3"] |= {"similarity_low": mean - half, "similarity_high": mean + half}
    comparison = compare_groups_runs(runs)
    (setting,) = comparison.variation.settings
    told = "For similar_3 no dependence on the setting can be told" in describe_trend(comparison, setting)
    assert told == said


def test_other_settings_have_lines_and_markers_of_their_own(make_compared):
    comparison = compare_groups_runs(
        [make_compared(f"{q} {seed}", quantile=q, seed=seed) for q in QUANTILES for seed in (1, 2)]
    )

    (figure,) = metric_figures(comparison)

    assert figure.name == "over_thresholds.similar.quantile"
    lines = panels(figure.figure)["mean similarity"].lines
    assert [line.get_marker() for line in lines] == ["o"] * 4 + ["s"] * 4
    (legend,) = figure.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["1", "2"]
    assert any(text.get_text().endswith("\nmarkers: seed") for text in figure.figure.texts)
    check_writing(figure.figure)


def test_settings_that_move_together_share_a_figure(make_compared):
    comparison = compare_groups_runs(
        [make_compared(str(q), quantile=q, n_groups=n) for q, n in zip(QUANTILES, (9, 8, 7, 6), strict=True)]
    )

    (figure,) = metric_figures(comparison)

    assert any(text.get_text().startswith("n_groups\nand with it ") for text in figure.figure.texts)
    assert list(panels(figure.figure)["mean similarity"].lines[0].get_xdata()) == [6, 7, 8, 9]


def test_a_setting_in_which_no_two_runs_differ_alone_is_not_drawn_over(make_compared):
    comparison = compare_groups_runs([make_compared(f"{q}", quantile=q, linkage=f"l{q}") for q in (0.5, 0.9)])
    assert [figure.name for figure in metric_figures(comparison)] == ["runs"]


def test_without_a_number_that_differs_each_run_has_a_row(make_compared):
    comparison = compare_groups_runs([make_compared(v, linkage=v, keys=k) for v, k in (
        ("all", ("similar_3", "random_3")), ("any", ("similar_3",)), ("mean", ("similar_3", "random_3")),
    )])  # fmt: skip

    drawn = panels(draw_runs(comparison))

    axes = drawn["mean similarity"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1: all", "2: any", "3: mean"]
    similar, random = axes.lines
    assert list(similar.get_xdata()) == [run.value("similar_3", "similarity_mean") for run in comparison.runs]
    assert list(similar.get_ydata()) == [0, 1, 2]
    # A run without the key has no mark of it.
    assert list(random.get_ydata()) == [0, 2]
    check_writing(draw_runs(comparison))


def test_families_have_colours_and_those_that_ask_nothing_are_grey(make_compared):
    keys = ("similar_3", "opposing_2_1", "random_3", "random_5", "other_2")
    looks = looks_of(compare_groups_runs([make_compared(name, keys=keys) for name in "ab"]))
    # Of a family that the settings do not tell of nothing is known.
    assert [looks[key].color for key in keys[:4]] == [BLUE, ORANGE, GREY, GREY]
    assert looks["random_3"].marker != looks["random_5"].marker


def test_metrics_of_others_have_panels_by_their_name(make_compared):
    metrics = {"similar_3/novelty_mean": 0.5}
    runs = [make_compared(str(q), quantile=q, metrics=metrics) for q in QUANTILES]
    (figure,) = metric_figures(compare_groups_runs(runs))
    assert any(title.startswith("novelty") for title in panels(figure.figure))
    check_writing(figure.figure)


def test_what_is_said_of_a_trend_compares_runs_that_differ_in_nothing_else(make_compared):
    # The lowest and the highest have seeds of their own.
    runs = [make_compared(f"{q}", quantile=q, seed=1) for q in (0.8, 0.9, 0.95)]
    others = [make_compared("low", quantile=0.5, seed=0), make_compared("high", quantile=1.0, seed=3)]
    comparison = compare_groups_runs([*runs, *others])
    (setting,) = (one for one in comparison.variation.settings if one.is_numeric)

    said = describe_trend(comparison, setting)

    assert "quantile from 0.5 to 1," in said
    expected = "Mean similarity from run 2 to run 4: similar_3 from 0.580 to 0.595; similar_5 from"
    assert expected in said


@pytest.mark.parametrize("n_runs", [2, 10])
def test_figures_are_legible_and_the_same_bytes_again(make_compared, tmp_path, n_runs):
    comparison = compare_groups_runs([make_compared(str(n), quantile=0.5 + n / 25) for n in range(n_runs)])
    written = []
    for name in ("a.png", "b.png"):
        (figure,) = metric_figures(comparison)
        save_png(figure.figure, tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    check_writing(figure.figure)
    assert written[0] == written[1]
    assert "similar_3 from 0.550 to" in figure.alt
