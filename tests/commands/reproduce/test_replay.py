import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elsa_groups.base.philox import stream_key
from elsa_groups.commands.reproduce.replay import TOLERANCE, replay_group
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.groups.sampler import draw_groups

RULES = {
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
    ("divergent", (4,)),
    ("opposing", (2, 1)),
    ("opposing", (3, 2)),
    ("opposing", (4, 1)),
    ("opposing", (2, 2, 2)),
    ("alike", (2, 2)),
    ("strangers", (2, 2)),
    ("random", (2, 3)),
]
BAND_KEYS = [("band", (3,)), ("ring", (2, 1))]
every_key = pytest.mark.parametrize(("name", "sizes"), KEYS, ids=lambda x: str(x).replace(" ", ""))
every_linkage = pytest.mark.parametrize("linkage", list(Linkage), ids=lambda x: x.name)


def _family(name, sizes, linkage=Linkage.mean, n_groups=40):
    return Family(name, (sizes,), *RULES[name], linkage, n_groups)


def _replays(vectors, family, sizes, members, **law):
    return [replay_group(vectors, family, sizes, g, group, **law) for g, group in enumerate(members)]


class PlainWays:
    """Every way in which the draws of a group may go, near decisions either way, in plain Python.

    ``least`` is the least of the largest margins by group that may come out.
    """

    class TooMany(Exception):
        pass

    def __init__(self, similarities, family, sizes, group, below, *, law, tolerance):
        self.similarities = similarities.tolist()
        self.family, self.sizes, self.group, self.law, self.tolerance = family, sizes, group, law, tolerance
        self.key = int(stream_key(law["seed"], "groups", family.key(sizes)))
        self.below = below
        self.least = {}
        self.n_ends = 0
        self.attempt(0, 0, 0.0)

    def number(self, n, draw):
        return self.below(n, draw, self.group, self.key)

    def slack(self, user, subgroups, turn):
        slacks = []
        for s, part in enumerate(subgroups):
            rule = self.family.within if s == turn else self.family.across
            if not part or rule == Rule.any:
                continue
            values = [self.similarities[member][user] for member in part]
            if self.family.linkage == Linkage.mean:
                values = [sum(values) / len(values)]
            low, high = {
                Rule.similar: (self.law["similar"], np.inf),
                Rule.divergent: (-np.inf, self.law["divergent"]),
                Rule.band: self.law.get("band"),
            }[rule]
            each = [min(value - low, high - value) for value in values]
            slacks.append(max(each) if self.family.linkage == Linkage.any else min(each))
        return min(slacks, default=float("inf"))

    def attempt(self, draw, restarts, margin):
        if restarts > self.law["max_restarts"]:
            return
        subgroups = [[] for _ in self.sizes]
        subgroups[0].append(self.number(len(self.similarities), draw))
        self.go_on(subgroups, 1, draw + 1, 0, restarts, margin)

    def go_on(self, subgroups, turn, draw, spent, restarts, margin):
        taken = list(itertools.chain(*subgroups))
        if len(taken) == sum(self.sizes):
            self.n_ends += 1
            if self.n_ends > 5000:
                raise self.TooMany
            self.least[tuple(taken)] = min(margin, self.least.get(tuple(taken), np.inf))
            return
        users = [user for user in range(len(self.similarities)) if user not in taken]
        max_draws = self.law["max_draws"]
        if spent == (len(self.similarities) if max_draws is None else max_draws):
            if max_draws is None:
                self.by_lists(subgroups, users, turn, draw, restarts, margin)
            else:
                self.attempt(draw, restarts + 1, margin)
            return
        turn = self.open_turn(subgroups, turn)
        user = users[self.number(len(users), draw)]
        slack = self.slack(user, subgroups, turn)
        outcomes = [(slack >= 0, margin)]
        if abs(slack) <= self.tolerance:
            outcomes.append((slack < 0, max(margin, abs(slack))))
        for joins, largest in outcomes:
            after = self.joined(subgroups, turn, user) if joins else subgroups
            then = 0 if joins and max_draws is None else spent + 1
            self.go_on(after, turn + 1, draw + 1, then, restarts, largest)

    def by_lists(self, subgroups, users, turn, draw, restarts, margin):
        slacks = {
            (s, user): self.slack(user, subgroups, s)
            for s in range(len(self.sizes))
            if len(subgroups[s]) < self.sizes[s]
            for user in users
        }
        near = [pair for pair, slack in slacks.items() if abs(slack) <= self.tolerance]
        for turned in itertools.product([False, True], repeat=len(near)):
            others = {pair for pair, other in zip(near, turned, strict=True) if other}
            largest = max([margin, *(abs(slacks[pair]) for pair in others)])
            qualify = {pair for pair, slack in slacks.items() if (slack >= 0) != (pair in others)}
            if not qualify:
                self.attempt(draw, restarts + 1, largest)
                continue
            t, at = turn, draw
            while True:
                t = self.open_turn(subgroups, t)
                first = [user for user in users if (t, user) in qualify]
                nth = self.number(len(users), at)
                at += 1
                if nth < len(first):
                    break
                t += 1
            self.go_on(self.joined(subgroups, t, first[nth]), t + 1, at, 0, restarts, largest)

    def open_turn(self, subgroups, turn):
        while len(subgroups[turn % len(self.sizes)]) == self.sizes[turn % len(self.sizes)]:
            turn += 1
        return turn % len(self.sizes)

    @staticmethod
    def joined(subgroups, turn, user):
        return [[*part, user] if s == turn else part for s, part in enumerate(subgroups)]


