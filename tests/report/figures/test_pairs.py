"""Similarity of pairs of users."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from elsa_groups.report.colors import BLUE, GREY, ORANGE
from elsa_groups.report.figures import counting
from elsa_groups.report.figures.counting import count_pairs
from elsa_groups.report.figures.pairs import describe_pairs, draw_pairs
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.vector_users import VectorUsers

LIMITS = Limits(0.7, 0.4)


@pytest.fixture
def vectors(unit_rows):
    return unit_rows(np.random.default_rng(0).standard_normal((60, 6)))


def test_all_pairs_are_counted_and_shared_out_by_the_thresholds(vectors, similarity_matrix):
    values = similarity_matrix(vectors)[np.triu_indices(60, 1)]

    pairs = count_pairs(VectorUsers(vectors), LIMITS)

    assert (pairs.n_seen, pairs.seen) == (1_770, "all 1,770 pairs")
    np.testing.assert_array_equal(pairs.counts, np.histogram(values, pairs.edges)[0])
    # No bin lies on both sides of a threshold.
    starts = pairs.edges[:-1]
    assert pairs.counts[starts >= 0.7].sum() == (values >= 0.7).sum()
    assert pairs.counts[starts <= 0.4].sum() == (values <= 0.4).sum()
    assert pairs.mean == pytest.approx(values.mean(), abs=1e-14)
    assert pairs.similar_share == (values >= 0.7).mean()
    assert pairs.divergent_share == (values <= 0.4).mean()


def test_many_pairs_are_sampled_and_said_to_be(vectors, similarity_matrix, monkeypatch):
    monkeypatch.setattr(counting, "MAX_PAIRS", 1_500)
    values = similarity_matrix(vectors)[np.triu_indices(60, 1)]

    pairs, again = (count_pairs(VectorUsers(vectors), LIMITS, threads=threads) for threads in (1, 3))

    assert pairs.seen == "1,500 random pairs"
    assert "1,500 random pairs" in draw_pairs(pairs).get_suptitle()
    np.testing.assert_array_equal(pairs.counts, again.counts)
    # Five standard errors of a share.
    assert pairs.similar_share == pytest.approx((values >= 0.7).mean(), abs=5 * 0.5 / 1_500**0.5)
    assert pairs.mean == pytest.approx(values.mean(), abs=5 * values.std() / 1_500**0.5)


def test_two_users_are_one_pair(vectors):
    assert count_pairs(VectorUsers(vectors[:2]), LIMITS).seen == "the only pair"


def test_both_thresholds_are_in_the_bins(vectors):
    pairs = count_pairs(VectorUsers(vectors), Limits(1.0, 0.0))

    assert pairs.edges[0] <= 0.0 < 1.0 <= pairs.edges[-1]
    assert (pairs.similar_share, pairs.divergent_share) == (0.0, 0.0)


def test_heights_are_the_shares_of_pairs_and_colours_end_at_the_thresholds(vectors):
    pairs = count_pairs(VectorUsers(vectors), LIMITS)

    figure = draw_pairs(pairs)
    (axes,) = figure.axes

    starts = pairs.edges[:-1]
    taken = {ORANGE: starts <= 0.4, GREY: (starts > 0.4) & (starts < 0.7), BLUE: starts >= 0.7}
    for patch, (color, which) in zip(axes.patches, taken.items(), strict=True):
        assert to_rgb(patch.get_facecolor()) == to_rgb(color)
        np.testing.assert_array_equal(patch.get_data().edges, pairs.edges)
        drawn = np.round(patch.get_data().values * 1_770).astype(np.int64)
        np.testing.assert_array_equal(drawn, np.where(which, pairs.counts, 0))
    assert sorted(line.get_xdata()[0] for line in axes.lines) == [0.4, 0.7]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        f"divergent: {pairs.divergent_share:.1%}", "neither", f"similar: {pairs.similar_share:.1%}",
    ]  # fmt: skip
    assert (axes.get_ylabel(), axes.get_ylim()[0]) == ("share of pairs", 0.0)


def test_alt_text_says_which_pairs_and_which_share_each_threshold_takes(vectors):
    pairs = count_pairs(VectorUsers(vectors), LIMITS)

    said = describe_pairs(pairs)

    for part in ("all 1,770 pairs of 60 users", f"{pairs.mean:.3f}", f"{pairs.similar_share:.1%}", "0.4000"):
        assert part in said
