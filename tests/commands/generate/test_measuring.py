"""Measuring drawn groups: intervals where halves of the users can be drawn from, the same on any threads."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from elsa_groups.base.runtime import Runtime
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate import halves
from elsa_groups.commands.generate.drawn import DrawnFrom, DrawnKey
from elsa_groups.commands.generate.halves import draw_from_halves
from elsa_groups.commands.generate.measuring import find_intervals, measure_keys, measure_members
from elsa_groups.commands.generate.population import Chosen, Population
from elsa_groups.groups.candidates import Lookup
from elsa_groups.groups.family import Family, GroupType, Linkage, Rule
from elsa_groups.measures.jackknife import ONE_GROUP, find_interval
from elsa_groups.measures.tastes import Profiles
from elsa_groups.model.embeddings import embed_users
from elsa_groups.model.recommendations import top_items
from elsa_groups.report.tables import summary_row
from elsa_groups.similarity.history_users import HistoryUsers
from elsa_groups.similarity.limits import Method, Target, Thresholds
from elsa_groups.similarity.vector_users import VectorUsers

from ...one_by_one import draw_groups, draw_kept_groups, filters_of, find_thresholds

TARGETS = {"similar": Target(0.7), "divergent": Target(0.3)}
ASKED = [
    *("dataset=Demo", "seed=3", "thresholds.similar.quantile=0.7", "thresholds.divergent.quantile=0.3"),
    *("thresholds.method=exact", "thresholds.sampled_pairs=1000", "overlap.threshold=0.3"),
    *("sampling.max_draws=50", "sampling.max_restarts=20"),
]
ANYONE = Family("random", ((3,),), Rule.any, Rule.any, Linkage.mean, 30)


def source_of(n_users=40, halves=4, thresholds=None, **changes):
    rng = np.random.default_rng(5)
    histories = csr_array((rng.random((n_users, 60)) < 0.2).astype(np.float32))
    encoder = rng.standard_normal((60, 8)).astype(np.float32)
    embeddings = embed_users(histories, encoder, threads=1)
    settings = compose_settings("generate", [*ASKED, f"evidence.halves={halves or 'null'}"])
    users = VectorUsers(embeddings.vectors)
    thresholds = thresholds or find_thresholds(users, **TARGETS)
    chosen = Chosen(embeddings.rows, embeddings.rows)
    population = Population(
        embeddings, users, users, embeddings.vectors, histories, None, chosen, encoder, Lookup(histories)
    )
    return replace(DrawnFrom(settings, population, thresholds, Runtime()), **changes)


def limits_of(source):
    limits = source.thresholds.limits
    return {"similar": limits.similar, "divergent": limits.divergent, "seed": 3}


def drawn(source, family, sizes):
    limits, users = limits_of(source), source.population.users
    anyone = replace(ANYONE, name=family.name, compositions=(sizes,))
    return DrawnKey(
        GroupType(family, sizes),
        draw_groups(users, family, sizes, **limits),
        draw_groups(users, anyone, sizes, stream="baseline", n_groups=50, **limits),
        0.5,
    )


def test_every_measure_has_an_interval_around_its_mean_and_both_baselines():
    source = source_of()
    family = Family("opposing", ((2, 1),), Rule.similar, Rule.divergent, Linkage.mean, 30)
    (result,) = measure_keys(source, [drawn(source, family, (2, 1))])
    kinds = [(of.measure, of.baseline) for of in result.evidence]
    assert len(set(kinds)) == len(kinds) == 12 * 2
    for of in result.evidence:
        assert of.interval.low <= of.mean <= of.interval.high
        assert 1.0 <= of.interval.effective_groups <= 30.0 + 1e-9
    # Everybody who is in a group has recommendations.
    assert (result.tastes.recommendation_overlap_at_20 > 0).any()
    assert len(result.baseline) == len(result.random_overlap) == 50


def test_without_halves_there_are_no_intervals():
    source = source_of(halves=None)
    (result,) = measure_keys(source, [drawn(source, ANYONE, (3,))])
    assert {of.interval for of in result.evidence} == {None}


def test_a_key_that_half_of_the_users_cannot_fill_has_no_intervals(caplog: pytest.LogCaptureFixture):
    source = source_of()
    keys = [drawn(source, replace(ANYONE, name="crowd"), (30,)), drawn(source, ANYONE, (3,))]
    crowd, random = measure_keys(source, keys)
    assert {of.interval for of in crowd.evidence} == {None}
    assert None not in {of.interval for of in random.evidence}
    assert [
        record.message.split(",")[0] for record in caplog.records if "no intervals" in record.message
    ] == ["no intervals of crowd_30"]
    assert summary_row(crowd)["no_interval"] == "half of the users cannot fill it"
    assert "no_interval" not in summary_row(random)


def slow(key: DrawnKey, restarts: int) -> DrawnKey:
    """The key as if each of its groups had started over so often."""
    took = key.groups.accounting
    accounting = replace(took, restarts=np.full_like(took.restarts, restarts))
    return replace(key, groups=replace(key.groups, accounting=accounting))


def test_halves_are_asked_for_fewer_groups_that_take_many_attempts(monkeypatch):
    asked = []
    draw = halves.draw_kept_groups

    def draw_kept_groups(users, kind, *args, **options):
        asked.append(kind.n_groups)
        return draw(users, kind, *args, **options)

    monkeypatch.setattr(halves, "draw_kept_groups", draw_kept_groups)
    (result,) = measure_keys(source_of(), [slow(drawn(source_of(), ANYONE, (3,)), restarts=79)])
    assert asked == [25] * 4  # 2,000 attempts, 80 a group
    assert None not in {of.interval for of in result.evidence}


def test_groups_that_take_too_many_attempts_have_no_intervals(caplog: pytest.LogCaptureFixture):
    (result,) = measure_keys(source_of(), [slow(drawn(source_of(), ANYONE, (3,)), restarts=100)])
    assert {of.interval for of in result.evidence} == {None}
    assert "no intervals of random_3, whose groups take too many attempts" in caplog.text
    assert (
        result.no_interval == "its groups take too many attempts to be drawn again from halves of the users"
    )


def test_evidence_depends_on_no_thread_and_no_other_key():
    source = source_of()
    similar = Family("similar", ((3,),), Rule.similar, Rule.any, Linkage.mean, 30)
    one = drawn(source, similar, (3,))
    (alone,) = measure_keys(source, [one])
    _, beside = measure_keys(replace(source, runtime=Runtime(3)), [drawn(source, ANYONE, (3,)), one])
    assert alone.evidence == beside.evidence


def test_a_key_is_paired_with_its_partner_within_each_half():
    source = source_of()
    partner = drawn(source, ANYONE, (3,))
    family = replace(ANYONE, name="same", compositions=((3, 1),), paired_with="random_3")
    given = partner.groups.members
    limits = limits_of(source)
    key = replace(
        drawn(source, replace(family, paired_with=None), (3, 1)),
        kind=GroupType(family, (3, 1)),
        groups=draw_groups(source.population.users, family, (3, 1), given=given, **limits),
    )
    drawn_again = draw_from_halves(source, [partner, key]).members
    assert len(drawn_again["same_3_1"]) == 4
    for before, after in zip(drawn_again["random_3"], drawn_again["same_3_1"], strict=True):
        assert after[:, :3].tolist() == before.tolist()


def test_a_key_whose_partner_half_of_the_users_cannot_fill_has_no_intervals(caplog):
    source = source_of()
    partner = drawn(source, replace(ANYONE, name="crowd", compositions=((30,),)), (30,))
    family = replace(ANYONE, name="pair", compositions=((1, 1),), paired_with="crowd_30")
    pairs = partner.groups.members[:, :1]
    limits = limits_of(source)
    paired = draw_groups(source.population.users, family, (1, 1), given=pairs, **limits)
    halves = draw_from_halves(source, [partner, DrawnKey(GroupType(family, (1, 1)), paired, paired, 0.5)])
    assert halves.members == {}
    assert set(halves.missing) == {"crowd_30", "pair_1_1"}
    assert "pair_1_1: expected groups of crowd_30 to be paired with, got none" in caplog.text


def test_halves_are_drawn_by_what_users_are_compared_by():
    source = source_of()
    users = HistoryUsers.of(source.population.histories, "pearson")
    population = replace(source.population, users=users, compared=users)
    source = replace(source, population=population, thresholds=find_thresholds(users, **TARGETS))
    similar = Family("similar", ((3,),), Rule.similar, Rule.any, Linkage.mean, 30)
    (result,) = measure_keys(source, [drawn(source, similar, (3,))])
    (of,) = [of for of in result.evidence if (of.measure, of.baseline) == ("similarity", "random")]
    # By the embeddings of these random histories the groups of halves would be like random ones.
    assert result.baseline.mean() < of.interval.low < of.mean < of.interval.high


def test_too_few_users_to_halve_leave_no_intervals(caplog):
    # A half of three is one user, who makes no pair.
    source = source_of(n_users=3)
    pairs = replace(ANYONE, compositions=((2,),))
    (result,) = measure_keys(source, [drawn(source, pairs, (2,))])
    assert {of.interval for of in result.evidence} == {None}
    assert caplog.text.count("no intervals") == 1
    assert result.no_interval == "half of the users makes no thresholds"


def test_one_group_has_no_interval_and_says_why():
    source = source_of()
    (result,) = measure_keys(source, [drawn(source, replace(ANYONE, n_groups=1), (3,))])
    assert {of.interval for of in result.evidence} == {None}
    assert result.no_interval == ONE_GROUP


def test_a_half_whose_thresholds_cross_leaves_no_intervals(caplog):
    source = source_of(halves=8)
    # Above the lower quantile of all users, but not of every half.
    value = source.thresholds.divergent + 1e-4
    asked = replace(source.settings.thresholds, similar=Target(value=value))
    source = replace(source, settings=replace(source.settings, thresholds=asked))
    (result,) = measure_keys(source, [drawn(source, ANYONE, (3,))])
    assert {of.interval for of in result.evidence} == {None}
    assert "expected similar >= divergent" in caplog.text
    assert caplog.text.count("no intervals") == 1


def test_half_of_the_users_are_asked_for_half_of_the_groups_where_a_filter_is_on():
    source = source_of(n_users=41)
    asked = filters_of(disjoint=True)
    source = replace(source, settings=replace(source.settings, filters=asked))
    # Half of the users have room for six.
    family = replace(ANYONE, n_groups=8)
    limits = limits_of(source)
    disjoint = draw_kept_groups(
        source.population.users, family, (3,), filters=filters_of(disjoint=True), **limits
    )
    key = DrawnKey(GroupType(family, (3,)), disjoint, drawn(source, ANYONE, (3,)).random, 0.5)
    drawn_again = draw_from_halves(source, [key]).members["random_3"]
    assert [len(members) for members in drawn_again] == [4] * 4
    assert all(len(set(members.ravel())) == members.size for members in drawn_again)
    (result,) = measure_keys(source, [key])
    assert None not in {of.interval for of in result.evidence}


def test_only_a_half_without_one_group_leaves_no_intervals_where_fewer_will_do(caplog):
    source = source_of()
    sampling = replace(source.settings.sampling, max_draws=12, max_restarts=1)
    source = replace(source, settings=replace(source.settings, allow_partial=True, sampling=sampling))
    similar = Family("similar", ((3,),), Rule.similar, Rule.any, Linkage.mean, 30)
    keys = [drawn(source, similar, (3,)), drawn(source, replace(ANYONE, name="crowd"), (30,))]
    drawn_again = draw_from_halves(source, keys).members
    counts = [len(members) for members in drawn_again["similar_3"]]
    assert 1 <= min(counts) < max(counts) <= 15
    assert list(drawn_again) == ["similar_3"]
    assert caplog.text.count("no intervals of crowd_30") == 1


def test_intervals_take_off_the_chance_of_as_many_groups_as_each_half_had():
    source = source_of()
    members = drawn(source, ANYONE, (3,)).groups.members
    population = source.population
    tops = np.argsort(population.uncentred @ population.encoder.T, axis=1)[:, :20].astype(np.int32)
    profiles = Profiles.of(population.histories, tops)
    parts = [members, members[:6], members[6:9], members[9:11]]
    measures, *of_halves = (measure_members(source, profiles, m, GroupType(ANYONE, (3,))) for m in parts)
    found = find_intervals(measures, of_halves, 0.5)
    activity = measures["activity"]
    means = np.array([activity[:6].mean(), activity[6:9].mean(), activity[9:11].mean()])
    # 1 / 6, 1 / 3 and 1 / 2 are 1 / 3 on average.
    assert found["activity"] == find_interval(activity, means, 3.0)


def test_where_halves_are_a_small_share_of_the_users_they_are_asked_for_as_few_groups():
    n_users = 12_500
    n_pairs = n_users * (n_users - 1) // 2
    source = source_of(n_users=n_users, thresholds=Thresholds(0.7, 0.3, "exact", n_users, n_pairs))
    # 5,000 of 12,500 are two fifths, and two thirds of those who are not among them.
    for n_groups, of_half, scarce in (
        (120, 80, False),
        (24, 20, False),
        (12, 12, False),
        (120, 48, True),
        (24, 12, True),
    ):
        asked = replace(source.settings, allow_partial=scarce)
        key = drawn(source, replace(ANYONE, n_groups=n_groups), (3,))
        again = draw_from_halves(replace(source, settings=asked), [key]).members["random_3"]
        assert [len(members) for members in again] == [of_half] * 4, (n_groups, scarce)


def test_intervals_take_the_share_of_the_users_in_a_half_and_its_groups_into_account():
    n_users = 12_500
    n_pairs = n_users * (n_users - 1) // 2
    source = source_of(n_users=n_users, thresholds=Thresholds(0.7, 0.3, "exact", n_users, n_pairs))
    key, anyone = drawn(source, replace(ANYONE, n_groups=120), (3,)), GroupType(ANYONE, (3,))
    population = source.population
    tops = top_items(population.uncentred, population.encoder, population.histories)
    profiles = Profiles.of(population.histories, tops)
    (result,) = measure_keys(source, [key])
    found = {of.measure: of.interval for of in result.evidence if of.baseline == "random"}
    of_all, *of_halves = (
        measure_members(source, profiles, members, anyone)
        for members in (key.groups.members, *draw_from_halves(source, [key]).members["random_3"])
    )
    for name in ("similarity", "jaccard", "recommendation_overlap_at_20"):
        means = np.array([half[name].mean() for half in of_halves])
        assert found[name] == find_interval(of_all[name], means, 80.0, 0.4), name


@pytest.mark.parametrize(
    ("pairs", "budget", "method"),
    [(1_000_000, 1e10, "exact"), (1_000, 1e10, "sampled"), (1_000_000, 1, "sampled")],
)
def test_halves_of_sampled_thresholds_have_exact_ones_unless_they_cost_more_or_few_pairs_are_asked_for(
    monkeypatch, pairs, budget, method
):
    monkeypatch.setattr(halves, "EXACT_BUDGET", budget)
    found, find = [], halves.find_thresholds

    def noted(*args, **options):
        found.append(find(*args, **options))
        return found[-1]

    monkeypatch.setattr(halves, "find_thresholds", noted)
    source = source_of()
    asked = replace(source.settings.thresholds, method=Method.sampled, sampled_pairs=pairs)
    source = replace(source, settings=replace(source.settings, thresholds=asked))
    assert draw_from_halves(source, [drawn(source, ANYONE, (3,))]).missing == {}
    assert {(str(of.method), of.n_users) for of in found} == {(method, 20)}


def test_halves_leave_torch_the_threads_it_had():
    before = torch.get_num_threads()
    source = source_of()
    try:
        torch.set_num_threads(3)
        draw_from_halves(source, [drawn(source, ANYONE, (3,))])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
