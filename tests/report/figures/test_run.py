"""All figures of a run: which, in which order, what is said of them, and that nothing breaks them."""

import re
import subprocess
import sys
import warnings

import matplotlib
import numpy as np
import pytest

from elsa_groups.report.figures.counting import figures_of
from elsa_groups.report.figures.data import Histogram
from elsa_groups.report.figures.run import draw
from elsa_groups.report.figures.style import save_png
from elsa_groups.similarity.limits import Thresholds
from elsa_groups.similarity.vector_users import VectorUsers

from ..conftest import check_writing, make_result, png_size

ALL = ["similarity", "recommendation_overlap", "pairs"]
KEYS = ("similar_3", "divergent_5", "opposing_2_1", "opposing_3_2", "random_3")


def _users(unit_rows, n_users=200, dim=8, seed=0):
    rng = np.random.default_rng(seed)
    homes = rng.standard_normal((4, dim)) * 1.5
    return unit_rows(homes[rng.integers(4, size=n_users)] + rng.standard_normal((n_users, dim)))


def _thresholds(similar=0.75, divergent=0.45):
    return Thresholds(similar, divergent, "exact", 200, 19_900)


def _figures(unit_rows, keys=KEYS, **options):
    results = [make_result(key, **options) for key in keys]
    vectors = _users(unit_rows, options.get("n_users", 200))
    return _of_all_types(VectorUsers(vectors), results, _thresholds())


def _of_all_types(users, results, thresholds, **options):
    """The figures that show all types; histograms of each have tests of their own."""
    shown = figures_of(users, results, thresholds, **options)
    return [draw(each) for each in shown if not isinstance(each, Histogram)]


def test_a_histogram_of_each_type_comes_after_the_figures_of_all(unit_rows):
    results = [make_result(key) for key in KEYS]

    *first, pairs, one, two, three, four, five = figures_of(
        VectorUsers(_users(unit_rows)), results, _thresholds()
    )

    assert [draw(shown).name for shown in (*first, pairs)] == ALL
    assert [draw(shown).name for shown in (one, two, three, four, five)] == list(KEYS)
    assert {tuple(shown.edges) for shown in (one, two, three, four, five)} == {tuple(one.edges)}


def test_figures_come_in_order_with_title_and_alt_text(unit_rows):
    pictures = list(_figures(unit_rows))

    assert [picture.name for picture in pictures] == ALL
    for picture in pictures:
        assert picture.title == picture.figure.get_suptitle() != ""
        # Sentences with numbers, short enough to be read out.
        assert re.search(r"\d", picture.alt)
        assert picture.alt.endswith(".")
        assert 60 < len(picture.alt) < 400


@pytest.mark.parametrize("n_groups", [1, 75, 1_500])
def test_nothing_written_covers_anything_else_written(unit_rows, n_groups):
    for picture in _figures(unit_rows, n_groups=n_groups):
        check_writing(picture.figure)


@pytest.mark.parametrize("n_keys", [1, 2, 30])
def test_any_number_of_keys_fits_whatever_their_names(unit_rows, n_keys):
    families = ["opposing", "minority_of_one_against_many", "camps"]
    sizes = ["3_2", "2_1", "5", "2_2_2", "4_1", "8", "1_1", "3_3", "12_12", "10"]
    keys = [f"{family}_{size}" for size in sizes for family in families][:n_keys]

    for picture in _figures(unit_rows, keys):
        check_writing(picture.figure)


@pytest.mark.parametrize(
    "name", ["one group", "identical", "one key", "no subgroups", "ten users", "one against one"]
)
def test_extreme_runs_draw_without_warnings(unit_rows, tmp_path, name):
    vectors, limits = _users(unit_rows), _thresholds()
    results = [make_result("similar_3"), make_result("similar_5")]
    if name == "one group":
        results = [make_result(key, 1) for key in KEYS]
    elif name == "identical":
        vectors, limits = np.tile(vectors[:1], (200, 1)), _thresholds(1.0, 1.0)
        results = [make_result(key, similarity=1.0) for key in KEYS]
    elif name == "one key":
        results = results[:1]
    elif name == "ten users":
        vectors = _users(unit_rows, 10)
        results = [make_result("opposing_8_2", 3, n_users=10)]
    elif name == "one against one":
        # No pairs within subgroups.
        results = [make_result("duel_1_1")]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures = _of_all_types(VectorUsers(vectors), results, limits)
        for picture in pictures:
            save_png(picture.figure, tmp_path / f"{picture.name}.png")
            check_writing(picture.figure)

    assert [picture.name for picture in pictures] == ALL
    assert {png_size(tmp_path / f"{name}.png")[0] for name in ALL} == {1_000}
    assert not [picture.alt for picture in pictures if "nan" in picture.alt]


def test_without_keys_there_are_still_users(unit_rows):
    vectors = _users(unit_rows)
    names = [picture.name for picture in _of_all_types(VectorUsers(vectors), [], _thresholds())]

    assert names == ["pairs"]


def test_same_bytes_for_the_same_numbers_whatever_the_settings_and_threads(unit_rows, tmp_path):
    theirs = {"font.family": "serif", "axes.facecolor": "pink", "image.cmap": "jet", "savefig.dpi": 50}
    vectors, results = _users(unit_rows, 1_600), [make_result(key) for key in KEYS]
    for folder, settings, threads in (("one", {}, 1), ("other", theirs, 3)):
        (tmp_path / folder).mkdir()
        with matplotlib.rc_context(settings):
            for picture in _of_all_types(VectorUsers(vectors), results, _thresholds(), threads=threads):
                save_png(picture.figure, tmp_path / folder / f"{picture.name}.png")

    for name in ALL:
        one, other = ((tmp_path / folder / f"{name}.png").read_bytes() for folder in ("one", "other"))
        assert one == other, name
        assert b"tEXt" not in one
        assert b"tIME" not in one


def test_drawing_leaves_the_settings_of_matplotlib_alone(unit_rows):
    before = dict(matplotlib.rcParams)

    list(_figures(unit_rows))

    assert dict(matplotlib.rcParams) == before


def test_drawing_needs_no_pyplot():
    code = """
import numpy as np
from elsa_groups.report.figures.counting import figures_of
from elsa_groups.similarity.limits import Thresholds
from elsa_groups.similarity.vector_users import VectorUsers
users = np.eye(4, dtype=np.float32)
shown = figures_of(VectorUsers(users), [], Thresholds(0.6, 0.4, "exact", 4, 6))
assert "matplotlib" not in sys.modules
from elsa_groups.report.figures.run import draw
draw(*shown)
assert "matplotlib.pyplot" not in sys.modules
"""
    paths = "import sys; sys.path[:0] = " + repr([path for path in sys.path if path])

    done = subprocess.run(
        [sys.executable, "-c", f"{paths}\n{code}"], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
