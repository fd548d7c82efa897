import dataclasses

import numpy as np
import pytest

from elsa_groups.groups.family import Family, Linkage, Rule, find_partners
from elsa_groups.groups.groups import Accounting, Groups


def _family(**changes):
    fields = {
        "name": "opposing",
        "compositions": ((2, 1), (3, 2)),
        "within": Rule.similar,
        "across": Rule.divergent,
        "linkage": Linkage.mean,
        "n_groups": 75,
    }
    return Family(**(fields | changes))


@pytest.mark.parametrize(
    ("name", "sizes", "key"),
    [
        ("similar", (3,), "similar_3"),
        ("opposing", (2, 1), "opposing_2_1"),
        ("camps", (2, 2, 2), "camps_2_2_2"),
        ("minority", (10, 1), "minority_10_1"),
    ],
)
def test_a_key_is_the_name_and_the_sizes(name, sizes, key):
    assert [kind.name for kind in _family(name=name, compositions=(sizes,)).types] == [key]


def test_rules_and_linkages_are_found_by_the_names_of_the_configuration():
    assert [Rule[name] for name in ("any", "similar", "divergent", "band")] == list(Rule)
    assert [Linkage[name] for name in ("mean", "all", "any")] == list(Linkage)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "3d", "two words"])
def test_a_name_that_makes_no_file_name_is_refused(name):
    with pytest.raises(ValueError, match="letters, digits and underscores"):
        _family(name=name)


def test_no_composition_is_refused():
    with pytest.raises(ValueError, match=r"families\.opposing\.compositions.*at least one"):
        _family(compositions=())


@pytest.mark.parametrize("sizes", [(), (0,), (1,), (3, 0), (-1, 4), (2, -1)])
def test_sizes_that_make_no_group_are_refused_by_name(sizes):
    with pytest.raises(ValueError, match=r"families\.opposing\.compositions.*sizes >= 1") as caught:
        _family(compositions=((2, 1), sizes))
    assert str(list(sizes)) in str(caught.value)


@pytest.mark.parametrize("sizes", [(2,), (1, 1), (1, 1, 1), (3, 1, 1)])
def test_any_sizes_of_two_users_or_more_are_accepted(sizes):
    assert _family(compositions=(sizes,)).compositions == (sizes,)


def test_the_same_composition_twice_is_refused():
    with pytest.raises(ValueError, match=r"families\.opposing\.compositions.*twice"):
        _family(compositions=((2, 1), (3, 2), (2, 1)))


def test_mirrored_compositions_are_two_kinds():
    assert len(_family(compositions=((2, 1), (1, 2))).compositions) == 2


@pytest.mark.parametrize("n_groups", [0, -1])
def test_fewer_than_one_group_is_refused(n_groups):
    with pytest.raises(ValueError, match=rf"families\.opposing\.n_groups.*got {n_groups}"):
        _family(n_groups=n_groups)


def test_a_family_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        _family().n_groups = 3


def test_acceptance_rate_is_pooled_over_the_groups():
    accounting = Accounting(np.array([10, 30]), np.array([5, 3]), np.array([0, 1]))

    assert accounting.acceptance_rate == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("sizes", "expected"), [((3,), [0, 0, 0]), ((2, 1), [0, 0, 1]), ((1, 2, 3), [0, 1, 1, 2, 2, 2])]
)
def test_subgroup_of_position_follows_the_sizes(sizes, expected):
    none = np.zeros(1, np.int64)
    groups = Groups("k", np.zeros((1, sum(sizes)), np.int64), sizes, Accounting(none, none, none))

    np.testing.assert_array_equal(groups.subgroup_of_position, expected)


def _paired(compositions, paired_with, n_groups=10):
    return Family("pair", compositions, Rule.similar, Rule.divergent, Linkage.mean, n_groups, paired_with)


SIMILAR = Family("similar", ((3,), (5,)), Rule.similar, Rule.any, Linkage.mean, 10)
ALIKE = Family("alike", ((5,),), Rule.similar, Rule.any, Linkage.mean, 10)


def test_a_pair_is_found_by_its_key_or_by_a_family_of_one_key():
    assert find_partners([SIMILAR, _paired(((4, 1), (3, 2)), "similar_5")]) == {
        "pair_4_1": "similar_5",
        "pair_3_2": "similar_5",
    }
    assert find_partners([SIMILAR, ALIKE, _paired(((4, 1),), "alike")]) == {"pair_4_1": "alike_5"}
    assert find_partners([SIMILAR, ALIKE]) == {}


@pytest.mark.parametrize(
    ("families", "message"),
    [
        ([SIMILAR, _paired(((4, 1),), "similar_4")], r"of similar_3, similar_5, got similar_4, .*names 0"),
        ([SIMILAR, _paired(((4, 1),), "similar")], "got similar, which names 2"),
        ([_paired(((4, 1),), "alike"), ALIKE], "before it, of none, got alike"),
        (
            [SIMILAR, _paired(((4, 1),), "similar_3")],
            "groups of 4 members or more, got similar_3 with 10",
        ),
        ([ALIKE, _paired(((4, 1),), "alike", 11)], "expected 11 groups of 4 members or more"),
    ],
)
def test_a_pair_that_is_none_is_refused(families, message):
    with pytest.raises(ValueError, match=rf"families\.pair\.paired_with: .*{message}"):
        find_partners(families)


def test_a_paired_family_needs_a_second_subgroup():
    with pytest.raises(ValueError, match=r"families\.pair\.compositions: expected two subgroups"):
        _paired(((4,),), "similar_5")