class TestPresentGroups:
    @every_linkage
    @pytest.mark.parametrize(("name", "sizes"), KEYS + BAND_KEYS, ids=lambda x: str(x).replace(" ", ""))
    @pytest.mark.parametrize("max_draws", [30, None])
    def test_what_the_sampler_draws_is_explained_without_turning_a_decision(
        self, name, sizes, linkage, max_draws, unit_rows, similarity_matrix
    ):
        vectors = unit_rows(np.random.default_rng(1).normal(size=(50, 12)))
        values = similarity_matrix(vectors)[np.triu_indices(50, 1)]
        similar, divergent = np.quantile(values, [0.65, 0.35])
        if name == "alike":
            similar, divergent = divergent, similar
        family = _family(name, sizes, linkage)
        law = {"similar": similar, "divergent": divergent, "seed": 5, "max_draws": max_draws}
        law["band"] = tuple(np.quantile(values, [0.3, 0.8]))

        members = draw_groups(vectors, family, sizes, **law).members
        replays = _replays(vectors, family, sizes, members, tolerance=0.0, **law)

        assert all(r.explained and r.margin == 0.0 and r.turned == 0 and r.complete for r in replays)
        assert all(r.position is None for r in replays)

    def test_streams_are_told_apart(self, unit_rows):
        vectors = unit_rows(np.random.default_rng(1).normal(size=(300, 12)))
        family, law = _family("random", (3,)), {"similar": 0.6, "divergent": 0.4, "seed": 5}

        members = draw_groups(vectors, family, (3,), stream="baseline", **law).members

        assert all(r.explained for r in _replays(vectors, family, (3,), members, stream="baseline", **law))
        assert not any(r.explained for r in _replays(vectors, family, (3,), members, **law))


class TestAgainstEveryWayInPlainPython:
    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        seed=st.integers(0, 2**32),
        n_users=st.integers(6, 9),
        key=st.sampled_from([k for k in KEYS + BAND_KEYS if sum(k[1]) <= 5]),
        linkage=st.sampled_from(Linkage),
        max_draws=st.sampled_from([3, 5, 8, None]),
        max_restarts=st.integers(0, 2),
        tolerance=st.sampled_from([1e-6, 0.01, 0.05]),
        # Between order statistics: a similarity at a threshold could be turned at no margin.
        quantile=st.sampled_from([0.553, 0.847]),
    )
    def test_exactly_the_groups_of_some_way_are_explained_and_by_the_least_margin(
        self, seed, n_users, key, linkage, max_draws, max_restarts, tolerance, quantile,
        unit_rows, similarity_matrix, plain_below,
    ):  # fmt: skip
        rng = np.random.default_rng(seed)
        vectors = unit_rows(rng.normal(size=(n_users, 3)))
        similarities = similarity_matrix(vectors)
        similar, divergent = np.quantile(similarities[np.triu_indices(n_users, 1)], [quantile, 1 - quantile])
        family = _family(key[0], key[1], linkage)
        law = {
            "similar": similar,
            "divergent": divergent,
            "band": (divergent, similar),
            "seed": seed,
            "max_draws": max_draws,
            "max_restarts": max_restarts,
        }
        try:
            ways = PlainWays(similarities, family, key[1], 3, plain_below, law=law, tolerance=tolerance)
        except PlainWays.TooMany:
            return

        for group, margin in ways.least.items():
            replay = replay_group(vectors, family, key[1], 3, group, tolerance=tolerance, **law)
            assert replay.complete
            assert replay.explained
            assert replay.margin == pytest.approx(margin, abs=1e-15)
            assert (replay.turned == 0) == (margin == 0)
        for _ in range(5):
            group = tuple(rng.permutation(n_users)[: sum(key[1])].tolist())
            replay = replay_group(vectors, family, key[1], 3, group, tolerance=tolerance, **law)
            assert replay.explained == (group in ways.least)
            if not replay.explained:
                assert 0 <= replay.position < len(group)
                assert replay.margin is None or replay.margin > tolerance

    @settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(seed=st.integers(0, 2**32), key=st.sampled_from(KEYS[:4]), linkage=st.sampled_from(Linkage))
    def test_without_near_decisions_a_margin_is_that_of_a_way_and_missing_only_where_there_is_none(
        self, seed, key, linkage, unit_rows, similarity_matrix, plain_below
    ):
        vectors = unit_rows(np.random.default_rng(seed).normal(size=(6, 3)))
        similarities = similarity_matrix(vectors)
        family = _family(key[0], key[1], linkage)
        law = {"similar": 0.6, "divergent": 0.4, "seed": seed, "max_draws": 9, "max_restarts": 0}
        ways = PlainWays(similarities, family, key[1], 0, plain_below, law=law, tolerance=2.0)

        for group in itertools.permutations(range(6), sum(key[1])):
            replay = replay_group(vectors, family, key[1], 0, group, **law)
            if replay.margin is None:
                assert group not in ways.least
            else:
                assert replay.margin >= ways.least[group] - 1e-15
                assert replay.explained == (replay.margin <= TOLERANCE)


