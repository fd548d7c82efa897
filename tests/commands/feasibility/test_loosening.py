import numpy as np
import pytest

from elsa_groups.commands.feasibility.loosening import find_looser
from elsa_groups.groups.family import Rule
from elsa_groups.similarity.limits import Limits

# Similarity q of quantile q.
ORDERED = np.linspace(0.0, 1.0, 100_001)
LIMITS = Limits(0.9, 0.1, (0.4, 0.6))


def find(rules, works, limits=LIMITS):
    """Quantiles found, where enough attempts complete if ``works`` says so."""
    tried = []

    def completing_share(trial):
        tried.append(trial)
        return 0.75 if works(trial) else 0.25

    found = find_looser(rules, limits, ORDERED, completing_share, wanted=0.5)
    for looser in found:
        assert looser.values == pytest.approx(looser.quantiles, abs=1e-5)
        assert looser.completing_share == 0.75
    return [looser.quantiles for looser in found], tried


def test_a_threshold_is_loosened_to_the_nearest_quantile_that_does():
    found, tried = find({Rule.similar, Rule.any}, lambda trial: trial.similar <= 0.7345)
    assert found == [{"similar": 0.734}]
    assert len(tried) <= 12
    assert all(trial._replace(similar=0.9) == LIMITS for trial in tried)

    found, _ = find({Rule.divergent}, lambda trial: trial.divergent >= 0.2501)
    assert found == [{"divergent": 0.251}]


def test_each_threshold_that_is_enough_is_named():
    found, _ = find(
        {Rule.similar, Rule.divergent}, lambda trial: trial.similar <= 0.8 or trial.divergent >= 0.3
    )
    assert found == [{"similar": 0.8}, {"divergent": 0.3}]


def test_where_none_is_enough_all_are_moved_together():
    found, _ = find(
        {Rule.similar, Rule.divergent},
        lambda trial: trial.similar <= 0.8505 and trial.divergent >= 0.12,
    )
    assert found == [{"similar": 0.85, "divergent": 0.15}]


def test_similar_never_falls_below_divergent():
    found, tried = find({Rule.similar}, lambda trial: trial.similar < 0.1)
    assert found == []
    assert all(trial.similar >= trial.divergent for trial in tried)


def test_a_band_is_widened_at_either_end():
    found, _ = find({Rule.band}, lambda trial: trial.band[0] <= 0.31 or trial.band[1] >= 0.77)
    assert found == [{"band.low": 0.31}, {"band.high": 0.77}]


def test_a_threshold_at_a_similarity_of_many_pairs_is_loosened_beyond_all_of_them():
    ordered = np.sort(np.r_[np.full(600, 0.5), np.linspace(0.6, 1.0, 400)])
    limits = Limits(0.9, 0.5)

    (looser,) = find_looser({Rule.divergent}, limits, ordered, lambda trial: trial.divergent, wanted=0.601)

    assert looser.quantiles["divergent"] == pytest.approx(0.602, abs=0.001)


def test_a_family_without_rules_cannot_be_loosened():
    assert find({Rule.any}, lambda _: False) == ([], [])


def test_quantiles_stay_in_order_where_many_pairs_are_just_as_similar():
    # The pairs from quantile .2 to .8 are all as similar, and so is the divergent threshold.
    ordered = np.sort(np.r_[np.linspace(0.0, 0.4, 200), np.full(600, 0.5), np.linspace(0.6, 1.0, 200)])
    limits = Limits(0.9, 0.5)

    (looser,) = find_looser({Rule.similar}, limits, ordered, lambda trial: trial.similar <= 0.5, wanted=1)
    # Of the quantiles of 0.5 only the last is not below one that the divergent threshold may be of.
    assert looser.quantiles == {"similar": 0.8}
    assert find_looser({Rule.similar}, limits, ordered, lambda trial: trial.similar < 0.5, wanted=1) == ()
