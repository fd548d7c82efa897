from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from elsa_groups.commands.feasibility.assessment import Effort
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.similarity.histories import binary_histories
from elsa_groups.similarity.limits import Target
from elsa_groups.similarity.scores import reference_similarities

from ...groups.plain_groups import PlainGroups
from ...one_by_one import assess_key, draw_groups, find_thresholds

EFFORT = Effort(attempts=1_000, hard_restarts=10, completing_share=0.5, max_draws=1000, max_restarts=10_000)
KEYS = {
    "similar": ((3,), Rule.similar, Rule.any),
    "divergent": ((3,), Rule.divergent, Rule.any),
    "opposing": ((2, 2), Rule.similar, Rule.divergent),
    "camps": ((2, 1, 1), Rule.similar, Rule.divergent),
    "pairs": ((2, 2), Rule.similar, Rule.any),
    "between": ((2, 1), Rule.band, Rule.divergent),
    "random": ((3,), Rule.any, Rule.any),
}
every_key = pytest.mark.parametrize("name", KEYS)


@pytest.fixture
def users(unit_rows, similarity_matrix):
    vectors = unit_rows(np.random.default_rng(5).normal(size=(9, 3)))
    ordered = np.sort(similarity_matrix(vectors)[np.triu_indices(9, 1)])
    return vectors, ordered


def _family(name, linkage=Linkage.mean):
    sizes, within, across = KEYS[name]
    return Family(name, (sizes,), within, across, linkage, 50), sizes


def _assess(vectors, ordered, family, sizes, quantiles=(0.61, 0.42), effort=EFFORT, activity=None):
    activity = np.arange(vectors.shape[0]) if activity is None else activity
    similar, divergent = np.quantile(ordered, quantiles)
    band = tuple(np.quantile(ordered, [0.22, 0.78]).tolist())
    limits = {"similar": float(similar), "divergent": float(divergent), "band": band}
    found = assess_key(vectors, family, sizes, activity, **limits, seed=1, effort=effort, ordered=ordered)
    return found, limits


@every_key
@pytest.mark.parametrize("linkage", list(Linkage), ids=lambda x: x.name)
@pytest.mark.parametrize("max_draws", [6, None])
def test_draws_and_restarts_are_those_of_the_sampler(users, name, linkage, max_draws):
    family, sizes = _family(name, linkage)
    effort = replace(EFFORT, max_draws=max_draws)
    found, limits = _assess(*users, family, sizes, effort=effort)

    groups = draw_groups(
        users[0], family, sizes, seed=2, n_groups=4_000, max_draws=max_draws, max_restarts=10**4, **limits
    )

    # Within five standard errors of either.
    draws, restarts = groups.accounting.draws, groups.accounting.restarts
    errors = draws.std() / 4_000**0.5, (found.expected_draws.high - found.expected_draws.low) / 3.92
    assert abs(draws.mean() - found.expected_draws.value) <= 5 * np.hypot(*errors) + 1e-9
    completing = found.completing_share
    error = restarts.std() / 4_000**0.5 + (1 / completing.low - 1 / completing.high) / 3.92
    assert abs(restarts.mean() - found.expected_restarts) <= 5 * error + 1e-9


@pytest.mark.parametrize("measure", ["history_cosine", "pearson", "jaccard"])
@pytest.mark.parametrize("name", ["similar", "opposing", "between"])
def test_histories_are_compared_as_the_sampler_compares_them(name, measure):
    # Of few items many pairs are just as similar as a threshold.
    matrix = np.random.default_rng(4).random((12, 8)) < 0.4
    matrix[:, 0] |= ~matrix.any(axis=1)
    histories = binary_histories(csr_array(matrix.astype(np.float32)), measure)
    us, vs = np.triu_indices(12, 1)
    ordered = np.sort(reference_similarities(histories, us, vs))
    # A threshold that is the similarity of a pair.
    family, sizes = _family(name)
    found, limits = _assess(histories, ordered, family, sizes, quantiles=(40 / 65, 26 / 65))
    assert {limits["similar"], limits["divergent"]} <= set(ordered)

    groups = draw_groups(histories, family, sizes, seed=2, n_groups=4_000, **limits)

    draws = groups.accounting.draws
    errors = draws.std() / 4_000**0.5, (found.expected_draws.high - found.expected_draws.low) / 3.92
    assert abs(draws.mean() - found.expected_draws.value) <= 5 * np.hypot(*errors)


@every_key
def test_distinct_groups_are_those_that_can_be_enumerated(users, similarity_matrix, name):
    family, sizes = _family(name)
    found, limits = _assess(*users, family, sizes, effort=replace(EFFORT, attempts=4_000))

    groups = len(PlainGroups(similarity_matrix(users[0]), family, sizes, **limits).sequences())

    estimate = found.log10_distinct_groups
    # The interval is of 95%; on either side two and a half times as wide, it misses once in a million times.
    reach = 1.25 * (estimate.high - estimate.low) + 1e-9
    assert abs(estimate.value - np.log10(groups)) <= reach
    assert reach < 0.1


