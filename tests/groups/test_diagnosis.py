import re

import numpy as np
import pytest

from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.similarity.limits import Limits

from ..one_by_one import explain_starvation


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


def _needed(message):
    """Similarities that thresholds would have to be, by name, rounded to six decimals."""
    found = re.findall(r"([a-z.]+) (-?[\d.]+) \(it is", message)
    return {name: float(similarity) for name, similarity in found}


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
        assert message.endswith("They are rare.")
        assert _needed(message) == {}


class TestNearest:
    def test_names_the_similarity_of_the_nearest_user(self):
        # The nearest to 200 degrees is 75 away.
        vectors = _at_angles(0, 60, 125, 200, 290)

        message = explain_starvation(
            vectors, _family("similar", "any", (2,)), (2,), _attempt(3, -1), similar=0.9, divergent=0.1
        )

        ((name, similarity),) = _needed(message).items()
        assert name == "similar"
        assert similarity == pytest.approx((1 + np.cos(np.radians(75))) / 2, abs=1e-6)
        assert "(it is 0.900000)" in message

    def test_a_divergent_family_is_told_the_divergent_threshold(self):
        vectors = _at_angles(0, 60, 120, 90, 30)

        message = explain_starvation(
            vectors, _family("divergent", "any", (2,)), (2,), _attempt(0, -1), similar=0.9, divergent=0.1
        )

        assert _needed(message) == {"divergent": 0.25}

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

        needed = _needed(message)
        assert needed["similar"] == pytest.approx((1 + np.cos(np.radians(30))) / 2, abs=1e-4)
        assert needed["divergent"] == pytest.approx((1 + np.cos(np.radians(130))) / 2, abs=1e-4)

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
        assert _needed(message) == {f"band.{end}": pytest.approx(value, abs=2e-6)}

    def test_by_linkage_any_the_nearest_member_is_what_misses_the_band(self):
        # 50 degrees from the user are too near, 100 too far; 10 beyond the one end, 5 short of the other.
        vectors = _at_angles(0, 150, 50)
        near, far = (1 + np.cos(np.radians([60, 95]))) / 2

        message = explain_starvation(
            vectors, _family("band", "any", (3,), Linkage.any), (3,), _attempt(0, 1, -1),
            similar=0.9, divergent=0.1, band=(far, near),
        )  # fmt: skip

        assert _needed(message) == {"band.low": pytest.approx((1 + np.cos(np.radians(100))) / 2, abs=1e-6)}

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
    def test_thresholds_at_the_nearest_user_let_the_attempt_go_on(
        self, within, across, sizes, members, linkage, unit_rows, similarity_matrix
    ):
        """On several sets of users whose similarities are dense: a value a little off admits nobody."""
        family, stuck = _family(within, across, sizes, Linkage[linkage]), []
        for seed in range(20):
            vectors = unit_rows(np.random.default_rng(seed).normal(size=(120, 4)))
            message = explain_starvation(
                vectors, family, sizes, _attempt(*members), similar=0.99999, divergent=0.00001
            )
            needed = _needed(message)
            assert needed
            followed = Limits(needed.get("similar", 1.0) - 1e-6, needed.get("divergent", 0.0) + 1e-6)
            if not _someone_joins(similarity_matrix(vectors), family, sizes, members, followed):
                stuck.append(message)

        assert not stuck, f"{len(stuck)} of 20 sets of users, as {stuck[0]}"
