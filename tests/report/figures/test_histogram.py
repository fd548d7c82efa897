import json
import warnings
from dataclasses import replace
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from elsa_groups.report.figures.counting import count_similarities
from elsa_groups.report.figures.histogram import describe_histogram, draw_histogram
from elsa_groups.report.figures.style import save_png

from ..conftest import make_result, png_size

SIMILAR, DIVERGENT = 0.72, 0.51


def _result(key, groups, random, **parts):
    """A group type with these similarities."""
    groups = np.asarray(groups, np.float64)
    result = make_result(key, 1)
    nothing = np.full(len(groups), np.nan)
    parts = {name: np.asarray(parts.get(name, nothing), np.float64) for name in ("within", "across")}
    quality = replace(result.quality, similarity=groups, **parts)
    return replace(result, quality=quality, baseline=np.asarray(random, np.float64))


def _count(key, groups, random, *, similar=SIMILAR, divergent=DIVERGENT, **parts):
    """The only histogram of a run of one group type."""
    (counted,) = count_similarities(
        [_result(key, groups, random, **parts)], similar=similar, divergent=divergent
    )
    return counted


def _histogram(seed=0, n_groups=75, n_random=200, *, similar=SIMILAR, divergent=DIVERGENT, subgroups=False):
    rng = np.random.default_rng(seed)
    parts = {name: rng.uniform(0.3, 0.9, n_groups) for name in ("within", "across")} if subgroups else {}
    return _count(
        "opposing_2_1" if subgroups else "similar_3",
        rng.uniform(0.6, 0.85, n_groups),
        rng.uniform(0.4, 0.8, n_random),
        similar=similar,
        divergent=divergent,
        **parts,
    )


def _stairs(axes):
    """Filled steps in the order in which they are painted."""
    return sorted(axes.patches, key=lambda patch: patch.get_zorder())


def _vertical_lines(axes):
    return sorted(float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) == 2)


def _marks(axes):
    """Positions on the axis that carry a single marker."""
    return sorted(float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) == 1)


shares = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(groups=shares, random=shares, similar=st.floats(0.0, 1.0), divergent=st.floats(0.0, 1.0))
def test_bins_hold_every_value_and_none_lies_on_both_sides_of_a_threshold(groups, random, similar, divergent):
    # Values at the thresholds themselves, and right beside them, are the hard ones.
    at = [f(limit) for limit in (similar, divergent) for f in (float, _next, _previous)]
    parts = [np.array([*values, *(v for v in at if 0 <= v <= 1)]) for values in (groups, random)]

    counted = _count("k_2_1", *parts, similar=similar, divergent=divergent, within=parts[0])

    assert (np.diff(counted.edges) > 0).all()
    starts, ends = counted.edges[:-1], np.nextafter(counted.edges[1:], -1.0)
    assert ((starts >= similar) | (ends < similar)).all()
    assert ((ends <= divergent) | (starts > divergent)).all()
    for series, values in zip(
        (counted.groups, counted.random, counted.within), (*parts, parts[0]), strict=True
    ):
        assert series.counts.sum() == series.n_groups == len(values)
        assert series.mean == pytest.approx(values.mean(), abs=1e-14)
        assert series.counts[starts >= similar].sum() == (values >= similar).sum()
        assert series.counts[starts <= divergent].sum() == (values <= divergent).sum()


def _next(value):
    return float(np.nextafter(value, np.inf))


def _previous(value):
    return float(np.nextafter(value, -np.inf))


@pytest.mark.parametrize(("similar", "divergent"), [(0.8, 0.5), (0.66, 0.64), (0.99, 0.2), (0.3, 0.25)])
def test_bins_are_about_forty_of_one_width_from_the_smallest_to_the_largest_number(similar, divergent):
    counted = _count("k_3", [0.5, 0.95], [0.45], similar=similar, divergent=divergent)

    low, high = min(0.45, divergent), max(0.95, similar)
    assert counted.edges[0] <= low < counted.edges[1]
    assert counted.edges[-2] <= high <= counted.edges[-1]
    widths = np.diff(counted.edges)
    # The divergent threshold's edge is the next larger number.
    np.testing.assert_allclose(widths, widths.mean(), rtol=1e-9)
    assert 20 <= len(widths) <= 80


