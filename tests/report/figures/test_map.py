"""The map of users."""

import numpy as np
import pytest

from elsa_groups.report.figures import map as usermap
from elsa_groups.report.figures.map import MapExample, choose_examples, describe_map, draw_map, map_users
from elsa_groups.report.figures.style import BLUE, GREEN, GREY, ORANGE

from ..conftest import make_result


@pytest.fixture
def vectors(unit_rows):
    rng = np.random.default_rng(0)
    return unit_rows(rng.standard_normal((300, 6)) * [3.0, 2.0, 1.0, 1.0, 1.0, 1.0] + [1.0, 0, 0, 0, 0, 0])


def test_positions_are_those_of_a_singular_value_decomposition(vectors):
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, singular, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(axes[range(6), np.abs(axes).argmax(axis=1)])[:2]

    users = map_users(vectors)

    np.testing.assert_allclose(users.positions, (left * singular)[:, :2] * signs, rtol=0, atol=1e-6)
    np.testing.assert_allclose(users.shares, (singular**2 / (singular**2).sum())[:2], rtol=1e-9)


def test_blocks_and_the_order_of_sums_change_no_position(vectors, monkeypatch):
    whole = map_users(vectors)
    monkeypatch.setattr(usermap, "_ROWS", 7)

    np.testing.assert_array_equal(map_users(vectors).positions, whole.positions)


def test_other_signs_of_axes_are_the_same_map(vectors, monkeypatch):
    whole = map_users(vectors)
    eigh = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda matrix: (eigh(matrix)[0], -eigh(matrix)[1]))

    np.testing.assert_array_equal(map_users(vectors).positions, whole.positions)


def test_identical_users_are_in_one_place(vectors):
    users = map_users(np.tile(vectors[:1], (50, 1)))

    assert (users.positions == 0).all()
    assert users.shares == (0.0, 0.0)


def test_one_dimension_has_one_axis():
    users = map_users(np.array([[1.0], [-1.0], [1.0]], np.float32))

    np.testing.assert_allclose(users.positions[:, 0], [2 / 3, -4 / 3, 2 / 3], rtol=0, atol=1e-6)
    assert (users.positions[:, 1] == 0).all()
    assert users.shares == (1.0, 0.0)


def test_examples_are_the_first_groups_of_the_first_key_of_each_family():
    results = [make_result(key, 5) for key in ("similar_3", "similar_5", "opposing_2_1")]

    examples = choose_examples([*results, make_result("random_3", 2)])

    assert [example.key for example in examples] == ["similar_3", "opposing_2_1", "random_3"]
    np.testing.assert_array_equal(examples[1].members, results[2].groups.members[:3])
    assert examples[1].subgroups.tolist() == [0, 0, 1]
    assert len(examples[2].members) == 2


def _marks(axes):
    return [line for line in axes.lines if line.get_marker() not in (".", "None")]


def test_members_are_marked_where_they_are_by_group_and_subgroup(vectors):
    users = map_users(vectors)
    example = MapExample("opposing_2_1", np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]]), np.array([0, 0, 1]))

    (axes,) = draw_map(users, [example]).axes

    (dots,) = (line for line in axes.lines if line.get_marker() == ".")
    np.testing.assert_array_equal(np.array(dots.get_data()).T, users.positions)
    assert dots.get_color() == GREY
    looks = [(BLUE, "o"), (ORANGE, "s"), (GREEN, "^")]
    expected = [(look, fill) for look in looks for fill in ("full", "none")]
    marks = _marks(axes)
    assert [((m.get_color(), m.get_marker()), m.get_fillstyle()) for m in marks] == expected
    places = [[0, 1], [2], [3, 4], [5], [6, 7], [8]]
    for mark, rows in zip(marks, places, strict=True):
        np.testing.assert_array_equal(np.array(mark.get_data()).T, users.positions[rows])


def test_there_is_a_panel_for_each_example_and_groups_and_subgroups_are_named(vectors):
    results = [make_result(key, n_users=300) for key in ("similar_3", "camps_2_2_2", "random_3")]

    figure = draw_map(map_users(vectors), choose_examples(results))

    assert [axes.get_title(loc="left") for axes in figure.axes] == ["similar_3", "camps_2_2_2", "random_3"]
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["group 0", "group 1", "group 2", "subgroup 1", "subgroup 2"]
    assert "300 users" in figure.get_suptitle()
    assert any("of the variance" in text.get_text() for text in figure.texts)


def test_distances_are_on_one_scale(vectors):
    figure = draw_map(map_users(vectors), choose_examples([make_result(n_users=300)]))
    figure.canvas.draw()

    for axes in figure.axes:
        units = axes.transData.transform([[0, 0], [1, 1]])
        assert np.diff(units[:, 0]) == pytest.approx(np.diff(units[:, 1]), rel=1e-9)


def test_many_users_are_counted_in_cells(vectors, monkeypatch):
    monkeypatch.setattr(usermap, "_MOST_DOTS", 299)
    users = map_users(vectors)

    (axes,) = draw_map(users, []).axes

    (cells,) = axes.collections
    counts, first, second = np.histogram2d(users.positions[:, 0], users.positions[:, 1], 100)
    np.testing.assert_array_equal(cells.get_array().filled(0), counts.T)
    np.testing.assert_array_equal(cells.get_coordinates()[0, :, 0], first)
    np.testing.assert_array_equal(cells.get_coordinates()[:, 0, 1], second)
    assert not axes.lines


def test_alt_text_says_how_many_users_and_whose_groups(vectors):
    users = map_users(vectors)

    said = describe_map(users, choose_examples([make_result(n_users=300)]))

    assert "300 users" in said
    assert "similar_3" in said
    assert f"{sum(users.shares):.1%}" in said
    assert "drawn over it" not in describe_map(users, [])
