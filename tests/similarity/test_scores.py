import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from elsa_groups.similarity.history_users import HistoryUsers
from elsa_groups.similarity.scores import (
    coarse_dot,
    coarsen,
    fast_cosine_bound,
    fast_dot,
    reference_cosine,
    reference_similarities,
    reference_similarity,
)
from elsa_groups.similarity.vector_users import VectorUsers


def _sequential_cosine(a, b):
    """Sum in float64, left to right, in plain Python."""
    total = 0.0
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        total += x * y
    return min(1.0, max(-1.0, total))


@pytest.mark.parametrize("dim", [1, 2, 3, 17, 64, 257])
def test_reference_is_the_sequential_float64_sum_bit_for_bit(dim, unit_rows):
    vectors = unit_rows(np.random.default_rng(dim).normal(size=(12, dim)))

    for u in range(12):
        for v in range(12):
            cosine = _sequential_cosine(vectors[u], vectors[v])
            assert reference_cosine(vectors, u, v) == cosine
            assert reference_similarity(vectors, u, v) == (1.0 + cosine) / 2


def test_reference_similarities_are_those_of_the_pairs_asked_for(unit_rows, similarity_matrix):
    vectors = unit_rows(np.random.default_rng(0).normal(size=(30, 9)))
    us, vs = np.random.default_rng(1).integers(30, size=(2, 200))

    values = reference_similarities(vectors, us, vs)

    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, similarity_matrix(vectors)[us, vs])


def test_similarity_of_known_angles_is_half_of_one_plus_the_cosine():
    vectors = np.array([[1, 0], [0, 1], [-1, 0], [0.6, 0.8]], np.float32)

    assert reference_similarity(vectors, 0, 0) == 1.0
    assert reference_similarity(vectors, 0, 1) == 0.5
    assert reference_similarity(vectors, 0, 2) == 0.0
    assert reference_similarity(vectors, 0, 3) == pytest.approx(0.8, abs=1e-7)


def test_similarity_stays_in_the_unit_interval_where_a_float32_row_is_longer_than_one(unit_rows):
    vectors = unit_rows(np.random.default_rng(3).normal(size=(200, 11)))
    norms = (vectors.astype(np.float64) ** 2).sum(axis=1)
    longest = int(norms.argmax())
    assert norms[longest] > 1.0
    pair = np.stack([vectors[longest], -vectors[longest]])

    assert reference_similarity(pair, 0, 0) == 1.0
    assert reference_similarity(pair, 0, 1) == 0.0


@settings(max_examples=60, deadline=None)
@given(dim=st.integers(1, 600), seed=st.integers(0, 10**6), near=st.booleans())
def test_no_float32_product_errs_by_more_than_the_bound(dim, seed, near, unit_rows, similarity_matrix):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(20, dim))
    if near:
        values = values[:1] + 1e-6 * values
    vectors = unit_rows(values)
    reference = 2.0 * similarity_matrix(vectors) - 1.0
    fast = np.array([[fast_dot(vectors, u, vectors, v) for v in range(20)] for u in range(20)], np.float64)
    sorted_first = np.argsort(np.abs(vectors[0]))[::-1]
    blas = (vectors[:, sorted_first] @ vectors[:, sorted_first].T).astype(np.float64)

    assert np.abs(fast - reference).max() <= fast_cosine_bound(dim)
    assert np.abs(blas - reference).max() <= fast_cosine_bound(dim)


def test_the_bound_grows_with_the_dimension_and_is_a_tenth_more_than_highams():
    assert fast_cosine_bound(1) == pytest.approx(1.1 * 2 * 2.0**-24, rel=1e-6)
    assert fast_cosine_bound(512) == pytest.approx(1.1 * 513 * 2.0**-24, rel=1e-4)
    assert fast_cosine_bound(512) > fast_cosine_bound(511)


@settings(max_examples=60, deadline=None)
@given(dim=st.integers(1, 300), seed=st.integers(0, 10**6), peaked=st.booleans())
def test_no_coarse_product_errs_by_more_than_its_bounds(dim, seed, peaked, unit_rows, similarity_matrix):
    values = np.random.default_rng(seed).normal(size=(20, dim))
    vectors = unit_rows(values**5 if peaked else values)

    coarse = coarsen(vectors)

    products = [[coarse.scale * coarse_dot(coarse.rows, u, vectors, v) for v in range(20)] for u in range(20)]
    off = np.abs(np.array(products) - (2.0 * similarity_matrix(vectors) - 1.0)).max()
    assert off <= coarse.error + fast_cosine_bound(dim)
    assert coarse.error <= 0.5 * coarse.scale * dim**0.5 * (1 + 1e-6)


def test_coarse_rows_use_all_of_eight_bits(unit_rows):
    coarse = coarsen(unit_rows(np.random.default_rng(0).normal(size=(50, 12))))

    assert coarse.rows.dtype == np.int8
    assert np.abs(coarse.rows.astype(int)).max() == 127


def test_similarities_to_all_are_near_the_reference_values_of_vectors(unit_rows):
    vectors = unit_rows(np.random.default_rng(2).normal(size=(30, 256)))
    rows = np.array([7, 3, 7])

    found = VectorUsers(vectors).similarities_to_all(rows)

    us, vs = np.repeat(rows, 30), np.tile(np.arange(30), 3)
    # Half a bound for the halved product, and rounding of the sum.
    assert found.dtype == np.float32
    assert np.abs(found.ravel() - reference_similarities(vectors, us, vs)).max() <= fast_cosine_bound(256)


@pytest.mark.parametrize("measure", ["history_cosine", "pearson", "jaccard"])
def test_similarities_to_all_are_the_reference_values_of_histories(measure):
    matrix = np.random.default_rng(3).random((40, 25)) < 0.3
    matrix[:, 0] |= ~matrix.any(axis=1)
    users = HistoryUsers.of(csr_array(matrix.astype(np.float32)), measure)
    rows = np.array([7, 3, 7, 39])

    us, vs = np.repeat(rows, 40), np.tile(np.arange(40), 4)
    np.testing.assert_array_equal(users.similarities_to_all(rows).ravel(), users.similarities(us, vs))