def test_all_group_types_of_a_run_have_the_same_bins():
    one, other = _result("k_3", [0.1, 0.2], [0.5]), _result("k_5", [0.8, 0.9], [0.4])

    first, second = count_similarities([one, other], similar=SIMILAR, divergent=DIVERGENT)

    np.testing.assert_array_equal(first.edges, second.edges)
    assert first.edges[0] <= 0.1 < 0.9 <= first.edges[-1]
    assert draw_histogram(first).axes[0].get_xlim() == draw_histogram(second).axes[0].get_xlim()


def test_undefined_parts_of_groups_are_not_counted():
    counted = _count(
        "k_2_1", [0.5] * 3, [0.5] * 2, within=np.full(3, np.nan), across=np.array([0.25, np.nan, 0.75])
    )

    assert counted.within is None
    assert (counted.across.n_groups, counted.across.mean) == (2, 0.5)


@pytest.mark.parametrize(("key", "parts"), [("similar_3", 0), ("duel_1_1", 1), ("opposing_2_1", 2)])
def test_a_type_is_counted_with_the_parts_that_it_has(key, parts):
    result = make_result(key)

    (counted,) = count_similarities([result], similar=SIMILAR, divergent=DIVERGENT)

    assert counted.groups.mean == pytest.approx(result.quality.similarity.mean(), abs=1e-15)
    assert counted.random.mean == pytest.approx(result.baseline.mean(), abs=1e-15)
    assert [counted.across is not None, counted.within is not None] == [parts > 0, parts > 1]


@pytest.mark.parametrize("subgroups", [False, True])
def test_dictionary_is_strict_json_of_all_that_is_drawn(subgroups):
    counted = _histogram(subgroups=subgroups)

    read = json.loads(json.dumps(counted.as_dict(), allow_nan=False))

    series = {"": counted.groups, "random_": counted.random}
    if subgroups:
        series |= {"within_": counted.within, "across_": counted.across}
    expected = {"key": counted.key, "edges": list(counted.edges)}
    expected |= {"thresholds": {"similar": SIMILAR, "divergent": DIVERGENT}}
    for name, part in series.items():
        expected |= {f"{name}counts": list(part.counts), f"{name}mean": part.mean}
    assert read == expected


def test_random_groups_are_painted_first_and_named():
    axes = draw_histogram(_histogram(n_groups=75, n_random=1_200)).axes[0]

    behind, before = _stairs(axes)

    assert "random" in behind.get_label()
    assert "random" not in before.get_label()
    assert to_rgb(behind.get_facecolor()) != to_rgb(before.get_facecolor())
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {
        behind.get_label(),
        before.get_label(),
    }


def test_heights_are_shares_that_multiply_back_to_the_counts():
    counted = _histogram(n_groups=75, n_random=1_200)

    random, groups = _stairs(draw_histogram(counted).axes[0])

    for patch, series in ((random, counted.random), (groups, counted.groups)):
        drawn = patch.get_data()
        np.testing.assert_array_equal(drawn.edges, counted.edges)
        assert drawn.values.sum() == pytest.approx(1.0, abs=1e-12)
        np.testing.assert_allclose(drawn.values * series.n_groups, series.counts, rtol=0, atol=1e-10)


def test_subgroups_get_a_second_panel_with_within_and_across():
    counted = _histogram(subgroups=True)

    first, second = draw_histogram(counted).axes

    assert first.get_xlim() == second.get_xlim()
    drawn = {patch.get_label().split()[0]: patch.get_data().values for patch in second.patches}
    assert set(drawn) == {"within,", "across,"}
    for name, series in (("within,", counted.within), ("across,", counted.across)):
        np.testing.assert_allclose(drawn[name] * series.n_groups, series.counts, rtol=0, atol=1e-10)
    assert _marks(second) == sorted([counted.within.mean, counted.across.mean])


