import re

import numpy as np
import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.similarity.limits import Target
from elsa_groups.similarity.thresholds import Thresholds

from ..one_by_one import draw_groups, explain_starvation, find_thresholds


def _family(within, across, sizes, linkage=Linkage.mean):
    return Family("kind", (sizes,), Rule[within], Rule[across], linkage, 75)


def _attempt(*members):
    return np.array(members, np.int64)


def _at_angles(*degrees):
    """Users in the plane: a difference of 60 degrees is a similarity of 0.75, of 90 one of 0.5."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def _qualifying(message):
    return int(re.search(r"of [\d,]+ users ([\d,]+) qualify", message)[1].replace(",", ""))


def _advice(message):
    """Advised quantiles, and the similarities they stand for, by name of the threshold."""
    found = re.findall(r"thresholds\.(\w+)\.quantile=([\d.e-]+) or \S+ \(similarity ([\d.]+) where", message)
    return {name: (float(quantile), float(similarity)) for name, quantile, similarity in found}


def _exact(vectors, similar, divergent):
    return find_thresholds(vectors, similar=Target(similar), divergent=Target(divergent), method="exact")


def _someone_joins(similarities, family, sizes, members, thresholds):
    """Whether any user meets every rule of an open subgroup, by the reference similarities."""
    position_subgroup = np.repeat(np.arange(len(sizes)), sizes)
    others = [user for user in range(len(similarities)) if user not in members]
    for turn in {s for s, m in zip(position_subgroup, members, strict=True) if m < 0}:
        welcome = np.ones(len(others), bool)
        for s in range(len(sizes)):
            rule = family.within if s == turn else family.across
            part = [m for m, p in zip(members, position_subgroup, strict=True) if p == s and m >= 0]
            if rule == Rule.any or not part:
                continue
            values = similarities[np.ix_(others, part)]
            if family.linkage == Linkage.mean:
                values = values.mean(axis=1, keepdims=True)
            met = values >= thresholds.similar if rule == Rule.similar else values <= thresholds.divergent
            welcome &= met.any(axis=1) if family.linkage == Linkage.any else met.all(axis=1)
        if welcome.any():
            return True
    return False


class TestStep:
    def test_says_how_many_joined_and_how_many_users_qualify(self):
        # Similar enough to 0 and 10 degrees on average: 20 and 30 degrees; not 90 and 180.
        vectors = _at_angles(0, 10, 20, 30, 90, 180)

        message = explain_starvation(
            vectors, _family("similar", "any", (3,)), (3,), _attempt(0, 1, -1), similar=0.9, divergent=0.1
        )

        assert "2 of 3 members" in message
        assert "of 6 users 2 qualify" in message

    def test_members_themselves_do_not_qualify(self):
        vectors = _at_angles(0, 1, 170)

        message = explain_starvation(
            vectors, _family("similar", "any", (3,)), (3,), _attempt(0, 1, -1), similar=0.9, divergent=0.1
        )

        assert _qualifying(message) == 0

    @pytest.mark.parametrize(
        ("linkage", "qualifying"),
        # Similarities to 0 and 90 degrees: 0.93 and 0.93 at 45, 1.00 and 0.59 at 10, 0.59 and 0.07 at 180+30.
        [(Linkage.mean, 2), (Linkage.all, 1), (Linkage.any, 2)],
    )
    def test_users_qualify_by_the_linkage_of_the_family(self, linkage, qualifying):
        vectors = _at_angles(0, 90, 45, 10, 210)

        message = explain_starvation(
            vectors,
            _family("similar", "any", (3,), linkage),
            (3,),
            _attempt(0, 1, -1),
            similar=0.75,
            divergent=0.1,
        )

        assert _qualifying(message) == qualifying

    def test_across_rules_count_too(self):
        # Joining subgroup 0 takes similarity to 0 degrees and divergence from 180: 5 and 350 degrees.
        vectors = _at_angles(0, 180, 5, 350, 90)

        message = explain_starvation(
            vectors,
            _family("similar", "divergent", (2, 1)),
            (2, 1),
            _attempt(0, -1, 1),
            similar=0.9,
            divergent=0.1,
        )

        assert _qualifying(message) == 2

    def test_a_user_who_qualifies_for_several_subgroups_counts_once(self):
        # Two empty camps would each take the same three users.
        vectors = _at_angles(0, 180, 170, 190)

        message = explain_starvation(
            vectors,
            _family("similar", "divergent", (2, 2, 2)),
            (2, 2, 2),
            _attempt(0, -1, -1, -1, -1, -1),
            similar=0.9,
            divergent=0.1,
        )

        assert _qualifying(message) == 3

    def test_qualifying_but_rare_users_call_for_more_draws(self, unit_rows):
        vectors = unit_rows(np.random.default_rng(0).normal(size=(2000, 32)))
        vectors[:3] = vectors[0]

        message = explain_starvation(
            vectors, _family("similar", "any", (3,)), (3,), _attempt(0, 1, -1), similar=0.999, divergent=0.1
        )

        assert "of 2,000 users 1 qualify" in message
        assert "sampling.max_draws" in message
        assert _advice(message) == {}


class TestAdvice:
    def test_names_the_similarity_of_the_nearest_user_and_its_quantile(self):
        # The nearest to 200 degrees is 75 away; of the ten pairs six are farther apart.
        vectors = _at_angles(0, 60, 125, 200, 290)

        message = explain_starvation(
            vectors, _family("similar", "any", (2,)), (2,), _attempt(3, -1), similar=0.9, divergent=0.1
        )

        ((name, (quantile, similarity)),) = _advice(message).items()
        assert name == "similar"
        assert similarity == pytest.approx((1 + np.cos(np.radians(75))) / 2, abs=1e-4)
        # Of the ten order statistics it is number 6, from 0: the threshold is to lie above number 5.
        assert 5 / 9 < quantile <= 6 / 9
        assert "0.9000 is asked" in message

    def test_a_divergent_family_is_told_the_divergent_quantile(self):
        vectors = _at_angles(0, 60, 120, 90, 30)

        message = explain_starvation(
            vectors, _family("divergent", "any", (2,)), (2,), _attempt(0, -1), similar=0.9, divergent=0.1
        )

        ((name, (_, similarity)),) = _advice(message).items()
        assert (name, similarity) == ("divergent", 0.25)

    def test_both_thresholds_are_named_where_both_fall_short(self):
        # Subgroup 0 waits for somebody near 0 and far from 100 degrees: 330 is nearest.
        vectors = _at_angles(0, 100, 330)

        message = explain_starvation(
            vectors,
            _family("similar", "divergent", (2, 1)),
            (2, 1),
            _attempt(0, -1, 1),
            similar=0.99,
            divergent=0.1,
        )

        advice = _advice(message)
        assert advice["similar"][1] == pytest.approx((1 + np.cos(np.radians(30))) / 2, abs=1e-4)
        assert advice["divergent"][1] == pytest.approx((1 + np.cos(np.radians(130))) / 2, abs=1e-4)

    @pytest.mark.parametrize(
        ("band", "end", "degrees"),
        # Others are at 30, 60 and 130 degrees from the only member.
        [((0.94, 0.99), "low", 30), ((0.1, 0.15), "high", 130), ((0.76, 0.9), "low", 60)],
    )
    @pytest.mark.parametrize("linkage", list(Linkage))
    def test_the_end_of_the_band_that_is_nearer_to_somebody_is_named(self, band, end, degrees, linkage):
        vectors = _at_angles(0, 30, 60, 130)

        message = explain_starvation(
            vectors, _family("band", "any", (2,), linkage), (2,), _attempt(0, -1),
            similar=0.9, divergent=0.1, band=band,
        )  # fmt: skip

        value = (1 + np.cos(np.radians(degrees))) / 2
        advised = re.search(r"thresholds\.band\.(\w+)\.value=([\d.]+)", message)
        assert (advised[1], float(advised[2])) == (end, pytest.approx(value, abs=2e-6))
        assert message.count("value=") == 1

    def test_by_linkage_any_the_nearest_member_is_what_misses_the_band(self):
        # 50 degrees from the user are too near, 100 too far; 10 beyond the one end, 5 short of the other.
        vectors = _at_angles(0, 150, 50)
        near, far = (1 + np.cos(np.radians([60, 95]))) / 2

        message = explain_starvation(
            vectors, _family("band", "any", (3,), Linkage.any), (3,), _attempt(0, 1, -1),
            similar=0.9, divergent=0.1, band=(far, near),
        )  # fmt: skip

        assert f"thresholds.band.low.value={(1 + np.cos(np.radians(100))) / 2:.4f}"[:-1] in message
        assert "band.high" not in message

    @pytest.mark.parametrize(
        ("within", "across", "sizes", "members", "linkage"),
        [
            ("similar", "any", (3,), (0, -1, -1), "mean"),
            ("similar", "any", (3,), (0, 1, -1), "mean"),
            ("similar", "any", (3,), (0, 1, -1), "all"),
            ("similar", "any", (3,), (0, 1, -1), "any"),
            ("divergent", "any", (3,), (0, 1, -1), "mean"),
            ("divergent", "any", (3,), (0, 1, -1), "all"),
            ("similar", "divergent", (2, 1), (0, -1, 1), "mean"),
        ],
    )
    def test_following_the_advised_quantiles_lets_the_attempt_go_on(
        self, within, across, sizes, members, linkage, unit_rows, similarity_matrix
    ):
        self._assert_advice_admits_somebody(
            _family(within, across, sizes, Linkage[linkage]),
            sizes,
            members,
            120,
            20,
            unit_rows,
            similarity_matrix,
        )

    def test_following_the_advised_quantile_helps_among_many_users_too(self, unit_rows, similarity_matrix):
        self._assert_advice_admits_somebody(
            _family("similar", "any", (3,)), (3,), (0, 1, -1), 1600, 8, unit_rows, similarity_matrix
        )

    def _assert_advice_admits_somebody(
        self, family, sizes, members, n_users, n_sets, unit_rows, similarity_matrix
    ):
        """On several sets of users whose similarities are dense: a quantile a little off admits nobody."""
        stuck = []
        for seed in range(n_sets):
            vectors = unit_rows(np.random.default_rng(seed).normal(size=(n_users, 4)))
            message = explain_starvation(
                vectors, family, sizes, _attempt(*members), similar=0.99999, divergent=0.00001
            )
            advised = {name: quantile for name, (quantile, _) in _advice(message).items()}
            assert advised
            followed = _exact(vectors, advised.get("similar", 1.0), advised.get("divergent", 0.0))
            if not _someone_joins(similarity_matrix(vectors), family, sizes, members, followed):
                stuck.append(message)

        assert not stuck, f"{len(stuck)} of {n_sets} sets of users, as {stuck[0]}"

    @pytest.mark.parametrize(
        ("within", "across", "sizes"),
        [("similar", "any", (3,)), ("divergent", "any", (2,)), ("similar", "divergent", (2, 1))],
    )
    def test_following_the_advice_of_each_error_fills_the_family_in_a_few_rounds(self, within, across, sizes):
        # Three clusters of three users: 36 pairs, so that a quantile need not be exact.
        vectors = _at_angles(0, 1, 3, 80, 84, 89, 160, 166, 173)
        family = _family(within, across, sizes)
        quantiles = {"similar": 0.9999, "divergent": 0.0}
        thresholds = Thresholds(0.999999, 0.0, "value", 9, 0)
        # An advice is for one step, so each member after the first may take one.
        for _ in range(sum(sizes) - 1):
            with pytest.raises(InputError) as caught:
                self._draw(vectors, family, sizes, thresholds)
            advised = {name: quantile for name, (quantile, _) in _advice(str(caught.value)).items()}
            assert advised
            quantiles |= advised
            thresholds = _exact(vectors, quantiles["similar"], quantiles["divergent"])
            try:
                groups = self._draw(vectors, family, sizes, thresholds)
            except InputError:
                continue
            break

        assert groups.members.min() >= 0

    def _draw(self, vectors, family, sizes, thresholds):
        return draw_groups(
            vectors,
            family,
            sizes,
            similar=thresholds.similar,
            divergent=thresholds.divergent,
            seed=1,
            max_draws=100,
            max_restarts=30,
        )

    def test_the_advice_never_leaves_the_unit_interval(self):
        vectors = _at_angles(0, 180, 90)

        for within, similar, divergent in [("similar", 1.0, 0.0), ("divergent", 1.0, -1.0)]:
            message = explain_starvation(
                vectors,
                _family(within, "any", (2,)),
                (2,),
                _attempt(0, -1),
                similar=similar,
                divergent=divergent,
            )
            assert all(0.0 <= quantile <= 1.0 for quantile, _ in _advice(message).values())
            assert _advice(message)
