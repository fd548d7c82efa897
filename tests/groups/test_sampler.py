import itertools
import random
import re
import signal
import threading
from collections import Counter
from functools import cache

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import chi2_contingency, chisquare

from elsa_groups.base.errors import InputError
from elsa_groups.base.philox import stream_key
from elsa_groups.groups.family import Family, GroupType, Linkage, Rule
from elsa_groups.similarity.histories import binary_histories
from elsa_groups.similarity.scores import fast_dot, reference_similarities

from ..one_by_one import draw_groups, measure_quality

FAMILIES = {
    "similar": (Rule.similar, Rule.any),
    "divergent": (Rule.divergent, Rule.any),
    "opposing": (Rule.similar, Rule.divergent),
    "alike": (Rule.divergent, Rule.similar),
    "strangers": (Rule.any, Rule.divergent),
    "random": (Rule.any, Rule.any),
    "band": (Rule.band, Rule.any),
    "ring": (Rule.similar, Rule.band),
}
KEYS = [
    ("similar", (3,)),
    ("similar", (5,)),
    ("divergent", (3,)),
    ("divergent", (4,)),
    ("opposing", (2, 1)),
    ("opposing", (1, 2)),
    ("opposing", (3, 2)),
    ("opposing", (4, 1)),
    ("opposing", (2, 2, 2)),
    ("opposing", (3, 1, 1)),
    ("alike", (2, 2)),
    ("strangers", (2, 2)),
    ("random", (3,)),
    ("random", (2, 3)),
]
every_key = pytest.mark.parametrize(("name", "sizes"), KEYS, ids=lambda x: str(x).replace(" ", ""))
every_linkage = pytest.mark.parametrize("linkage", list(Linkage), ids=lambda x: x.name)


def _family(name, sizes, linkage=Linkage.mean, n_groups=75):
    within, across = FAMILIES[name]
    return Family(name, (sizes,), within, across, linkage, n_groups)


def _equiangular_users(unit_rows):
    """Six clusters of 20 near-duplicates; all pairs of clusters are equally far, up to float32 rounding.

    With the threshold in the middle of that rounding, nearly every draw is a decision that float32
    scores take at random.
    """
    rng = np.random.default_rng(31)
    basis, _ = np.linalg.qr(rng.normal(size=(48, 7)))
    centres = 0.8 * basis[:, :6].T + 0.6 * basis[:, 6]
    return unit_rows(np.repeat(centres, 20, axis=0) + 1e-8 * rng.normal(size=(120, 48)))


def _between_clusters(similarities):
    cluster = np.arange(120) // 20
    return similarities[cluster[:, None] != cluster[None, :]]


class PlainSampler:
    """The drawing loop in plain Python, by whatever similarities it is given.

    Draw ``t`` of group ``g`` is number ``below(n, t, g, key)``; among the users not yet in the group, in
    ascending order, it picks the candidate. Without ``max_draws``, after as many draws in vain as there are
    users, those who qualify come first.
    """

    def __init__(self, similarities, family, sizes, similar, divergent, max_draws, band=None):
        self.similarities = similarities.tolist()
        self.sizes = sizes
        self.within, self.across = family.within, family.across
        self.linkage = family.linkage
        self.similar, self.divergent = similar, divergent
        self.band = band
        self.max_draws = max_draws
        self.lists = 0

    def meets(self, value, rule):
        if rule == Rule.band:
            return self.band[0] <= value <= self.band[1]
        return value >= self.similar if rule == Rule.similar else value <= self.divergent

    def satisfied(self, user, subgroup, rule):
        if rule == Rule.any or not subgroup:
            return True
        values = [self.similarities[member][user] for member in subgroup]
        if self.linkage == Linkage.mean:
            return self.meets(sum(values) / len(values), rule)
        verdicts = [self.meets(value, rule) for value in values]
        return all(verdicts) if self.linkage == Linkage.all else any(verdicts)

    def joins(self, user, subgroups, turn):
        return all(
            self.satisfied(user, subgroup, self.within if number == turn else self.across)
            for number, subgroup in enumerate(subgroups)
        )

    def attempt(self, choose, given=()):
        """Return the subgroups, draws and accepted of one attempt; ``choose`` picks one of a list."""
        users = list(range(len(self.similarities)))
        subgroups = [[] for _ in self.sizes]
        subgroups[0] += given or [choose(users)]
        users = [user for user in users if user not in subgroups[0]]
        n, turn, accepted, in_vain = len(self.sizes), 1, 0, 0
        for draw in itertools.count(1):
            lists = self.max_draws is None and in_vain >= len(self.similarities)
            if draw - 1 == self.max_draws or (lists and not self.can_go_on(users, subgroups)):
                return None, draw - 1, accepted
            while len(subgroups[turn % n]) == self.sizes[turn % n]:
                turn += 1
            numbered = users
            if lists:
                self.lists += 1
                numbered = sorted(users, key=lambda user, s=turn % n: not self.joins(user, subgroups, s))
            user = choose(numbered)
            in_vain += 1
            if self.joins(user, subgroups, turn % n):
                subgroups[turn % n].append(user)
                users.remove(user)
                accepted, in_vain = accepted + 1, 0
                if sum(map(len, subgroups)) == sum(self.sizes):
                    return list(itertools.chain(*subgroups)), draw, accepted
            turn += 1

    def can_go_on(self, users, subgroups):
        """Whether anybody can join an open subgroup."""
        turns = [s for s, part in enumerate(subgroups) if len(part) < self.sizes[s]]
        return any(self.joins(user, subgroups, s) for user in users for s in turns)

    def group(self, choose, given=()):
        """Return members, draws, accepted and restarts of one group."""
        draws = accepted = 0
        for restarts in itertools.count():
            members, more_draws, more_accepted = self.attempt(choose, given)
            draws += more_draws
            accepted += more_accepted
            if members:
                return members, draws, accepted, restarts


