"""How many groups there can be, and when it is known that no more will be found."""

from itertools import combinations
from math import inf

import numpy as np
import pytest
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.groups import room
from elsa_groups.groups.candidates import Lookup
from elsa_groups.groups.family import Family, GroupType, Linkage, Rule
from elsa_groups.groups.room import Exhaustion, check_room, find_room

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


def test_exhaustion_is_an_error_that_says_how_many_there_are(unit_rows):
    with pytest.raises(InputError) as error:
        draw_kept_groups(vectors(unit_rows), OPPOSING, (2, 1), filters=filters_of(no_duplicates=True), **LAW)
    text = str(error.value)
    drawn = int(text.split(" were kept of ")[1].split(" drawn")[0].replace(",", ""))
    # The budget is 1,500,000.
    assert drawn <= 1 << 17
    assert "so that the rest is not to be expected" in text
    advised = int(text.split("Ask for ")[1].split(" groups of it")[0].replace(",", ""))
    family = Family("opposing", ((2, 1),), Rule.similar, Rule.divergent, Linkage.mean, advised)
    groups = draw_kept_groups(
        vectors(unit_rows), family, (2, 1), filters=filters_of(no_duplicates=True), **LAW
    )
    assert len(groups.members) == advised > 0


def test_with_allow_partial_exhaustion_leaves_what_there_is_and_the_reason(unit_rows, monkeypatch):
    monkeypatch.setattr(room, "LONG", 1 << 12)
    groups = draw_kept_groups(
        vectors(unit_rows), OPPOSING, (2, 1), filters=filters_of(no_duplicates=True),
        allow_partial=True, **LAW,
    )  # fmt: skip
    assert groups.accounting.candidates < 1_500_000
    assert groups.accounting.shortfall == 15_000 - len(groups.members)
    assert "more are not to be expected" in groups.accounting.reason