def test_one_subgroup_gets_one_panel():
    assert len(draw_histogram(_histogram()).axes) == 1


def test_means_are_marked_and_written():
    counted = _histogram()

    axes = draw_histogram(counted).axes[0]

    assert _marks(axes) == sorted([counted.groups.mean, counted.random.mean])
    random, groups = _stairs(axes)
    assert f"mean {counted.random.mean:.3f}" in random.get_label()
    assert f"mean {counted.groups.mean:.3f}" in groups.get_label()


@pytest.mark.parametrize("subgroups", [False, True])
def test_thresholds_are_lines_at_their_values_in_every_panel(subgroups):
    figure = draw_histogram(_histogram(subgroups=subgroups))

    for axes in figure.axes:
        assert _vertical_lines(axes) == [DIVERGENT, SIMILAR]
        low, high = axes.get_xlim()
        assert low <= DIVERGENT < SIMILAR <= high
        assert axes.get_ylim()[0] == 0.0


@pytest.mark.parametrize(
    ("divergent", "similar"),
    [(0.51, 0.72), (0.6, 0.6), (0.6, 0.601), (0.3, 0.301), (0.95, 0.96), (0.0, 1.0), (0.72, 0.51)],
)
@pytest.mark.parametrize("subgroups", [False, True])
def test_labels_of_thresholds_are_apart_inside_the_figure_and_in_order(divergent, similar, subgroups):
    figure = draw_histogram(_histogram(similar=similar, divergent=divergent, subgroups=subgroups))
    figure.canvas.draw()
    axes = figure.axes[0]

    texts = {text.get_text().split()[0]: text for text in axes.texts}

    assert texts["divergent"].get_text() == f"divergent ≤ {divergent:.4f}"
    assert texts["similar"].get_text() == f"similar ≥ {similar:.4f}"
    boxes = {name: text.get_window_extent() for name, text in texts.items()}
    for box in boxes.values():
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
    left, right = ("divergent", "similar") if divergent <= similar else ("similar", "divergent")
    assert boxes[left].x1 < boxes[right].x0


@pytest.mark.parametrize("subgroups", [False, True])
@pytest.mark.parametrize("n_groups", [1, 1_000_000])
def test_nothing_written_covers_anything_else_written(subgroups, n_groups):
    counted = _histogram(n_groups=n_groups, n_random=n_groups, subgroups=subgroups)
    figure = draw_histogram(counted)
    figure.canvas.draw()

    written = {"title": figure.texts[0].get_window_extent()}
    for number, axes in enumerate(figure.axes):
        written |= {f"{text.get_text()} {number}": text.get_window_extent() for text in axes.texts}
        written[f"legend {number}"] = axes.get_legend().get_window_extent()
        written[f"x label {number}"] = axes.xaxis.label.get_window_extent()
        written[f"y label {number}"] = axes.yaxis.label.get_window_extent()
    written = {name: box for name, box in written.items() if box.width and box.height}

    for (one, a), (other, b) in combinations(written.items(), 2):
        assert not a.overlaps(b), f"{one} and {other} overlap"
    for name, box in written.items():
        inside = figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert inside, f"{name} leaves the figure"
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, f"{name} leaves the figure"


@pytest.mark.parametrize("subgroups", [False, True])
def test_title_names_the_key_and_its_groups_and_both_axes_are_labelled(subgroups):
    counted = _histogram(subgroups=subgroups)
    figure = draw_histogram(counted)

    assert counted.key in figure.get_suptitle()
    assert "75 groups" in figure.get_suptitle()
    assert "similarity" in figure.axes[-1].get_xlabel()
    assert {axes.get_ylabel() for axes in figure.axes} == {"share of groups"}
    figure.canvas.draw()
    ticks = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert ticks[0] == "0%"
    assert all(tick.endswith("%") for tick in ticks)


def test_title_of_one_group_is_in_the_singular():
    title = draw_histogram(_histogram(n_groups=1)).get_suptitle()

    assert "1 group" in title
    assert "groups" not in title