def _plain_groups(sampler, below, key, n_groups):
    """Draw every group by the counter-based numbers of its own key."""
    drawn = []
    for group in range(n_groups):
        numbers = itertools.count()
        drawn.append(
            sampler.group(lambda users, g=group, t=numbers: users[below(len(users), next(t), g, int(key))])
        )
    return [np.array(column) for column in zip(*drawn, strict=True)]


def _assert_same(groups, plain):
    members, draws, accepted, restarts = plain
    np.testing.assert_array_equal(groups.members, members)
    np.testing.assert_array_equal(groups.accounting.draws, draws)
    np.testing.assert_array_equal(groups.accounting.accepted, accepted)
    np.testing.assert_array_equal(groups.accounting.restarts, restarts)


class TestAgainstPlainPython:
    @every_linkage
    @every_key
    def test_members_and_accounting_equal_the_plain_loop(
        self, name, sizes, linkage, unit_rows, similarity_matrix, plain_below
    ):
        vectors = unit_rows(np.random.default_rng(1).normal(size=(40, 5)))
        reference = similarity_matrix(vectors)
        similar, divergent = np.quantile(reference[np.triu_indices(40, 1)], [0.6, 0.4])
        family = _family(name, sizes, linkage)
        law = {"similar": similar, "divergent": divergent, "max_draws": 12 if sum(sizes) < 6 else 40}

        groups = draw_groups(vectors, family, sizes, seed=5, n_groups=30, threads=2, **law)

        key = stream_key(5, "groups", GroupType(family, sizes).name)
        sampler = PlainSampler(reference, family, sizes, **law)
        _assert_same(groups, _plain_groups(sampler, plain_below, key, 30))
        assert (groups.key, groups.sizes) == (GroupType(family, sizes).name, sizes)
        assert groups.members.dtype == np.int64
        if name in ("similar", "opposing") and linkage != Linkage.any and sum(sizes) > 2:
            assert groups.accounting.restarts.sum() > 0

    @every_linkage
    @every_key
    def test_without_max_draws_those_who_qualify_are_listed_and_drawn_from(
        self, name, sizes, linkage, unit_rows, similarity_matrix, plain_below
    ):
        vectors = unit_rows(np.random.default_rng(1).normal(size=(60, 24)))
        reference = similarity_matrix(vectors)
        similar, divergent = np.quantile(reference[np.triu_indices(60, 1)], [0.7, 0.3])
        if name == "alike":
            similar, divergent = divergent, similar
        family = _family(name, sizes, linkage)
        law = {"similar": similar, "divergent": divergent, "max_draws": None}

        groups = draw_groups(vectors, family, sizes, seed=5, n_groups=6, threads=2, **law)

        key = stream_key(5, "groups", GroupType(family, sizes).name)
        sampler = PlainSampler(reference, family, sizes, **law)
        _assert_same(groups, _plain_groups(sampler, plain_below, key, 6))
        if name == "opposing" and linkage == Linkage.all and sum(sizes) > 3:
            assert sampler.lists > 0
            assert groups.accounting.restarts.sum() > 0

    @every_linkage
    @every_key
    def test_borderline_decisions_are_those_of_the_reference_values(
        self, name, sizes, linkage, unit_rows, similarity_matrix, plain_below
    ):
        vectors = _equiangular_users(unit_rows)
        reference = similarity_matrix(vectors)
        threshold = float(np.median(_between_clusters(reference)))
        family = _family(name, sizes, linkage)
        law = {"similar": threshold, "divergent": threshold, "max_draws": 40}

        groups = draw_groups(vectors, family, sizes, seed=2, n_groups=40, **law)

        key = stream_key(2, "groups", GroupType(family, sizes).name)
        sampler = PlainSampler(reference, family, sizes, **law)
        _assert_same(groups, _plain_groups(sampler, plain_below, key, 40))

    def test_float32_scores_alone_would_decide_the_borderline_otherwise(
        self, unit_rows, similarity_matrix, plain_below
    ):
        vectors = _equiangular_users(unit_rows)
        reference = similarity_matrix(vectors)
        between = _between_clusters(reference)
        threshold = float(np.median(between))
        fast = np.array([[fast_dot(vectors, u, vectors, v) for v in range(120)] for u in range(120)])
        fast = 0.5 + 0.5 * fast.astype(np.float64)
        disagree = (_between_clusters(fast) >= threshold) != (between >= threshold)
        family = _family("similar", (3,))
        law = {"similar": threshold, "divergent": threshold, "max_draws": 40}

        groups = draw_groups(vectors, family, (3,), seed=2, n_groups=40, **law)

        assert (np.abs(between - threshold) < 1e-8).mean() > 0.5
        assert disagree.mean() > 0.05
        key = stream_key(2, "groups", "similar_3")
        by_fast = _plain_groups(PlainSampler(fast, family, (3,), **law), plain_below, key, 40)
        assert (groups.members != by_fast[0]).any()

    @every_linkage
    @pytest.mark.parametrize(("name", "sizes"), [("similar", (3,)), ("opposing", (2, 1)), ("ring", (2, 1))])
    @pytest.mark.parametrize("measure", ["history_cosine", "pearson", "jaccard"])
    @pytest.mark.parametrize("max_draws", [25, None])
    def test_groups_by_histories_equal_the_plain_loop(
        self, name, sizes, measure, max_draws, linkage, plain_below
    ):
        rng = np.random.default_rng(9)
        dense = (rng.random((40, 18)) < rng.uniform(0.1, 0.8, (40, 1))).astype(np.float32)
        dense[:, 0], dense[:, 1] = 1, 0
        histories = binary_histories(csr_array(dense), measure)
        us, vs = (grid.ravel() for grid in np.mgrid[:40, :40])
        reference = reference_similarities(histories, us, vs).reshape(40, 40)
        divergent, similar = np.quantile(reference[np.triu_indices(40, 1)], [0.4, 0.6])
        family = _family(name, sizes, linkage)
        law = {"similar": similar, "divergent": divergent, "band": (divergent, similar)}
        law["max_draws"] = max_draws

        groups = draw_groups(histories, family, sizes, seed=5, n_groups=30, threads=2, **law)

        key = stream_key(5, "groups", GroupType(family, sizes).name)
        sampler = PlainSampler(reference, family, sizes, **law)
        _assert_same(groups, _plain_groups(sampler, plain_below, key, 30))
        quality = measure_quality(
            histories, groups.members, sizes, within=family.within, across=family.across,
            similar=similar, divergent=divergent, band=law["band"],
        )  # fmt: skip
        assert quality.wrong_pairs.sum() == 0 or linkage != Linkage.all

    @every_linkage
    @pytest.mark.parametrize(("name", "sizes"), [("band", (3,)), ("band", (2, 2)), ("ring", (3, 1))])
    @pytest.mark.parametrize("max_draws", [30, None])
    def test_members_of_a_band_equal_the_plain_loop(
        self, name, sizes, max_draws, linkage, unit_rows, similarity_matrix, plain_below
    ):
        vectors = unit_rows(np.random.default_rng(1).normal(size=(40, 5)))
        reference = similarity_matrix(vectors)
        low, high, similar = np.quantile(reference[np.triu_indices(40, 1)], [0.4, 0.65, 0.6])
        family = _family(name, sizes, linkage)
        law = {"similar": similar, "divergent": 0.1, "band": (low, high), "max_draws": max_draws}

        groups = draw_groups(vectors, family, sizes, seed=5, n_groups=30, threads=2, **law)

        key = stream_key(5, "groups", GroupType(family, sizes).name)
        sampler = PlainSampler(reference, family, sizes, **law)
        _assert_same(groups, _plain_groups(sampler, plain_below, key, 30))

    @every_linkage
    def test_borderline_decisions_at_both_ends_of_a_band_are_those_of_the_reference_values(
        self, linkage, unit_rows, similarity_matrix, plain_below
    ):
        vectors = _equiangular_users(unit_rows)
        reference = similarity_matrix(vectors)
        band = tuple(np.quantile(_between_clusters(reference), [0.3, 0.7]))
        law = {"similar": 1.0, "divergent": 0.0, "band": band, "max_draws": 40}
        family = _family("band", (3,), linkage)

        groups = draw_groups(vectors, family, (3,), seed=2, n_groups=40, **law)

        assert band[1] - band[0] < 1e-7
        key = stream_key(2, "groups", "band_3")
        sampler = PlainSampler(reference, family, (3,), **law)
        _assert_same(groups, _plain_groups(sampler, plain_below, key, 40))

    def test_a_pair_exactly_at_a_threshold_is_both_similar_and_divergent(self):
        vectors = np.array([[1, 0], [0, 1]], np.float32)

        for name in ("similar", "divergent"):
            groups = draw_groups(vectors, _family(name, (2,)), (2,), similar=0.5, divergent=0.5, seed=0)
            assert groups.accounting.restarts.sum() == 0
            assert groups.accounting.draws.sum() == 75

    @pytest.mark.parametrize("max_draws", [2, 3, 7, 1000])
    def test_an_attempt_may_complete_with_its_last_draw_and_not_later(
        self, max_draws, unit_rows, similarity_matrix, plain_below
    ):
        vectors = unit_rows(np.random.default_rng(3).normal(size=(25, 4)))
        reference = similarity_matrix(vectors)
        family = _family("similar", (3,))
        law = {"similar": 0.6, "divergent": 0.4, "max_draws": max_draws}

        groups = draw_groups(vectors, family, (3,), seed=1, **law)

        key = stream_key(1, "groups", "similar_3")
        _assert_same(
            groups, _plain_groups(PlainSampler(reference, family, (3,), **law), plain_below, key, 75)
        )
        last = groups.accounting.draws - groups.accounting.restarts * max_draws
        assert last.max() <= max_draws
        if max_draws <= 7:
            assert last.max() == max_draws

    def test_a_group_of_everybody_is_drawn(self, unit_rows):
        vectors = unit_rows(np.random.default_rng(4).normal(size=(5, 4)))

        groups = draw_groups(vectors, _family("random", (5,)), (5,), similar=1.0, divergent=0.0, seed=0)

        np.testing.assert_array_equal(np.sort(groups.members, axis=1), np.tile(np.arange(5), (75, 1)))
        assert (groups.accounting.draws == 4).all()
        assert groups.accounting.acceptance_rate == 1.0


