"""What a reader is told, and at which numbers it begins."""

import pytest

from elsa_groups.report.cautions import find_cautions

# Of 1,000 users, 100 groups of 3 leave one out with probability 0.997 ** 100.
BY_CHANCE = 1 - 0.997**100
CALM = {
    "key": "similar_3",
    "groups": 100,
    "size": 3,
    "wrong_pair_share": 0.0,
    "user_coverage": BY_CHANCE,
    "participation_max": 3,
    "restarts": 0,
    "duplicates": 0,
    "shortfall": 0,
    "activity_mean": 30.0,
    "activity_difference": 0.0,
}


def cautions(*changes, n_users=1000, divergent=0.4, ruled=("similar_3",), absent=()):
    rows = [CALM | change for change in changes or [{}]]
    asked = {"divergent": divergent, "users_activity": 30.0, "ruled": ruled, "absent": absent}
    found = find_cautions(rows, n_users=n_users, **asked)
    return {caution.title: caution.text for caution in found}


def test_there_is_nothing_to_say_of_calm_groups():
    assert cautions() == {}


def test_missing_groups_are_told_with_how_many_there_are():
    told = cautions({"shortfall": 0}, {"key": "divergent_8", "groups": 12, "shortfall": 63})
    assert told == {
        "There are fewer groups than asked for": "Drawing ended before as many were found in divergent_8"
        " (12 of 75); why is said below the table of group types."
    }


def test_types_without_a_group_are_told():
    short = {"key": "divergent_8", "groups": 12, "shortfall": 63}
    (text,) = cautions(short, absent=["opposing_2_1"]).values()
    assert text.startswith(
        "Drawing ended before as many were found in divergent_8 (12 of 75), opposing_2_1 (none);"
    )
    (text,) = cautions(absent=["opposing_2_1"]).values()
    assert text.startswith("Drawing ended before as many were found in opposing_2_1 (none);")


def test_pairs_that_break_the_rule_are_told_from_the_first():
    told = cautions({"wrong_pair_share": 0.01})
    assert told == {
        "Groups hold pairs that break the rule": "At least one pair of members is on the wrong side of its"
        " threshold in similar_3 (1 of 100 groups, 1.0%). Whoever joins need not meet it with every member,"
        " unless the family's linkage is all."
    }


@pytest.mark.parametrize(
    ("divergent", "title"),
    [
        (0.4499, None),
        (0.45, "Divergent tastes are unrelated, not opposed"),
        (0.5499, "Divergent tastes are unrelated, not opposed"),
        (0.5501, "Divergent tastes are somewhat alike, not opposed"),
        (None, None),
    ],
)
def test_divergent_is_called_what_its_cosine_is(divergent, title):
    assert list(cautions(divergent=divergent)) == ([title] if title else [])


def test_the_cosine_of_divergent_is_said():
    (text,) = cautions(divergent=0.498).values()
    assert "similarity of 0.4980, which is a cosine of −0.004:" in text


def test_coverage_is_low_below_four_fifths_of_what_chance_reaches():
    assert cautions({"user_coverage": 0.8 * BY_CHANCE}) == {}
    told = cautions({"user_coverage": 0.8 * BY_CHANCE - 1e-9})
    assert told == {
        "User coverage is low": "Fewer of the 1,000 users are reached than as many random groups would reach"
        " in similar_3 (20.8% against 26.0%)."
    }


def test_a_user_is_busy_at_more_than_ten_times_the_average():
    # 3,000 groups of 3 among 1,000 users: 9 each on average.
    many = {"groups": 3000, "user_coverage": 1.0}
    assert cautions(many | {"participation_max": 90}) == {}
    told = cautions(many | {"participation_max": 91})
    assert told == {
        "One user is drawn again and again": "A single user takes part far more often than the average user"
        " in similar_3 (91 of 3,000 groups, 3.0%, 10 times the average)."
    }


def test_a_user_of_few_groups_is_not_busy():
    # 0.3 groups each on average.
    assert cautions({"participation_max": 4}) == {}
    assert list(cautions({"participation_max": 5})) == ["One user is drawn again and again"]


def test_abandoned_attempts_are_many_when_they_outnumber_the_groups():
    assert cautions({"restarts": 100}) == {}
    (text,) = cautions({"restarts": 101}).values()
    assert "outnumber the groups in similar_3 (101 abandoned for 100 groups)" in text


def test_duplicates_are_told_from_the_first():
    told = cautions({"duplicates": 1})
    assert told == {
        "Groups are repeated": "Groups have the same members as an earlier one in"
        " similar_3 (1 of 100 groups)."
    }


@pytest.mark.parametrize(("mean", "difference", "sign"), [(32.5, 0.25, "+0.25"), (27.5, -0.25, "−0.25")])
def test_activity_is_another_beyond_a_fifth_of_a_standard_deviation(mean, difference, sign):
    assert cautions({"activity_mean": 32.0, "activity_difference": 0.2}) == {}
    told = cautions({"activity_mean": mean, "activity_difference": difference})
    assert told == {
        "Members are not as active as users are": "A history has 30.0 items on average, among all users as in"
        f" random groups, but not in similar_3 ({mean} items, {sign} sd)."
    }


def test_recommendations_overlap_as_in_random_groups_where_the_interval_holds_their_mean():
    measured = {"mean": 0.07, "low": 0.06, "high": 0.08, "as_active": 0.0599}
    row = {f"recommendation_overlap_at_20_{name}": value for name, value in measured.items()}
    assert cautions(row) == {}
    like = row | {"recommendation_overlap_at_20_as_active": 0.06}
    (text,) = cautions(like).values()
    assert "in similar_3 (0.070, 95% 0.060 to 0.080, random 0.060)" in text
    # Of random groups it is no news, and without an interval nobody knows.
    assert cautions(like, ruled=()) == {}
    assert cautions({name: value for name, value in like.items() if not name.endswith("low")}) == {}


def test_the_worst_types_are_named_and_the_others_counted():
    shares = (0.1, 0.5, 0.2, 0.9, 0.3, 0.0)
    (text,) = cautions(*({"key": f"k_{n}", "wrong_pair_share": s} for n, s in enumerate(shares))).values()
    named = [word for word in text.split() if word.startswith("k_")]
    assert named == ["k_3", "k_1", "k_4", "k_2"]
    assert "20.0%) and 1 more type." in text


def test_cautions_come_in_one_order():
    everything = {
        "wrong_pair_share": 0.5,
        "user_coverage": 0.01,
        "participation_max": 60,
        "restarts": 500,
        "duplicates": 40,
        "activity_difference": -4.0,
        **{f"recommendation_overlap_at_20_{name}": 0.1 for name in ("mean", "low", "high", "as_active")},
    }
    told = find_cautions(
        [CALM | everything], n_users=1000, divergent=0.5, users_activity=9.0, ruled=("similar_3",)
    )
    assert [caution.title.split()[0] for caution in told] == [
        "Groups", "Divergent", "User", "One", "More", "Groups", "Members", "Recommendations",
    ]  # fmt: skip


def test_targets_of_members_that_were_trained_on_are_told_where_something_is_held_out():
    def told(held_out, **changes):
        found = find_cautions(
            [CALM | changes], n_users=1000, divergent=0.4, users_activity=30.0, ruled=(), held_out=held_out
        )
        return [caution.text for caution in found]

    (text,) = told(True, trained_share=0.25)
    assert "trained on the whole histories of some members: similar_3 (25.0%)" in text
    assert told(False, trained_share=0.25) == told(True, trained_share=0.0) == told(True) == []