def _equiangular_users(unit_rows):
    """Six clusters of 20 near-duplicates, all pairs of clusters equally far but for rounding."""
    rng = np.random.default_rng(31)
    basis, _ = np.linalg.qr(rng.normal(size=(48, 7)))
    centres = 0.8 * basis[:, :6].T + 0.6 * basis[:, 6]
    return unit_rows(np.repeat(centres, 20, axis=0) + 1e-8 * rng.normal(size=(120, 48)))


class TestRounding:
    @every_linkage
    @every_key
    def test_groups_of_vectors_rounded_otherwise_are_explained(
        self, name, sizes, linkage, unit_rows, similarity_matrix
    ):
        recorded_with = _equiangular_users(unit_rows)
        signs = np.random.default_rng(2).choice([-1, 1], size=recorded_with.shape).astype(np.float32)
        present = np.nextafter(recorded_with, recorded_with + signs)
        cluster = np.arange(120) // 20
        between = similarity_matrix(recorded_with)[cluster[:, None] != cluster]
        threshold = float(np.median(between))
        family = _family(name, sizes, linkage, n_groups=8)
        law = {"similar": threshold, "divergent": threshold, "seed": 2}

        recorded = draw_groups(recorded_with, family, sizes, **law).members
        regenerated = draw_groups(present, family, sizes, **law).members
        differ = (recorded != regenerated).any(axis=1)
        replays = _replays(present, family, sizes, recorded, **law)

        assert differ.any() or name == "random"
        assert all(r.explained for r in replays)
        assert all((r.turned > 0) == d for r, d in zip(replays, differ, strict=True))
        assert max(r.margin for r in replays) <= TOLERANCE

    @pytest.mark.parametrize("name", ["similar", "divergent"])
    def test_a_threshold_moved_across_a_similarity_turns_just_that_decision(
        self, name, unit_rows, similarity_matrix
    ):
        vectors = unit_rows(np.random.default_rng(3).normal(size=(300, 16)))
        similarities = similarity_matrix(vectors)
        family, law = _family(name, (2,)), {"similar": 0.6, "divergent": 0.4, "seed": 1}
        recorded = draw_groups(vectors, family, (2,), **law).members
        value = similarities[tuple(recorded[7])]
        law[name] = value + 5e-7 if name == "similar" else value - 5e-7

        replay = replay_group(vectors, family, (2,), 7, recorded[7], **law)
        regenerated = draw_groups(vectors, family, (2,), **law).members

        assert (regenerated[7] != recorded[7]).any()
        assert (replay.explained, replay.turned) == (True, 1)
        assert replay.margin == pytest.approx(5e-7, abs=1e-15)

    def test_a_group_that_the_present_sampler_drops_is_explained_by_the_decision_it_lacks(
        self, unit_rows, similarity_matrix
    ):
        vectors = unit_rows(np.random.default_rng(3).normal(size=(100, 8)))
        family = _family("similar", (2,))
        law = {"similar": 0.7, "divergent": 0.4, "seed": 1, "max_draws": 3}
        recorded = draw_groups(vectors, family, (2,), **law)
        group = int(recorded.accounting.draws.argmin())
        value = similarity_matrix(vectors)[tuple(recorded.members[group])]
        assert recorded.accounting.restarts[group] == 0

        for moved, explained in ((value + 9e-7, True), (value + 2e-6, False)):
            present = law | {"similar": moved}
            assert draw_groups(vectors, family, (2,), **present).accounting.restarts[group] > 0
            replay = replay_group(vectors, family, (2,), group, recorded.members[group], **present)
            assert replay.explained == explained
            assert replay.margin == pytest.approx(moved - value, abs=1e-15)
            assert replay.position == (None if explained else 1)


