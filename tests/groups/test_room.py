"""How many groups there can be, and when it is known that no more will be found."""

from dataclasses import replace
from itertools import combinations
from math import inf

import numpy as np
import pytest
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.groups import possible, rejection, room
from elsa_groups.groups.candidates import Lookup
from elsa_groups.groups.family import Family, GroupType, Linkage, Rule
from elsa_groups.groups.room import Exhaustion, check_room, find_room, find_room_among

from ..one_by_one import draw_kept_groups, filters_of


def kind_of(sizes=(3,), n_groups=5):
    return GroupType(Family("random", (sizes,), Rule.any, Rule.any, Linkage.mean, n_groups), sizes)


@pytest.mark.parametrize("sizes", [(3,), (2, 1)])
def test_there_are_as_many_different_groups_as_sets_of_members(sizes):
    found, why = find_room(filters_of(no_duplicates=True), kind_of(sizes), 50)
    assert found == 19_600
    assert why == "50 users, as filters.no_duplicates leaves room for no more"
    check_room(filters_of(no_duplicates=True), kind_of(sizes, 19_600), 50)
    with pytest.raises(InputError, match=r"at most 19,600 groups of 3 from 50 users, .*got 19,601"):
        check_room(filters_of(no_duplicates=True), kind_of(sizes, 19_601), 50)


@pytest.mark.parametrize("overlap", [0.0, 0.34, 0.67, 1.0])
@pytest.mark.parametrize("n_users", [3, 5, 7])
def test_groups_that_share_few_members_are_never_more_than_the_bound(overlap, n_users):
    bound, _ = find_room(filters_of(max_member_overlap=overlap), kind_of(), n_users)
    kept = []
    for group in combinations(range(n_users), 3):
        if all(len(set(group) & set(other)) / 3 <= overlap for other in kept):
            kept.append(group)
    assert bound == inf if overlap == 1.0 else len(kept) <= bound
    # Seven users have the seven lines of the Fano plane, any two of which share one.
    assert (n_users, overlap) != (7, 0.34) or bound == len(kept) == 7


def test_only_users_who_pass_are_counted():
    histories = csr_array(np.tri(10, 10, dtype=np.float32))
    found, why = find_room(filters_of(min_history=7, disjoint=True), kind_of((2,)), 10, Lookup(histories))
    assert (found, why) == (
        2,
        "the 4 of 10 users with 7 items or more, as filters.disjoint leaves room for no more",
    )
    assert find_room(filters_of(min_history=10), kind_of((2,)), 10, Lookup(histories))[0] == 0
    assert find_room(filters_of(min_history=7), kind_of((2,)), 10, Lookup(histories))[0] == inf


def test_groups_need_as_many_users_as_members():
    with pytest.raises(InputError, match="random_2_1: expected at least 3 users to draw a group from, got 2"):
        check_room(filters_of(no_duplicates=True), kind_of((2, 1)), 2)


LISTED = np.array([[0, 1, 2], [2, 0, 1], [0, 1, 3], [4, 1, 3]])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"no_duplicates": True}, 3),
        ({"distinct_first": True}, 3),
        ({"disjoint": True}, 1),
        ({"max_participation": 2}, 3),
        # Five users have two groups at most of which any two share one.
        ({"max_member_overlap": 0.34}, 3),
        ({"no_duplicates": True, "disjoint": True}, 1),
        ({"max_pair_similarity": 0.5}, inf),
    ],
)
def test_filters_leave_room_for_so_many_of_the_groups_that_can_be_drawn(asked, expected):
    assert find_room_among(filters_of(**asked), LISTED) == expected
    assert find_room_among(filters_of(**asked), LISTED[:0]) == 0


def test_where_there_can_be_fewer_than_wanted_no_more_are_drawn_than_show_most_of_them():
    exhaustion = Exhaustion(10**6, 10_000, any_will_do=False)
    exhaustion.room = 657
    assert not exhaustion.found(2_627, 600)
    assert exhaustion.found(2_628, 640) == "there can be at most 657, counted one by one"
    assert exhaustion.found(2_000, 657)


def test_where_any_will_do_all_that_there_can_be_are_drawn():
    exhaustion = Exhaustion(10**6, 10_000, any_will_do=True)
    exhaustion.room = 657
    assert not exhaustion.found(100_000, 656)
    assert exhaustion.found(100_001, 657)


def test_room_for_more_than_are_wanted_ends_nothing():
    exhaustion = Exhaustion(10**6, 100, any_will_do=False)
    exhaustion.room = 100
    assert not exhaustion.found(5_000, 99)


@pytest.mark.parametrize(("share", "hopeless"), [(1.0, False), (0.8, False), (0.5, True), (0.0, True)])
def test_the_rest_is_hopeless_where_the_last_candidates_brought_far_fewer_than_it_must(share, hopeless):
    # Half of the budget is left for half of the groups.
    exhaustion = Exhaustion(1_000_000, 10_000, any_will_do=False)
    exhaustion.found(450_000, 5_000 - round(500 * share))
    assert bool(exhaustion.found(500_000, 5_000)) is hopeless


def test_where_any_group_will_do_only_a_long_stretch_in_vain_ends():
    exhaustion = Exhaustion(10**9, 1_000, any_will_do=True)
    assert not exhaustion.found(10_000, 2)
    assert not exhaustion.found(200_000, 2)
    # 50 times 5,000 is less than the least that counts as long.
    assert not exhaustion.found(250_000, 2)
    # 1 - 0.05^(1 / 262,144)
    expected = "none of the last 262,144: at most 1.1e-05 of candidates are kept now, with 95% confidence"
    assert expected in exhaustion.found(10_000 + (1 << 18), 2)
    rare = Exhaustion(10**9, 1_000, any_will_do=True)
    rare.found(100_000, 1)
    assert not rare.found(5_000_000, 1)
    assert rare.found(5_100_000, 1)