@pytest.mark.parametrize(("subgroups", "height"), [(False, 567), (True, 972)])
def test_png_is_a_thousand_pixels_wide_and_gives_every_panel_the_same_room(tmp_path, subgroups, height):
    save_png(draw_histogram(_histogram(subgroups=subgroups)), tmp_path / "figure.png")

    assert png_size(tmp_path / "figure.png") == (1_000, height)


@pytest.mark.parametrize("subgroups", [False, True])
def test_same_numbers_give_the_same_bytes_and_other_numbers_do_not(tmp_path, subgroups):
    paths = [tmp_path / f"{number}.png" for number in range(3)]

    for path, seed in zip(paths, (0, 0, 1), strict=True):
        save_png(draw_histogram(_histogram(seed, subgroups=subgroups)), path)

    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other


def test_saving_the_same_figure_again_gives_the_same_bytes(tmp_path):
    figure = draw_histogram(_histogram())

    save_png(figure, tmp_path / "first.png")
    save_png(figure, tmp_path / "again.png")

    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_png_tells_neither_date_nor_software(tmp_path):
    save_png(draw_histogram(_histogram()), tmp_path / "figure.png")

    content = (tmp_path / "figure.png").read_bytes()

    assert b"tEXt" not in content
    assert b"tIME" not in content


def test_settings_for_saving_change_no_byte(tmp_path):
    save_png(draw_histogram(_histogram()), tmp_path / "plain.png")

    with matplotlib.rc_context({"savefig.dpi": 50, "figure.dpi": 50, "figure.figsize": (2, 2)}):
        save_png(draw_histogram(_histogram()), tmp_path / "set.png")

    assert (tmp_path / "set.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path):
    before = dict(matplotlib.rcParams)

    save_png(draw_histogram(_histogram(subgroups=True)), tmp_path / "figure.png")

    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("subgroups", [False, True])
@pytest.mark.parametrize(
    ("groups", "random", "thresholds"),
    [
        ([0.7], [0.5], (0.4, 0.8)),
        ([0.5] * 75, [0.5] * 75, (0.5, 0.5)),
        ([0.0] * 3, [1.0] * 3, (0.0, 1.0)),
        ([1.0] * 75, [1.0], (1.0, 1.0)),
    ],
    ids=["one group", "all identical", "both ends", "all at one"],
)
def test_extreme_histograms_draw_without_warnings(tmp_path, groups, random, thresholds, subgroups):
    values = np.array(groups)
    parts = {"within": values, "across": values} if subgroups else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counted = _count("k_2_1", values, random, divergent=thresholds[0], similar=thresholds[1], **parts)
        save_png(draw_histogram(counted), tmp_path / "figure.png")

    assert png_size(tmp_path / "figure.png")[0] == 1_000
    assert counted.groups.n_groups == len(groups)


def test_a_users_settings_change_no_byte(tmp_path):
    save_png(draw_histogram(_histogram()), tmp_path / "plain.png")
    theirs = {
        "font.family": "serif",
        "axes.facecolor": "pink",
        "savefig.facecolor": "red",
        "savefig.bbox": "tight",
    }
    with matplotlib.rc_context(theirs):
        save_png(draw_histogram(_histogram()), tmp_path / "theirs.png")
        assert matplotlib.rcParams["axes.facecolor"] == "pink"
    assert (tmp_path / "theirs.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_a_histogram_is_told_in_a_sentence():
    values = {"similar": 0.9, "divergent": 0.1}
    plain = _count("k_3", [0.5, 0.7], np.full(1000, 0.4), **values)
    assert describe_histogram(plain) == (
        "Histogram of the similarity of 2 groups of k_3, mean 0.600, before that of 1,000 random groups, mean"
        " 0.400; pairs are similar from 0.9000 and divergent up to 0.1000."
    )
    two = _count("k_2_1", [0.5, 0.7], np.full(9, 0.4), **values, within=[0.8, 0.6], across=[0.2, 0.4])
    assert describe_histogram(two).endswith(
        " Pairs within subgroups have mean 0.700. Pairs across subgroups have mean 0.300."
    )