def _law_of_whole_groups(sampler):
    """Probability of each ordered group given that the attempt completes, and of completing at all.

    By recursion over the process: members so far, turn, draws left.
    """
    n_users, sizes = len(sampler.similarities), sampler.sizes
    n = len(sizes)

    @cache
    def outcomes(subgroups, turn, left):
        if all(len(part) == size for part, size in zip(subgroups, sizes, strict=True)):
            return {sum(subgroups, ()): 1.0}
        if left == 0:
            return {}
        while len(subgroups[turn]) == sizes[turn]:
            turn = (turn + 1) % n
        taken = sum(subgroups, ())
        rest = [user for user in range(n_users) if user not in taken]
        law = Counter()
        for user in rest:
            after = subgroups
            if sampler.joins(user, subgroups, turn):
                after = (*subgroups[:turn], (*subgroups[turn], user), *subgroups[turn + 1 :])
            for group, probability in outcomes(after, (turn + 1) % n, left - 1).items():
                law[group] += probability / len(rest)
        return dict(law)

    law = Counter()
    for user in range(n_users):
        start = ((user,), *(() for _ in sizes[1:]))
        for group, probability in outcomes(start, 1 % n, sampler.max_draws).items():
            law[group] += probability / n_users
    completes = sum(law.values())
    return {group: probability / completes for group, probability in law.items()}, completes


