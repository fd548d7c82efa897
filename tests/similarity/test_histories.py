import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist, squareform

from elsa_groups.base.errors import InputError
from elsa_groups.base.runtime import Runtime
from elsa_groups.similarity.histories import UNIT, binary_histories, have_similarity
from elsa_groups.similarity.limits import Target
from elsa_groups.similarity.sampling import sample_similarities
from elsa_groups.similarity.scores import reference_similarities, reference_similarity

from ..one_by_one import find_thresholds, share_of_pairs, users_of

MEASURES = ["history_cosine", "pearson", "jaccard"]
every_measure = pytest.mark.parametrize("measure", MEASURES)


def listeners(n_users, n_items, density, seed):
    """Histories of any length but none and all."""
    rng = np.random.default_rng(seed)
    dense = rng.random((n_users, n_items)) < density * rng.random((n_users, 1)) + 0.02
    dense[:, 0] = ~dense[:, 1]
    return csr_array(dense.astype(np.float32))


def similarity(a, b, n_items, measure):
    """The definition in Python, integers exact until the last step."""
    shared = len(a & b)
    if measure == "history_cosine":
        value = shared / math.sqrt(len(a) * len(b))
    elif measure == "jaccard":
        value = shared / len(a | b)
    else:
        spread = math.sqrt(float(len(a) * (n_items - len(a)) * len(b) * (n_items - len(b))))
        value = (n_items * shared - len(a) * len(b)) / spread
    return (1.0 + min(1.0, max(-1.0, value))) * 0.5


def all_pairs(matrix, measure):
    sets = [set(row.nonzero()[0].tolist()) for row in matrix.toarray()]
    values = np.ones((len(sets), len(sets)))
    for u, a in enumerate(sets):
        for v, b in enumerate(sets):
            values[u, v] = similarity(a, b, matrix.shape[1], measure)
    return values


def ordered_pairs(values):
    return np.sort(values[np.triu_indices(len(values), 1)])


@every_measure
def test_similarity_is_the_definition_to_the_bit(measure):
    matrix = listeners(40, 25, 0.6, 1)
    histories = binary_histories(matrix, measure)
    us, vs = (grid.ravel() for grid in np.mgrid[:40, :40])
    expected = all_pairs(matrix, measure).ravel()
    np.testing.assert_array_equal(reference_similarities(histories, us, vs), expected)
    assert reference_similarity(histories, 3, 7) == expected[3 * 40 + 7]
    # What counting in units rests on.
    assert all(Fraction(value) % Fraction(UNIT) == 0 for value in expected)


def test_pearson_is_the_correlation_of_rows_of_ones_and_zeros():
    matrix = listeners(30, 50, 0.5, 2)
    values = all_pairs(matrix, "pearson")
    np.testing.assert_allclose(2 * values - 1, np.corrcoef(matrix.toarray()), rtol=0, atol=1e-12)


def test_jaccard_is_one_minus_the_distance_of_scipy():
    matrix = listeners(30, 50, 0.5, 2)
    distances = squareform(pdist(matrix.toarray() > 0, "jaccard"))
    np.testing.assert_allclose(2 * all_pairs(matrix, "jaccard") - 1, 1 - distances, rtol=0, atol=1e-15)


def test_similarities_worked_by_hand():
    matrix = csr_array(np.float32([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0]]))
    for measure, unlike, half in (
        *(("pearson", 0.0, 0.5), ("history_cosine", 0.5, 0.75)),
        # One of three items.
        ("jaccard", 0.5, 2 / 3),
    ):
        histories = binary_histories(matrix, measure)
        found = [reference_similarity(histories, 0, v) for v in (1, 2, 3)]
        assert found == [unlike, pytest.approx(half, abs=1e-15), 1.0]


def test_who_has_no_similarity():
    matrix = csr_array(np.float32([[0, 0], [1, 0], [1, 1]]))
    assert have_similarity(matrix, "history_cosine").tolist() == [False, True, True]
    assert have_similarity(matrix, "jaccard").tolist() == [False, True, True]
    assert have_similarity(matrix, "pearson").tolist() == [False, True, False]
    with pytest.raises(ValueError, match="who have a similarity by pearson"):
        binary_histories(matrix, "pearson")