@pytest.fixture(scope="module")
def many_users(unit_rows):
    return unit_rows(np.random.default_rng(7).normal(size=(1000, 16)))


class TestOtherGroups:
    @every_linkage
    @every_key
    def test_a_threshold_moved_by_a_thousandth_is_named_with_its_margin(
        self, name, sizes, linkage, many_users
    ):
        family = _family(name, sizes, linkage)
        law = {"similar": 0.57, "divergent": 0.43, "seed": 3}
        moved = law | {"similar": 0.571, "divergent": 0.429}

        groups = draw_groups(many_users, family, sizes, n_groups=200, **law)
        recorded = groups.members
        regenerated = draw_groups(many_users, family, sizes, n_groups=200, **moved).members
        differ = np.flatnonzero((recorded != regenerated).any(axis=1))
        # Some value may by chance be within the usual tolerance of the moved threshold.
        replays = [
            replay_group(many_users, family, sizes, g, recorded[g], tolerance=1e-9, **moved) for g in differ
        ]

        assert len(differ) or name == "random"
        assert not any(r.explained for r in replays)
        assert all(r.complete for r in replays)
        # Not so where the recording dropped an attempt that is completed now.
        first = [r for g, r in zip(differ, replays, strict=True) if groups.accounting.restarts[g] == 0]
        assert all(1e-9 < r.margin <= 0.001 for r in first)
        assert all(0 < r.position < sum(sizes) for r in first)

    def test_the_margin_is_the_distance_of_the_pair_that_no_longer_joins(self, many_users, similarity_matrix):
        similarities = similarity_matrix(many_users)
        family, law = _family("similar", (2,)), {"similar": 0.6, "divergent": 0.4, "seed": 3}
        recorded = draw_groups(many_users, family, (2,), n_groups=300, **law).members
        law["similar"] += 0.01
        values = similarities[recorded[:, 0], recorded[:, 1]]
        dropped = np.flatnonzero(values < law["similar"])

        for g in dropped:
            replay = replay_group(many_users, family, (2,), g, recorded[g], **law)
            assert (replay.explained, replay.position, replay.turned) == (False, 1, 1)
            assert replay.margin == law["similar"] - values[g]
        assert len(dropped) > 10

    def test_groups_of_another_seed_are_not_explained(self, many_users):
        family = _family("opposing", (3, 2))
        law = {"similar": 0.57, "divergent": 0.43}
        recorded = draw_groups(many_users, family, (3, 2), seed=1, **law).members

        replays = _replays(many_users, family, (3, 2), recorded, seed=2, **law)

        assert not any(r.explained for r in replays)
        assert all(r.margin is None and r.complete for r in replays)
        assert {r.position for r in replays} == {0}

    def test_a_member_never_drawn_is_named_where_the_group_can_be_followed_no_farther(self, many_users):
        family = _family("random", (3,))
        law = {"similar": 0.57, "divergent": 0.43, "seed": 1}
        recorded = draw_groups(many_users, family, (3,), **law).members

        for position in range(3):
            for stranger in (-1, int(np.setdiff1d(np.arange(1000), recorded[0])[0])):
                members = recorded[0].copy()
                members[position] = stranger
                replay = replay_group(many_users, family, (3,), 0, members, **law)
                assert (replay.explained, replay.margin, replay.position) == (False, None, position)

    def test_ties_without_end_are_given_up_and_said_to_be(self, unit_rows):
        # Everybody is equally far from everybody, and the recorded group not to be had.
        vectors = np.eye(40, dtype=np.float32)
        family = _family("similar", (5,))
        law = {"similar": 0.5, "divergent": 0.5, "seed": 1}

        replay = replay_group(vectors, family, (5,), 0, np.array([-1, 0, 1, 2, 3]), **law)

        assert (replay.explained, replay.margin, replay.complete) == (False, None, False)


class TestArguments:
    def test_members_of_another_number_are_refused(self):
        with pytest.raises(ValueError, match=r"recorded: expected 3 members, came shape \(2,\)"):
            replay_group(
                np.eye(4, dtype=np.float32), _family("similar", (3,)), (3,), 0, np.array([0, 1]),
                similar=0.5, divergent=0.5, seed=0,
            )  # fmt: skip

    def test_fewer_users_than_members_are_refused(self):
        with pytest.raises(ValueError, match="users: expected at least 3, came 2"):
            replay_group(
                np.eye(2, dtype=np.float32), _family("similar", (3,)), (3,), 0, np.array([0, 1, 2]),
                similar=0.5, divergent=0.5, seed=0,
            )  # fmt: skip