def _chi_square(observed, expected):
    """P-value of counts against expected counts, those expected less than five times pooled."""
    order = np.argsort(expected)
    observed, expected = np.asarray(observed)[order], np.asarray(expected)[order]
    pooled = int(np.searchsorted(np.cumsum(expected), 5.0)) + 1 if expected[0] < 5 else 1
    pooled = max(pooled, int((expected < 5).sum()))
    observed = np.append(observed[:pooled].sum(), observed[pooled:])
    expected = np.append(expected[:pooled].sum(), expected[pooled:])
    return chisquare(observed, expected * observed.sum() / expected.sum()).pvalue


class TestGivenMembers:
    @every_linkage
    @pytest.mark.parametrize("sizes", [(2, 1), (3, 2), (2, 1, 1)], ids=str)
    @pytest.mark.parametrize("max_draws", [15, None])
    def test_the_others_are_drawn_as_by_the_plain_loop(
        self, sizes, max_draws, linkage, unit_rows, similarity_matrix, plain_below
    ):
        vectors = unit_rows(np.random.default_rng(1).normal(size=(40, 5)))
        reference = similarity_matrix(vectors)
        law = {"similar": 0.6, "divergent": 0.6, "max_draws": max_draws}
        partner = draw_groups(vectors, _family("similar", (4,)), (4,), seed=5, n_groups=20, **law).members
        family = _family("opposing", sizes, linkage)
        given = partner[:, : sizes[0]]

        groups = draw_groups(vectors, family, sizes, seed=5, n_groups=20, given=given, threads=2, **law)

        np.testing.assert_array_equal(groups.members[:, : sizes[0]], given)
        key, sampler = (
            int(stream_key(5, "groups", GroupType(family, sizes).name)),
            PlainSampler(reference, family, sizes, **law),
        )
        plain = []
        for g, members in enumerate(given.tolist()):
            numbers = itertools.count()
            choose = lambda users, g=g, t=numbers: users[plain_below(len(users), next(t), g, key)]  # noqa: E731
            plain.append(sampler.group(choose, members))
        _assert_same(groups, [np.array(column) for column in zip(*plain, strict=True)])

    def test_a_majority_that_nobody_can_join_is_explained(self, unit_rows):
        vectors = unit_rows(np.random.default_rng(1).normal(size=(40, 5)))
        given = np.array([[0, 1], [2, 3]])
        with pytest.raises(InputError, match=r"opposing_2_1: .*had 2 of 3 members; of 40 users 0 qualify"):
            draw_groups(
                vectors, _family("opposing", (2, 1)), (2, 1), similar=0.6, divergent=0.0, seed=1,
                n_groups=2, given=given, max_restarts=2,
            )  # fmt: skip


