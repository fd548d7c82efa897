import logging
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsa_groups.base.errors import InputError
from elsa_groups.base.runtime import Runtime
from elsa_groups.similarity import exact as room
from elsa_groups.similarity.limits import Target, check_targets
from elsa_groups.similarity.sampling import sample_similarities
from elsa_groups.similarity.tiles import n_pairs

from ..one_by_one import asked_thresholds, find_thresholds, users_of

# Users from which on the brackets come from a sample: more than 2**17 pairs.
SAMPLED_BRACKETS_FROM = 513
KINDS = ["random", "few distinct", "duplicates", "opposite", "all equal", "half equal", "one axis"]


def _users(kind, n_users, dim, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_users, dim))
    if kind == "few distinct":
        values = values[rng.integers(min(3, n_users), size=n_users)]
    elif kind == "duplicates":
        values[n_users // 2 :] = values[: n_users - n_users // 2]
    elif kind == "opposite":
        values = values[:1] * rng.choice([-1.0, 1.0], size=(n_users, 1))
    elif kind == "all equal":
        values[:] = values[0]
    elif kind == "half equal":
        values[: n_users // 2] = values[0]
    elif kind == "one axis":
        values = np.eye(dim)[rng.integers(dim, size=n_users)]
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def _near_duplicates():
    """300 users whose pairs lie within float32 rounding of each other; a little short, so none clips to 1."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=64) + 1e-8 * rng.normal(size=(300, 64))
    return (0.9999 * values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def _brute(similarities, quantile):
    return np.quantile(similarities[np.triu_indices(len(similarities), 1)], quantile)


def _exact(vectors, high=0.9, low=0.1, **options):
    return find_thresholds(vectors, similar=Target(high), divergent=Target(low), method="exact", **options)


def _count_calls(monkeypatch, name):
    calls = []
    original = getattr(room, name)

    def counted(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(room, name, counted)
    return calls


class TestExact:
    @settings(max_examples=150, deadline=None)
    @given(
        kind=st.sampled_from(KINDS),
        n_users=st.integers(2, 60),
        dim=st.integers(1, 40),
        quantiles=st.tuples(
            st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])),
            st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])),
        ),
        seed=st.integers(0, 10**6),
        threads=st.integers(1, 3),
    )
    def test_equals_numpy_over_all_pairs(
        self, kind, n_users, dim, quantiles, seed, threads, similarity_matrix
    ):
        low, high = sorted(quantiles)
        vectors = _users(kind, n_users, dim, seed)

        found = _exact(vectors, high, low, threads=threads)

        reference = similarity_matrix(vectors)
        assert found.similar == pytest.approx(_brute(reference, high), abs=1e-14)
        assert found.divergent == pytest.approx(_brute(reference, low), abs=1e-14)
        assert (found.method, found.n_users, found.pairs) == ("exact", n_users, n_pairs(n_users))
        assert found.intervals == {}

    @pytest.mark.parametrize("n_users", [511, 512, 513, 1025, SAMPLED_BRACKETS_FROM - 1])
    def test_equals_numpy_around_tile_edges(self, n_users, similarity_matrix):
        vectors = _users("random", n_users, 12, n_users)

        found = _exact(vectors, threads=2)

        reference = similarity_matrix(vectors)
        assert found.similar == pytest.approx(_brute(reference, 0.9), abs=1e-14)
        assert found.divergent == pytest.approx(_brute(reference, 0.1), abs=1e-14)

    @pytest.mark.parametrize("kind", KINDS)
    def test_equals_numpy_where_a_sample_brackets_the_quantiles(self, kind, similarity_matrix, monkeypatch):
        sampled = _count_calls(monkeypatch, "tally_sample")
        vectors = _users(kind, SAMPLED_BRACKETS_FROM, 12, 1)
        reference = similarity_matrix(vectors)

        for high, low in [(0.9, 0.1), (1.0, 0.0), (0.5, 0.5), (0.9999, 0.0001), (1 - 1e-7, 1e-7)]:
            found = _exact(vectors, high, low, threads=2)
            assert found.similar == pytest.approx(_brute(reference, high), abs=1e-14)
            assert found.divergent == pytest.approx(_brute(reference, low), abs=1e-14)
        assert sampled

    def test_equals_numpy_in_many_dimensions(self, similarity_matrix):
        vectors = _users("random", SAMPLED_BRACKETS_FROM, 128, 5)

        found = _exact(vectors)

        assert found.similar == pytest.approx(_brute(similarity_matrix(vectors), 0.9), abs=1e-14)

    @pytest.mark.parametrize("n_users", [40, 600])
    def test_a_band_is_found_beside_the_others(self, n_users, similarity_matrix):
        vectors = _users("random", n_users, 6, 41)
        found = _exact(vectors, band=(Target(0.6), Target(0.1, 0.9)))

        assert found.band == (pytest.approx(_brute(similarity_matrix(vectors), 0.6), abs=1e-15), 0.9)
        assert found == replace(_exact(vectors), band=found.band)

    def test_near_duplicates_are_ordered_by_reference_value(self, similarity_matrix):
        vectors = _near_duplicates()
        reference = similarity_matrix(vectors)
        fast = (1 + (vectors @ vectors.T).astype(np.float64)) / 2
        assert np.ptp(reference[np.triu_indices(300, 1)]) < 1e-6
        assert abs(_brute(fast, 0.9) - _brute(reference, 0.9)) > 1e-9

        for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
            found = _exact(vectors, quantile, quantile)
            assert found.similar == pytest.approx(_brute(reference, quantile), abs=1e-15)

    @pytest.mark.parametrize("side", ["low", "high"])
    def test_a_bracket_whose_edge_is_within_rounding_of_the_quantile_is_swept_again(
        self, side, similarity_matrix, monkeypatch
    ):
        # Fast scores put pairs on the wrong side of such an edge, so the rank cannot be trusted.
        vectors = _near_duplicates()
        edge = float(np.median((vectors @ vectors.T)[np.triu_indices(300, 1)]))
        narrow = (edge, 2.0) if side == "low" else (-2.0, edge)
        brackets = iter([([narrow], 0.0), ([(-2.0, 2.0)], 0.0)])
        monkeypatch.setattr(room, "find_brackets", lambda *args, **options: next(brackets))

        found = find_thresholds(vectors, similar=Target(0.5), divergent=Target(0.1, 0.0), method="exact")

        assert found.similar == pytest.approx(_brute(similarity_matrix(vectors), 0.5), abs=1e-15)
        assert next(brackets, None) is None

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_missed_bracket_is_widened_and_swept_again(self, kind, similarity_matrix, monkeypatch):
        vectors = _users(kind, 1200, 8, 3)
        monkeypatch.setattr(room, "ALL_PAIRS", 10)
        monkeypatch.setattr(room, "BRACKET_ERRORS", 1e-3)
        sweeps = _count_calls(monkeypatch, "collect_inside")

        found = _exact(vectors, threads=2)

        reference = similarity_matrix(vectors)
        assert found.similar == pytest.approx(_brute(reference, 0.9), abs=1e-14)
        assert found.divergent == pytest.approx(_brute(reference, 0.1), abs=1e-14)
        if kind == "random":
            assert len(sweeps) > 1

    def test_one_sweep_is_enough_with_the_brackets_as_they_are(self, monkeypatch):
        sweeps = _count_calls(monkeypatch, "collect_inside")

        _exact(_users("random", SAMPLED_BRACKETS_FROM + 51, 12, 4))

        assert len(sweeps) == 1

    @pytest.mark.parametrize("n_users", [2, 3, 70, 600])
    @pytest.mark.parametrize("kind", KINDS)
    def test_ties_beyond_what_may_be_kept_are_counted_in_bins(
        self, kind, n_users, similarity_matrix, monkeypatch
    ):
        vectors = _users(kind, n_users, 8, 6)
        monkeypatch.setattr(room, "MAX_INSIDE", 0)
        narrowed = _count_calls(monkeypatch, "narrowed_quantile")

        found = _exact(vectors, threads=2)

        reference = similarity_matrix(vectors)
        assert found.similar == pytest.approx(_brute(reference, 0.9), abs=1e-14)
        assert found.divergent == pytest.approx(_brute(reference, 0.1), abs=1e-14)
        assert narrowed

    def test_pairs_that_will_be_too_many_are_foreseen_and_not_swept_in_vain(
        self, similarity_matrix, monkeypatch
    ):
        vectors = _users("random", 1200, 8, 7)
        monkeypatch.setattr(room, "ALL_PAIRS", 10)
        _, expected = room.find_brackets(vectors, [0.9, 0.1], 3.0, seed=0, runtime=Runtime(2))
        kept = _exact(vectors, seed=0)
        sweeps = _count_calls(monkeypatch, "collect_inside")
        monkeypatch.setattr(room, "MAX_INSIDE", int(expected) - 1)

        assert _exact(vectors, seed=0) == kept
        assert not sweeps
        assert kept.similar == pytest.approx(_brute(similarity_matrix(vectors), 0.9), abs=1e-14)

    def test_as_many_pairs_are_inside_the_brackets_as_expected(self, monkeypatch):
        vectors = _users("random", 1200, 8, 7)
        monkeypatch.setattr(room, "ALL_PAIRS", 10)
        brackets, expected = room.find_brackets(vectors, [0.9, 0.1], 3.0, seed=0, runtime=Runtime(2))
        insides = room.collect_inside(vectors, brackets, max_inside=10**9, runtime=Runtime(2))

        assert sum(inside.n_inside for inside in insides) == pytest.approx(expected, rel=0.1)

    def test_bins_order_near_duplicates_by_reference_value(self, similarity_matrix, monkeypatch):
        vectors = _near_duplicates()
        monkeypatch.setattr(room, "MAX_INSIDE", 0)

        found = _exact(vectors, threads=2)

        reference = similarity_matrix(vectors)
        assert found.similar == pytest.approx(_brute(reference, 0.9), abs=1e-15)
        assert found.divergent == pytest.approx(_brute(reference, 0.1), abs=1e-15)

    def test_bins_and_kept_pairs_give_the_same_bytes(self, monkeypatch):
        vectors = _users("random", 400, 20, 7)
        kept = _exact(vectors, 0.83, 0.21)
        monkeypatch.setattr(room, "MAX_INSIDE", 1000)

        assert _exact(vectors, 0.83, 0.21) == kept

    def test_narrow_bins_still_reach_a_single_value(self, similarity_matrix, monkeypatch):
        vectors = _users("random", 60, 8, 8)
        monkeypatch.setattr(room, "MAX_INSIDE", 0)
        monkeypatch.setattr(room, "BINS", 2)

        found = _exact(vectors)

        assert found.similar == pytest.approx(_brute(similarity_matrix(vectors), 0.9), abs=1e-14)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("n_users", [2, 300, 1600])
    def test_a_sweep_by_torch_gives_the_same_bytes(self, kind, n_users):
        vectors = _users(kind, n_users, 24, 9)

        assert _exact(vectors, device="cpu:0") == _exact(vectors, threads=2)

    def test_a_sweep_by_torch_orders_near_duplicates_by_reference_value(self):
        vectors = _near_duplicates()

        assert _exact(vectors, device="cpu:0") == _exact(vectors)

    @pytest.mark.parametrize("n_users", [700, 1600])
    def test_threads_and_seed_do_not_change_a_byte(self, n_users):
        vectors = _users("random", n_users, 24, 9)

        found = {
            (x.similar.hex(), x.divergent.hex(), x.pairs)
            for x in (
                _exact(vectors, seed=s, threads=t) for s, t in [(0, 1), (0, 2), (0, 3), (1, 1), (77, 2)]
            )
        }

        assert len(found) == 1

    def test_a_row_of_users_in_other_order_gives_the_same_thresholds(self):
        vectors = _users("random", 1500, 24, 10)
        shuffled = np.ascontiguousarray(vectors[np.random.default_rng(0).permutation(1500)])

        assert _exact(vectors) == _exact(shuffled)

    def test_no_users_by_users_matrix_is_kept(self):
        vectors = _users("random", 4000, 8, 11)
        _exact(vectors[:100])
        tracemalloc.start()
        try:
            _exact(vectors)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        # The matrix in float32 would be 64 MB; one tile's buffers and the sample are 24 MB.
        assert peak < 32e6


def _sampled(vectors, **options):
    return find_thresholds(vectors, similar=Target(0.9), divergent=Target(0.1), method="sampled", **options)


class TestSampled:
    def test_the_interval_covers_the_exact_quantile_in_most_samples(self):
        vectors = _users("random", 300, 8, 12)
        exact, outer, inner = (_exact(vectors, high, 1 - high) for high in (0.9, 0.93, 0.87))

        found = [_sampled(vectors, sampled_pairs=2000, seed=s) for s in range(60)]

        for name in ("similar", "divergent"):
            bounds = np.array([x.intervals[name] for x in found])
            covered = (bounds[:, 0] <= getattr(exact, name)) & (getattr(exact, name) <= bounds[:, 1])
            assert covered.mean() >= 0.9
            # And they are not just wide: the rank is uncertain by 0.013 at 2,000 pairs.
            spread = abs(getattr(outer, name) - getattr(inner, name))
            assert (bounds[:, 1] - bounds[:, 0]).mean() < spread

    def test_the_estimate_lies_in_its_interval_and_nears_the_exact_quantile(self):
        vectors = _users("random", 200, 8, 13)
        exact = _exact(vectors)

        found = _sampled(vectors, sampled_pairs=400_000)

        assert (found.method, found.n_users, found.pairs) == ("sampled", 200, 400_000)
        for name in ("similar", "divergent"):
            low, high = found.intervals[name]
            assert low <= getattr(found, name) <= high
            assert getattr(found, name) == pytest.approx(getattr(exact, name), abs=3e-3)

    def test_threads_do_not_change_the_sample_but_the_seed_does(self):
        vectors = _users("random", 100, 8, 14)

        found = [
            _sampled(vectors, sampled_pairs=200_000, seed=s, threads=t)
            for s, t in [(3, 1), (3, 2), (3, 3), (4, 1)]
        ]

        assert found[0] == found[1] == found[2]
        assert found[0] != found[3]

    def test_a_longer_sample_begins_with_the_shorter(self):
        vectors = _users("random", 50, 8, 15)

        short, long = (sample_similarities(users_of(vectors), n, seed=1) for n in (1000, 70_000))

        np.testing.assert_array_equal(short, long[:1000])

    def test_no_user_is_paired_with_itself_and_all_pairs_are_equally_likely(self, similarity_matrix):
        vectors = _users("random", 5, 8, 16)
        reference = similarity_matrix(vectors)[np.triu_indices(5, 1)]

        values, counts = np.unique(sample_similarities(users_of(vectors), 20_000, seed=2), return_counts=True)

        np.testing.assert_array_equal(values, np.sort(reference))
        # Standard error 42.
        assert np.abs(counts - 2000).max() < 200

    def test_two_users_have_one_pair(self, similarity_matrix):
        vectors = _users("random", 2, 8, 17)

        found = _sampled(vectors, sampled_pairs=10)

        assert found.similar == found.divergent == similarity_matrix(vectors)[0, 1]


class TestAuto:
    @pytest.mark.parametrize(("budget", "chosen"), [(100**2 * 8, "exact"), (100**2 * 8 - 1, "sampled")])
    def test_the_budget_decides_and_a_sample_is_said(self, budget, chosen, caplog):
        with caplog.at_level(logging.INFO, logger="elsa_groups"):
            found = find_thresholds(
                _users("random", 100, 8, 18),
                similar=Target(0.9),
                divergent=Target(0.1),
                exact_budget=budget,
                sampled_pairs=1000,
            )

        assert found.method == chosen
        assert any("exact_budget" in message for message in caplog.messages) == (chosen == "sampled")

    def test_auto_gives_what_the_chosen_method_gives(self):
        vectors = _users("random", 100, 8, 19)

        assert find_thresholds(vectors, similar=Target(0.9), divergent=Target(0.1)) == _exact(vectors)


class TestValues:
    def test_given_values_are_taken_as_they_are_and_no_pair_is_looked_at(self, monkeypatch):
        sweeps = _count_calls(monkeypatch, "collect_inside")

        found = find_thresholds(
            _users("random", 20, 8, 20), similar=Target(0.9, 0.625), divergent=Target(0.1, 0.25)
        )

        assert (found.similar, found.divergent, found.method, found.pairs) == (0.625, 0.25, "value", 0)
        assert not sweeps

    @pytest.mark.parametrize("method", ["exact", "sampled"])
    def test_one_value_and_one_quantile(self, method):
        vectors = _users("random", 50, 8, 21)
        options = {"method": method, "sampled_pairs": 3000}

        both = find_thresholds(vectors, similar=Target(0.9), divergent=Target(0.1), **options)
        low = find_thresholds(vectors, similar=Target(0.9), divergent=Target(0.1, 0.125), **options)
        high = find_thresholds(vectors, similar=Target(0.9, 0.875), divergent=Target(0.1), **options)

        assert (low.similar, low.divergent) == (both.similar, 0.125)
        assert (high.similar, high.divergent) == (0.875, both.divergent)
        assert list(high.intervals) == (["divergent"] if method == "sampled" else [])

    def test_a_value_overrides_quantiles_in_the_wrong_order(self):
        vectors = _users("random", 50, 8, 22)

        found = find_thresholds(vectors, similar=Target(0.1, 1.0), divergent=Target(0.9))

        assert found.divergent == _exact(vectors, 0.9).similar


class TestErrors:
    @pytest.mark.parametrize("n_users", [0, 1])
    def test_fewer_than_two_users(self, n_users):
        with pytest.raises(InputError, match=f"at least 2 users.*got {n_users}"):
            find_thresholds(np.ones((n_users, 4), np.float32), similar=Target(0.9), divergent=Target(0.1))

    @pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("targets", [(Target(0.9), Target(0.1)), (Target(0.9, 0.8), Target(0.1, 0.2))])
    def test_embeddings_that_are_not_finite(self, damage, targets):
        vectors = _users("random", 10, 4, 23)
        vectors[7, 2] = damage

        with pytest.raises(InputError, match="finite"):
            find_thresholds(vectors, similar=targets[0], divergent=targets[1])

    @pytest.mark.parametrize("number", [-0.01, 1.01, float("nan"), float("inf")])
    @pytest.mark.parametrize("name", ["similar", "divergent"])
    @pytest.mark.parametrize("what", ["quantile", "value"])
    def test_a_quantile_or_value_outside_the_unit_interval(self, what, name, number):
        targets = {"similar": Target(0.9), "divergent": Target(0.1)}
        targets[name] = Target(number) if what == "quantile" else Target(0.5, number)

        with pytest.raises(InputError, match=rf"thresholds\.{name}\.{what}.*\[0, 1\].*{number}"):
            check_targets(asked_thresholds(**targets))
        with pytest.raises(InputError, match=rf"thresholds\.{name}\.{what}"):
            find_thresholds(_users("random", 10, 4, 24), **targets)

    def test_quantiles_in_the_wrong_order(self):
        with pytest.raises(InputError, match=r"similar\.quantile >= divergent\.quantile.*0\.1 and 0\.9"):
            check_targets(asked_thresholds(similar=Target(0.1), divergent=Target(0.9)))

    @pytest.mark.parametrize(
        ("band", "message"),
        [
            ((Target(None), Target(0.8)), r"thresholds\.band\.low: expected a quantile or a value"),
            ((Target(0.5), Target(None)), r"thresholds\.band\.high: expected a quantile or a value"),
            ((Target(0.8), Target(0.5)), r"band\.high\.quantile >= band\.low\.quantile.*0\.5 and 0\.8"),
            ((Target(None, 0.8), Target(None, 0.5)), r"band\.high\.value >= band\.low\.value"),
            ((Target(None, 1.5), Target(0.5)), r"thresholds\.band\.low\.value.*got 1\.5"),
        ],
    )
    def test_a_band_without_an_end_or_in_the_wrong_order(self, band, message):
        with pytest.raises(InputError, match=message):
            check_targets(asked_thresholds(similar=Target(0.9), divergent=Target(0.1), band=band), True)

    def test_a_band_that_turns_out_in_the_wrong_order(self):
        with pytest.raises(InputError, match=r"band_high 0\.100000 and band_low.*thresholds\.band\.high"):
            _exact(_users("random", 20, 4, 25), band=(Target(0.5), Target(None, 0.1)))

    def test_values_in_the_wrong_order(self):
        with pytest.raises(InputError, match=r"similar\.value >= divergent\.value.*0\.25 and 0\.75"):
            check_targets(asked_thresholds(similar=Target(0.9, 0.25), divergent=Target(0.1, 0.75)))

    def test_a_value_and_a_quantile_that_turn_out_in_the_wrong_order(self):
        vectors = _users("all equal", 10, 4, 25)

        with pytest.raises(InputError, match=r"similar 0\.500000 and divergent 1\.000000"):
            find_thresholds(vectors, similar=Target(0.9, 0.5), divergent=Target(0.1))

    def test_equal_targets_are_allowed(self):
        check_targets(asked_thresholds(similar=Target(0.5), divergent=Target(0.5)))
        check_targets(asked_thresholds(similar=Target(0.9, 0.5), divergent=Target(0.1, 0.5)))