def test_users_who_can_start_are_told_from_those_who_cannot_with_their_activity(unit_rows):
    # Ten are alike and have three items; the other thirty are like nobody and have one or five.
    vectors = unit_rows(np.eye(31, dtype=np.float32)[np.r_[np.zeros(10, int), np.arange(1, 31)]])
    activity = np.r_[np.full(10, 3), np.repeat([1, 5], 15)]
    family, sizes = _family("similar")
    effort = replace(EFFORT, attempts=40)

    found, _ = _assess(
        vectors, np.array([0.5, 1.0]), family, sizes, quantiles=(1.0, 0.0), effort=effort, activity=activity
    )

    assert found.starting_share.value == 0.25
    assert found.starting_share.low == pytest.approx(0.1419, abs=1e-3)
    assert found.starting_share.high == pytest.approx(0.4020, abs=1e-3)
    assert (found.activity_starting, found.activity_others, found.starting_difference) == (3, 3, 0)
    assert found.reached_share == (1.0, 0.25)
    assert found.expected_restarts == 3
    assert found.verdict == "feasible"
    assert 10**found.log10_distinct_groups.value == pytest.approx(120)

    for changed, verdict in (({"hard_restarts": 2}, "hard"), ({"max_restarts": 13}, "infeasible")):
        # After 13 restarts all of 50 groups are there with a chance of (1 - 0.75**14)**50 = 0.40.
        judged, _ = _assess(
            vectors, np.array([0.5, 1.0]), family, sizes, quantiles=(1.0, 0.0),
            effort=replace(effort, **changed),
        )  # fmt: skip
        assert judged.verdict == verdict

    active, _ = _assess(
        vectors, np.array([0.5, 1.0]), family, sizes, quantiles=(1.0, 0.0), effort=effort,
        activity=np.r_[np.full(10, 7), np.full(30, 2)],
    )  # fmt: skip
    assert active.starting_difference == pytest.approx(5 / np.r_[np.full(10, 7), np.full(30, 2)].std())


@pytest.mark.parametrize(
    ("name", "quantiles", "loosened"),
    [
        ("divergent", (0.9, 0.002), ["divergent"]),
        ("similar", (0.9998, 0.1), ["similar"]),
        ("opposing", (0.9, 0.0005), ["divergent"]),
    ],
)
def test_an_infeasible_key_gets_a_quantile_by_which_it_can_then_be_drawn(
    unit_rows, name, quantiles, loosened
):
    rng = np.random.default_rng(8)
    vectors = unit_rows(rng.normal(size=(300, 24)) + 2 * np.eye(24)[rng.integers(0, 24, 300)])
    similarities = ((1 + vectors @ vectors.T) / 2)[np.triu_indices(300, 1)]
    ordered = np.sort(similarities.astype(np.float64))
    family, _ = _family(name)
    sizes = {"divergent": (6,), "similar": (6,), "opposing": (4, 2)}[name]
    effort = replace(EFFORT, attempts=200, max_draws=400)
    found, limits = _assess(vectors, ordered, family, sizes, quantiles, effort)

    assert found.verdict != "feasible"
    assert [name for looser in found.looser for name in looser.quantiles] == loosened
    for looser in found.looser:
        assert looser.completing_share >= 0.5
        asked = dict(zip(("similar", "divergent"), quantiles, strict=True)) | looser.quantiles
        again = find_thresholds(vectors, **{name: Target(q) for name, q in asked.items()}, method="exact")
        drawn = draw_groups(
            vectors, family, sizes, similar=again.similar, divergent=again.divergent, seed=1, max_draws=400
        )
        # Half of attempts complete: one is dropped for each group.
        assert drawn.accounting.restarts.mean() < 2
        tighter = {name: q + (0.02 if name == "similar" else -0.02) for name, q in looser.quantiles.items()}
        values = {name: float(np.quantile(ordered, q)) for name, q in tighter.items() if 0 <= q <= 1}
        if len(values) == len(tighter):
            before = assess_key(
                vectors, family, sizes, np.arange(300), **limits | values, seed=1, effort=effort,
                ordered=ordered,
            )  # fmt: skip
            assert before.completing_share.value < 0.5


def test_a_key_that_no_quantile_fills_gets_none(unit_rows):
    # Three users, and groups of four.
    vectors = unit_rows(np.random.default_rng(1).normal(size=(3, 4)))
    family, sizes = _family("divergent")
    found, _ = _assess(vectors, np.linspace(0.2, 0.8, 50), family, sizes, effort=replace(EFFORT, attempts=10))

    assert found.verdict == "infeasible"
    assert found.looser == ()
    assert found.expected_draws.value is found.expected_restarts is found.log10_distinct_groups.value is None


def test_what_is_found_follows_from_the_seed(users):
    family, sizes = _family("opposing")
    effort = replace(EFFORT, attempts=20)
    assert _assess(*users, family, sizes, effort=effort) == _assess(*users, family, sizes, effort=effort)