class TestLaw:
    """Whole ordered groups, one observation a group, against probabilities enumerated exactly."""

    N_GROUPS = 20_000

    @pytest.mark.parametrize(
        ("name", "sizes", "n_users", "max_draws", "linkage"),
        [
            ("similar", (3,), 7, 4, Linkage.mean),
            ("similar", (3,), 7, 1000, Linkage.mean),
            ("divergent", (3,), 7, 5, Linkage.all),
            ("opposing", (2, 1), 7, 4, Linkage.mean),
            ("opposing", (2, 2), 7, 5, Linkage.mean),
            ("opposing", (3, 1), 7, 8, Linkage.any),
            ("opposing", (2, 1, 1), 7, 6, Linkage.mean),
            ("random", (3,), 5, 2, Linkage.mean),
            ("similar", (3,), 7, None, Linkage.mean),
            ("opposing", (2, 2), 7, None, Linkage.all),
        ],
        ids=lambda x: str(x).replace(" ", ""),
    )
    def test_whole_groups_follow_the_enumerated_law(
        self, name, sizes, n_users, max_draws, linkage, unit_rows, similarity_matrix
    ):
        vectors = unit_rows(np.random.default_rng(5).normal(size=(n_users, 3)))
        reference = similarity_matrix(vectors)
        similar, divergent = np.quantile(reference[np.triu_indices(n_users, 1)], [0.55, 0.45])
        family = _family(name, sizes, linkage)
        sampler = PlainSampler(reference, family, sizes, similar, divergent, min(max_draws or 300, 300))
        law, completes = _law_of_whole_groups(sampler)

        groups = draw_groups(
            vectors, family, sizes, similar=similar, divergent=divergent, seed=11,
            n_groups=self.N_GROUPS, max_draws=max_draws, threads=2,
        )  # fmt: skip

        counts = Counter(map(tuple, groups.members.tolist()))
        assert len(law) >= 10
        assert set(counts) <= set(law)
        observed = [counts[group] for group in law]
        assert _chi_square(observed, [self.N_GROUPS * p for p in law.values()]) > 1e-4
        # Attempts are independent: dropped ones are geometric.
        restarts = np.bincount(groups.accounting.restarts)
        dropped = np.arange(len(restarts) + 1)
        geometric = self.N_GROUPS * completes * (1 - completes) ** dropped
        geometric[-1] = self.N_GROUPS * (1 - completes) ** dropped[-1]
        if completes < 0.999:
            assert _chi_square(np.append(restarts, 0), geometric) > 1e-4

    @pytest.mark.parametrize(
        ("name", "sizes"), [("similar", (3,)), ("opposing", (2, 1)), ("opposing", (3, 2))]
    )
    def test_each_position_is_filled_as_by_a_plain_loop_with_pythons_random(
        self, name, sizes, unit_rows, similarity_matrix
    ):
        vectors = unit_rows(np.random.default_rng(6).normal(size=(12, 4)))
        reference = similarity_matrix(vectors)
        similar, divergent = np.quantile(reference[np.triu_indices(12, 1)], [0.7, 0.3])
        family = _family(name, sizes)
        law = {"similar": similar, "divergent": divergent, "max_draws": 60}
        sampler = PlainSampler(reference, family, sizes, **law)
        choose = random.Random(12).choice
        n_groups = 4000

        groups = draw_groups(vectors, family, sizes, seed=13, n_groups=n_groups, **law)

        plain = np.array([sampler.group(choose)[0] for _ in range(n_groups)])
        for position in range(sum(sizes)):
            table = np.stack([np.bincount(g[:, position], minlength=12) for g in (groups.members, plain)])
            table = table[:, table.sum(axis=0) >= 10]
            assert chi2_contingency(table).pvalue > 1e-4


