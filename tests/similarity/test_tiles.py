import numpy as np
import pytest
import torch

from elsa_groups.base.runtime import Runtime
from elsa_groups.similarity import tiles
from elsa_groups.similarity.scores import fast_cosine_bound
from elsa_groups.similarity.tiles import (
    TILE,
    TooManyInside,
    bin_window,
    collect_inside,
    n_pairs,
    tally_sample,
)

EVERYTHING = (-2.0, 2.0)
AROUND_TILES = [2, 3, TILE - 1, TILE, TILE + 1, 2 * TILE + 1]


def _users(n_users, dim=6, seed=0):
    values = np.random.default_rng(seed).normal(size=(n_users, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("n_users", [0, 1, 2, 3, 100])
def test_n_pairs_counts_the_upper_triangle(n_users):
    assert n_pairs(n_users) == len(np.triu_indices(n_users, 1)[0])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("n_users", AROUND_TILES)
def test_a_sweep_sees_every_pair_exactly_once(n_users, threads):
    (inside,) = collect_inside(_users(n_users), [EVERYTHING], max_inside=10**7, runtime=Runtime(threads))

    numbers = np.sort(inside.us.astype(np.int64) * n_users + inside.vs)
    us, vs = np.triu_indices(n_users, 1)
    assert inside.below == 0
    np.testing.assert_array_equal(numbers, np.sort(us * n_users + vs))


def test_a_sweep_gives_each_pair_its_own_cosine(similarity_matrix):
    vectors = _users(TILE + 40)

    (inside,) = collect_inside(vectors, [EVERYTHING], max_inside=10**7, runtime=Runtime(2))

    cosines = 2.0 * similarity_matrix(vectors)[inside.us, inside.vs] - 1.0
    assert np.abs(cosines - inside.cosines).max() <= fast_cosine_bound(6)


def _edge_beside(cosines, value, clearance):
    """The middle of the first gap from a value upwards that is wider than twice the clearance."""
    ordered = np.sort(cosines)
    gaps = np.diff(ordered)
    at = np.flatnonzero((ordered[:-1] >= value) & (gaps > 2 * clearance))[0]
    return float(ordered[at] + gaps[at] / 2)


def test_a_sweep_counts_below_and_keeps_inside_of_each_bracket(similarity_matrix):
    vectors = _users(TILE + 77, seed=1)
    cosines = 2.0 * similarity_matrix(vectors)[np.triu_indices(len(vectors), 1)] - 1.0
    # No fast cosine can be on the other side of these edges.
    a, b, c, d = (_edge_beside(cosines, value, 2e-6) for value in (-0.7, -0.69, 0.5, 0.51))
    brackets = [(a, b), (c, d), (b, c)]

    insides = collect_inside(vectors, brackets, max_inside=10**7, runtime=Runtime(2))

    for (low, high), inside in zip(brackets, insides, strict=True):
        assert inside.below == (cosines < low).sum()
        assert len(inside.cosines) == ((cosines >= low) & (cosines <= high)).sum() > 100
        assert low <= inside.cosines.min()
        assert inside.cosines.max() <= high


def test_a_bracket_is_closed_on_both_sides():
    vectors = np.eye(40, dtype=np.float32)

    for bracket, inside_pairs, below in [
        ((0.0, 0.0), 780, 0),
        ((0.0, 0.5), 780, 0),
        ((-0.5, 0.0), 780, 0),
        ((0.1, 0.5), 0, 780),
        ((-0.5, -0.1), 0, 0),
    ]:
        (inside,) = collect_inside(vectors, [bracket], max_inside=1000, runtime=Runtime(1))
        assert (len(inside.cosines), inside.below) == (inside_pairs, below)


def test_more_pairs_inside_than_may_be_kept_is_an_exception():
    vectors = _users(50)

    assert len(collect_inside(vectors, [EVERYTHING], max_inside=1225, runtime=Runtime(2))[0].cosines) == 1225
    with pytest.raises(TooManyInside):
        collect_inside(vectors, [EVERYTHING], max_inside=1224, runtime=Runtime(2))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("window", [(-1.0, 1.0), (-0.25, 0.5), (0.3, 0.3001)])
def test_bins_hold_the_reference_cosines_of_the_window(window, threads, similarity_matrix):
    vectors = _users(TILE + 20, seed=2)
    cosines = 2.0 * similarity_matrix(vectors)[np.triu_indices(len(vectors), 1)] - 1.0
    low, high = window
    within = cosines[(cosines >= low) & (cosines <= high)]

    bins = bin_window(vectors, low, high, n_bins=16, bound=fast_cosine_bound(6), runtime=Runtime(threads))

    assert bins.below == (cosines < low).sum()
    assert bins.counts.sum() == len(within)
    # 2 * similarity - 1 loses the last bit or two of a cosine.
    assert bins.lowest.min() == pytest.approx(within.min(), abs=1e-15)
    assert bins.highest.max() == pytest.approx(within.max(), abs=1e-15)
    edges = np.linspace(low, high, 17)
    # A value at an edge may fall to either side.
    assert np.abs(bins.counts - np.histogram(within, edges)[0]).max() <= 1
    filled = bins.counts > 0
    assert (bins.lowest[filled] >= edges[:-1][filled] - 1e-12).all()
    assert (bins.highest[filled] <= edges[1:][filled] + 1e-12).all()


def test_a_sweep_gives_torch_its_threads_back():
    before = torch.get_num_threads()

    collect_inside(_users(20), [EVERYTHING], max_inside=1000, runtime=Runtime(2))
    with pytest.raises(TooManyInside):
        collect_inside(_users(20), [EVERYTHING], max_inside=1, runtime=Runtime(2))

    assert torch.get_num_threads() == before


def test_a_sample_of_one_block_is_all_pairs(similarity_matrix):
    vectors = _users(TILE)

    counts = tally_sample(vectors, n_bins=64, seed=3, runtime=Runtime(2))

    cosines = 2.0 * similarity_matrix(vectors)[np.triu_indices(TILE, 1)] - 1.0
    expected, _ = np.histogram(cosines, bins=64, range=(-1, 1))
    # Rounding may move a pair into the bin beside its own.
    assert counts.sum() == expected.sum()
    assert np.abs(np.cumsum(counts) - np.cumsum(expected)).max() <= 2


def test_a_sample_depends_on_the_seed_and_not_on_threads():
    vectors = _users(2 * TILE + 1)
    tallies = [
        tally_sample(vectors, n_bins=64, seed=seed, runtime=Runtime(threads))
        for seed, threads in ((1, 1), (1, 3), (2, 1))
    ]

    assert tallies[0].tolist() == tallies[1].tolist()
    assert tallies[0].tolist() != tallies[2].tolist()


def test_a_sample_varies_no_more_than_as_many_independent_pairs():
    # Two kinds of users, each alike: of all distributions, that with most variance between users.
    rng = np.random.default_rng(0)
    centres = np.eye(8)[rng.choice(2, size=4 * TILE, p=[0.3, 0.7])]
    values = centres + 0.01 * rng.normal(size=centres.shape)
    vectors = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)

    tallies = [tally_sample(vectors, n_bins=3, seed=seed, runtime=Runtime(2)) for seed in range(60)]

    shares = np.array([counts[2] / counts.sum() for counts in tallies])
    n = 4 * TILE * (TILE - 1) / 2
    assert shares.std() < np.sqrt(shares.mean() * (1 - shares.mean()) / n)


@pytest.mark.parametrize("n_users", AROUND_TILES)
def test_a_sweep_by_torch_finds_what_the_compiled_one_finds(n_users, monkeypatch):
    monkeypatch.setattr(tiles, "DEVICE_TILE", TILE)
    vectors = _users(n_users, seed=2)
    most = 10**7
    brackets = [(-0.5, 0.25), (0.6, 0.7), EVERYTHING]

    compiled = collect_inside(vectors, brackets, max_inside=most, runtime=Runtime(2))
    by_torch = collect_inside(vectors, brackets, max_inside=most, runtime=Runtime(device="cpu:0"))

    for one, other in zip(compiled, by_torch, strict=True):
        # Rounding may put a pair on another side of an edge.
        assert abs(one.below - other.below) <= 2
        assert abs(one.n_inside - other.n_inside) <= 2
        pairs = [set(zip(found.us.tolist(), found.vs.tolist(), strict=True)) for found in (one, other)]
        assert len(pairs[0] ^ pairs[1]) <= 2
        assert (other.us < other.vs).all()
    assert by_torch[2].n_inside == n_pairs(n_users)


def test_a_sweep_by_torch_keeps_no_more_than_it_may():
    with pytest.raises(TooManyInside):
        collect_inside(_users(50), [EVERYTHING], max_inside=1224, runtime=Runtime(device="cpu:0"))