def test_it_never_ends_before_anything_was_kept_if_any_group_will_do():
    exhaustion = Exhaustion(10**9, 1_000, any_will_do=True)
    assert not exhaustion.found(10**8, 0)


def vectors(unit_rows):
    return unit_rows(np.random.default_rng(0).normal(size=(50, 6)))


OPPOSING = Family("opposing", ((2, 1),), Rule.similar, Rule.divergent, Linkage.mean, 15_000)
LAW = {"similar": 0.7, "divergent": 0.25, "seed": 1}


def error_of(unit_rows, **asked):
    with pytest.raises(InputError) as error:
        draw_kept_groups(vectors(unit_rows), OPPOSING, (2, 1), filters=filters_of(**asked), **LAW)
    return str(error.value)


def drawn_of(text):
    return int(text.split(" were kept of ")[1].split(" drawn")[0].replace(",", ""))


def check_as_many_as_advised(unit_rows, text, **asked):
    advised = int(text.split("Ask for ")[1].split(" groups of it")[0].replace(",", ""))
    family = replace(OPPOSING, n_groups=advised)
    groups = draw_kept_groups(vectors(unit_rows), family, (2, 1), filters=filters_of(**asked), **LAW)
    assert len(groups.members) == advised > 0


@pytest.mark.parametrize(
    ("asked", "at_most", "without"),
    [
        ({"no_duplicates": True}, 873, ["no_duplicates"]),
        ({"max_member_overlap": 0.9}, 873, ["max_member_overlap"]),
    ],
)
def test_where_few_users_have_fewer_groups_than_wanted_these_are_counted(asked, at_most, without, unit_rows):
    text = error_of(unit_rows, **asked)
    assert f"there can be at most {at_most:,}, counted one by one" in text
    assert drawn_of(text) <= 1 << 15
    check_as_many_as_advised(unit_rows, text, **asked)
    named = " ".join(f"filters.{name}.value=null" for name in without)
    assert f"Or set allow_partial=true, which keeps what there is; or {named}, without which" in text
    left = {name: value for name, value in asked.items() if name not in without}
    family = replace(OPPOSING, n_groups=15_000)
    assert len(
        draw_kept_groups(vectors(unit_rows), family, (2, 1), filters=filters_of(**left), **LAW).members
    )
    partial = draw_kept_groups(
        vectors(unit_rows), OPPOSING, (2, 1), filters=filters_of(**asked), allow_partial=True, **LAW
    )
    assert 0 < len(partial.members) <= at_most


def test_filters_that_compare_groups_are_not_blamed_alone_where_others_reject_too(unit_rows):
    asked = {"no_duplicates": True, "min_pair_similarity": 0.1}
    text = error_of(unit_rows, **asked)
    assert "there can be at most 665, counted one by one" in text
    check_as_many_as_advised(unit_rows, text, **asked)
    assert text.endswith(" Or set allow_partial=true, which keeps what there is.")


def test_of_halves_of_the_users_no_groups_are_listed(unit_rows, monkeypatch):
    listed = []

    def list_possible(*asked):
        listed.append(asked)
        return possible.list_possible(*asked)

    monkeypatch.setattr(rejection, "list_possible", list_possible)
    options = {"filters": filters_of(no_duplicates=True), "allow_partial": True, **LAW}
    family = replace(OPPOSING, n_groups=1_500)
    for stream, times in (("groups", 1), ("half 0", 1)):
        groups = draw_kept_groups(vectors(unit_rows), family, (2, 1), stream=stream, **options)
        assert len(listed) == times
        # All that there are, listed or not.
        assert len(groups.members) == 873


def test_nothing_is_drawn_where_filters_leave_no_group_that_there_can_be(unit_rows):
    text = error_of(unit_rows, min_pair_similarity=0.999)
    assert "0 were kept of 0 drawn (there can be none, counted one by one)" in text
    assert "Or set" not in text


def test_all_there_are_is_as_many_as_were_counted(unit_rows):
    groups = draw_kept_groups(
        vectors(unit_rows), OPPOSING, (2, 1), filters=filters_of(no_duplicates=True),
        allow_partial=True, **LAW,
    )  # fmt: skip
    assert len(groups.members) == 873
    assert groups.accounting.candidates < 1 << 16


def test_exhaustion_is_an_error_that_says_how_many_there_are(unit_rows, monkeypatch):
    monkeypatch.setattr(possible, "_MOST_USERS", 0)
    text = error_of(unit_rows, no_duplicates=True)
    # The budget is 1,500,000.
    assert drawn_of(text) <= 1 << 15
    assert "so that the rest is not to be expected" in text
    check_as_many_as_advised(unit_rows, text, no_duplicates=True)


def test_with_allow_partial_exhaustion_leaves_what_there_is_and_the_reason(unit_rows, monkeypatch):
    monkeypatch.setattr(possible, "_MOST_USERS", 0)
    monkeypatch.setattr(room, "LONG", 1 << 12)
    groups = draw_kept_groups(
        vectors(unit_rows), OPPOSING, (2, 1), filters=filters_of(no_duplicates=True),
        allow_partial=True, **LAW,
    )  # fmt: skip
    assert groups.accounting.candidates < 1_500_000
    assert groups.accounting.shortfall == 15_000 - len(groups.members)
    assert "more are not to be expected" in groups.accounting.reason