@pytest.fixture(scope="module")
def many_users(unit_rows):
    return unit_rows(np.random.default_rng(7).normal(size=(300, 16)))


LOOSE = {"similar": 0.58, "divergent": 0.42}


class TestInvariance:
    @pytest.mark.parametrize(
        ("name", "sizes"), [("similar", (5,)), ("opposing", (3, 2)), ("opposing", (2, 2, 2))]
    )
    @every_linkage
    def test_threads_change_no_byte(self, name, sizes, linkage, many_users):
        family = _family(name, sizes, linkage, n_groups=150)

        one, two, three = (
            draw_groups(many_users, family, sizes, seed=1, threads=threads, max_draws=200, **LOOSE)
            for threads in (1, 2, 3)
        )

        for other in (two, three):
            assert one.members.tobytes() == other.members.tobytes()
            for column in ("draws", "accepted", "restarts"):
                np.testing.assert_array_equal(
                    getattr(one.accounting, column), getattr(other.accounting, column)
                )

    @pytest.mark.parametrize(("name", "sizes"), [("similar", (3,)), ("opposing", (3, 2))])
    def test_asking_for_more_groups_changes_no_earlier_one(self, name, sizes, many_users):
        family = _family(name, sizes)

        few, many = (
            draw_groups(many_users, family, sizes, seed=1, n_groups=n, **LOOSE) for n in (None, 1000)
        )

        assert few.members.shape == (75, sum(sizes))
        assert many.members.shape == (1000, sum(sizes))
        np.testing.assert_array_equal(few.members, many.members[:75])
        np.testing.assert_array_equal(few.accounting.draws, many.accounting.draws[:75])

    def test_repeating_a_call_repeats_the_groups(self, many_users):
        family = _family("similar", (3,))

        first, second = (draw_groups(many_users, family, (3,), seed=1, **LOOSE) for _ in range(2))

        np.testing.assert_array_equal(first.members, second.members)

    def test_seed_stream_and_key_each_give_other_groups(self, many_users):
        def members(seed=1, name="similar", sizes=(3,), **options):
            return draw_groups(
                many_users, _family(name, sizes), sizes, seed=seed, **(LOOSE | options)
            ).members

        base = members()
        renamed = Family("other", ((3,),), Rule.similar, Rule.any, Linkage.mean, 75)
        others = [
            members(seed=2),
            members(stream="baseline"),
            members(sizes=(4,))[:, :3],
            draw_groups(many_users, renamed, (3,), seed=1, **LOOSE).members,
        ]

        for other in others:
            # Two unrelated lists have the same first member in one group of 300.
            assert (base[:, 0] == other[:, 0]).sum() <= 5

    def test_what_happens_to_one_group_leaves_the_others_alone(self, many_users):
        # A lower limit of draws makes some groups start over, and only those.
        family = _family("similar", (5,))

        free = draw_groups(many_users, family, (5,), seed=1, max_draws=1000, **LOOSE)
        limited = draw_groups(many_users, family, (5,), seed=1, max_draws=15, **LOOSE)

        within_limit = free.accounting.draws <= 15
        assert 10 < within_limit.sum() < 65
        np.testing.assert_array_equal(within_limit, limited.accounting.restarts == 0)
        np.testing.assert_array_equal(free.members[within_limit], limited.members[within_limit])
        assert (free.members[~within_limit] != limited.members[~within_limit]).any(axis=1).all()