@st.composite
def random_histories(draw):
    n_items = draw(st.integers(2, 9))
    rows = st.sets(st.integers(0, n_items - 1), min_size=1, max_size=n_items - 1)
    dense = np.zeros((draw(st.integers(2, 12)), n_items), np.float32)
    for row in dense:
        row[list(draw(rows))] = 1.0
    return csr_array(dense)


@settings(max_examples=100)
@given(random_histories(), st.sampled_from(MEASURES), st.floats(0, 1), st.floats(0, 1))
def test_thresholds_are_the_quantiles_of_all_pairs_however_many_ties(matrix, measure, q1, q2):
    low, high = sorted((q1, q2))
    histories = binary_histories(matrix, measure)

    found = find_thresholds(histories, similar=Target(high), divergent=Target(low), method="exact")

    values = ordered_pairs(all_pairs(matrix, measure))
    assert found.similar == pytest.approx(np.quantile(values, high), abs=1e-15)
    assert found.divergent == pytest.approx(np.quantile(values, low), abs=1e-15)
    assert found.pairs == len(values)
    at = values[random.Random(1).randrange(len(values))]
    share = share_of_pairs(histories, at)
    n = len(values)
    assert share.below == pytest.approx((values < at).sum() / (n - 1) if n > 1 else 0)
    assert share.not_above == pytest.approx(((values <= at).sum() - 1) / max(n - 1, 1))


@every_measure
def test_thresholds_of_many_users_are_order_statistics_whatever_the_threads(measure):
    matrix = listeners(300, 80, 0.3, 3)
    histories = binary_histories(matrix, measure)
    values = ordered_pairs(all_pairs(matrix, measure))
    n = len(values)
    targets = {"similar": Target(40_000 / (n - 1)), "divergent": Target(1234 / (n - 1))}

    once = find_thresholds(histories, **targets, threads=1, band=(Target(0.5), Target(0.6)))

    assert once.similar == pytest.approx(values[40_000], abs=1e-15)
    assert once.divergent == pytest.approx(values[1234], abs=1e-15)
    assert once.band == (pytest.approx(np.quantile(values, 0.5)), pytest.approx(np.quantile(values, 0.6)))
    again = find_thresholds(histories, **targets, threads=3, band=(Target(0.5), Target(0.6)))
    assert again == once


def test_a_similarity_between_two_pairs_has_its_share_too():
    histories = binary_histories(listeners(60, 30, 0.5, 4), "pearson")
    values = ordered_pairs(all_pairs(listeners(60, 30, 0.5, 4), "pearson"))
    between = float(np.nextafter(values[900], 0.0))
    share = share_of_pairs(histories, between)
    assert share.below == (values < between).sum() / (len(values) - 1)
    assert share.not_above == ((values <= between).sum() - 1) / (len(values) - 1)


@every_measure
def test_sampled_pairs_have_the_similarities_of_all(measure):
    matrix = listeners(50, 30, 0.5, 5)
    histories = binary_histories(matrix, measure)
    sample = sample_similarities(users_of(histories), 20_000, seed=0, runtime=Runtime(2))
    values = ordered_pairs(all_pairs(matrix, measure))
    assert set(sample.tolist()) <= set(values.tolist())
    assert sample.mean() == pytest.approx(values.mean(), abs=5 * values.std() / math.sqrt(20_000))
    found = find_thresholds(
        histories, similar=Target(0.9), divergent=Target(0.1), method="auto", exact_budget=1e3,
        sampled_pairs=10_000,
    )  # fmt: skip
    assert found.method == "sampled"
    assert found.intervals["similar"][0] <= np.quantile(values, 0.9) <= found.intervals["similar"][1]


def test_a_single_user_is_refused():
    histories = binary_histories(csr_array(np.float32([[1, 0]])), "pearson")
    with pytest.raises(InputError, match="at least 2 users"):
        find_thresholds(histories, similar=Target(0.9), divergent=Target(0.1))


@every_measure
def test_some_users_are_compared_as_before(measure):
    histories = binary_histories(listeners(40, 25, 0.6, 1), measure)
    rows = np.array([31, 2, 7, 8])
    some = users_of(histories).take(rows)
    us, vs = (grid.ravel() for grid in np.mgrid[:4, :4])
    expected = reference_similarities(histories, rows[us], rows[vs])
    assert some.kernel.shape == (4, 25)
    np.testing.assert_array_equal(some.similarities(us, vs), expected)
