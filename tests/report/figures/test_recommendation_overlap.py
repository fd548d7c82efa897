"""The figure of recommendation overlap: what is drawn and said."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from elsa_groups.report.colors import BLUE
from elsa_groups.report.figures.counting import overlap_rows
from elsa_groups.report.figures.recommendation_overlap import describe_overlaps, draw_overlaps

from ..conftest import check_writing, make_result


def with_overlaps(key, groups, random):
    result = make_result(key, len(groups))
    tastes = replace(result.tastes, recommendation_overlap_at_20=np.array(groups))
    return replace(result, tastes=tastes, random_overlap=np.array(random))


def test_a_row_has_the_mean_of_its_groups_and_where_most_of_them_lie_beside_random_ones():
    rng = np.random.default_rng(0)
    shares = {"similar_3": rng.random(75), "random_3": rng.random(20)}
    results = [with_overlaps(key, values, values[::-1] / 2) for key, values in shares.items()]

    (axes,) = draw_overlaps(overlap_rows(results)).axes

    assert [label.get_text() for label in axes.get_yticklabels()] == list(shares)
    (marks,) = (line for line in axes.lines if line.get_marker() == "o")
    assert list(marks.get_xdata()) == [values.mean() for values in shares.values()]
    for bar, values in zip(axes.patches, shares.values(), strict=True):
        ends = bar.get_x(), bar.get_x() + bar.get_width()
        assert ends == pytest.approx(np.quantile(values / 2, [0.05, 0.95]), abs=1e-12)
    assert [text.get_text() for text in axes.texts] == [
        "mean", *(f"{values.mean():.3f}" for values in shares.values())
    ]  # fmt: skip


def test_a_mark_at_0_is_whole():
    rows = overlap_rows([with_overlaps("divergent_3", [0.0, 0.0], [0.0, 0.0, 0.2])])
    canvas = FigureCanvasAgg(draw_overlaps(rows))
    canvas.draw()
    (axes,) = canvas.figure.axes
    at, row = axes.transData.transform((0.0, 0.0)).round().astype(int)
    # Rows of pixels are counted from above.
    mark = np.asarray(canvas.buffer_rgba())[::-1][row - 3 : row + 4, :, :3] / 255
    blue = np.abs(mark - to_rgb(BLUE)).max(axis=2) < 0.2
    assert blue[:, :at].sum() == pytest.approx(blue[:, at:].sum(), rel=0.3)


def test_nothing_in_common_is_drawn_and_said():
    rows = overlap_rows([with_overlaps("divergent_3", [0.0, 0.0], [0.0])])
    check_writing(draw_overlaps(rows))
    assert re.findall(r"\d\.\d+", describe_overlaps(rows)) == ["0.000", "0.000"]