class TestRules:
    """Every group can have come about by its rule: some order of joining satisfies every step."""

    TOLERANCE = 2e-6

    def _can_have_joined(self, sampler, members, sizes):
        parts = np.split(np.array(members), np.cumsum(sizes)[:-1])

        @cache
        def possible(counts):
            if counts == sizes:
                return True
            have = [part[:count].tolist() for part, count in zip(parts, counts, strict=True)]
            return any(
                counts[s] < sizes[s]
                and sampler.joins(int(parts[s][counts[s]]), have, s)
                and possible((*counts[:s], counts[s] + 1, *counts[s + 1 :]))
                for s in range(len(sizes))
            )

        return possible((1, *(0 for _ in sizes[1:])))

    @every_linkage
    @every_key
    def test_every_drawn_group_joins_step_by_step(self, name, sizes, linkage, many_users, similarity_matrix):
        similar, divergent = 0.57, 0.43
        family = _family(name, sizes, linkage)

        groups = draw_groups(
            many_users, family, sizes, similar=similar, divergent=divergent, seed=3, n_groups=60
        )

        sampler = PlainSampler(
            similarity_matrix(many_users),
            family,
            sizes,
            similar - self.TOLERANCE,
            divergent + self.TOLERANCE,
            1,
        )
        assert all(self._can_have_joined(sampler, g, sizes) for g in groups.members.tolist())
        assert all(len(set(g)) == sum(sizes) for g in groups.members.tolist())
        assert groups.members.min() >= 0
        assert groups.members.max() < 300
        if name != "random":
            # The check refuses groups of any users.
            strangers = np.random.default_rng(8).permuted(np.tile(np.arange(300), (60, 1)), axis=1)
            assert not all(self._can_have_joined(sampler, g[: sum(sizes)], sizes) for g in strangers.tolist())

    @pytest.mark.parametrize(
        ("name", "sizes"), [("similar", (4,)), ("opposing", (2, 2)), ("opposing", (2, 2, 2))]
    )
    def test_under_all_linkage_no_pair_is_wrong(self, name, sizes, many_users, similarity_matrix):
        reference = similarity_matrix(many_users)
        groups = draw_groups(
            many_users, _family(name, sizes, Linkage.all), sizes, similar=0.57, divergent=0.43, seed=4
        )

        subgroup = groups.subgroup_of_position
        for a, b in itertools.combinations(range(sum(sizes)), 2):
            values = reference[groups.members[:, a], groups.members[:, b]]
            assert (values >= 0.57).all() if subgroup[a] == subgroup[b] else (values <= 0.43).all()

    def test_counts_of_candidates_add_up(self, many_users):
        groups = draw_groups(
            many_users, _family("similar", (5,)), (5,), similar=0.6, divergent=0.4, seed=5, max_draws=50
        )

        a = groups.accounting
        assert a.restarts.sum() > 0
        assert (a.draws > 50 * a.restarts).all()
        assert (a.draws <= 50 * (a.restarts + 1)).all()
        assert (a.accepted >= 4).all()
        assert (a.accepted <= 4 + 3 * a.restarts).all()
        assert (a.accepted[a.restarts == 0] == 4).all()
        assert a.acceptance_rate == a.accepted.sum() / a.draws.sum()


class TestCannotBeFilled:
    @pytest.mark.parametrize("n_users", [0, 1, 2])
    def test_fewer_users_than_members_is_an_error_with_both_numbers(self, n_users):
        vectors = np.ones((n_users, 1), np.float32)

        with pytest.raises(InputError, match=f"similar_3: expected at least 3 users.*got {n_users}"):
            draw_groups(vectors, _family("similar", (3,)), (3,), similar=0.9, divergent=0.1, seed=0)

    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize(
        ("name", "sizes", "needed"),
        [
            ("similar", (3,), r"by similar [\d.]+ \(it is 0\.999990\)"),
            ("divergent", (3,), r"by divergent [\d.]+ \(it is 0\.000010\)"),
            ("opposing", (2, 1), r"by (similar|divergent) [\d.]+ \(it is"),
        ],
    )
    def test_the_error_names_key_step_users_and_threshold(self, name, sizes, needed, threads, unit_rows):
        vectors = unit_rows(np.random.default_rng(9).normal(size=(50, 6)))
        family = _family(name, sizes)

        with pytest.raises(InputError) as caught:
            draw_groups(
                vectors, family, sizes, similar=0.99999, divergent=0.00001, seed=0,
                max_draws=20, max_restarts=3, threads=threads,
            )  # fmt: skip

        message = str(caught.value)
        assert message.startswith(f"{GroupType(family, sizes).name}: ")
        assert "1 of 3 members" in message
        assert "of 50 users 0 qualify" in message
        assert re.search(needed, message)

    def test_bounded_restarts_end_a_family_that_no_user_can_fill(self, many_users):
        with pytest.raises(InputError, match="10,001 attempts of 1,000 draws"):
            draw_groups(
                many_users, _family("similar", (3,)), (3,), similar=1.0, divergent=0.0, seed=0, n_groups=1
            )

    def test_a_group_may_use_all_its_restarts_and_no_more(self, many_users):
        family = _family("similar", (5,))
        law = {"similar": 0.6, "divergent": 0.4, "seed": 6, "max_draws": 12}
        most = int(draw_groups(many_users, family, (5,), **law).accounting.restarts.max())
        assert most > 3

        enough = draw_groups(many_users, family, (5,), max_restarts=most, **law)

        assert enough.accounting.restarts.max() == most
        with pytest.raises(InputError, match=f"{most:,} attempts"):
            draw_groups(many_users, family, (5,), max_restarts=most - 1, **law)

    def test_the_error_is_readable_where_single_attempts_do_complete(self, many_users):
        # One attempt in three completes, so some of 75 groups do not in their only one.
        with pytest.raises(InputError, match="similar_3: "):
            draw_groups(
                many_users, _family("similar", (3,)), (3,), similar=0.5, divergent=0.4, seed=0,
                max_draws=3, max_restarts=0,
            )  # fmt: skip

    @pytest.mark.usefixtures("interruptible")
    @pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals of single threads")
    @pytest.mark.parametrize("threads", [1, 2])
    def test_an_interrupt_ends_the_compiled_loop_at_once(self, threads, many_users):
        main = threading.main_thread()
        if threading.current_thread() is not main:
            pytest.skip("only the main thread is interrupted")
        family = _family("similar", (3,))
        draw_groups(many_users, family, (3,), similar=0.5, divergent=0.4, seed=0)
        timer = threading.Timer(0.3, signal.pthread_kill, (main.ident, signal.SIGINT))

        # Without the interrupt: 30 billion draws, some twenty minutes.
        timer.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                draw_groups(
                    many_users, family, (3,), similar=1.0, divergent=0.0, seed=0,
                    n_groups=2, max_restarts=15_000_000, threads=threads,
                )  # fmt: skip
        finally:
            timer.cancel()
