"""The groups that are listed as possible are those that the sampler draws, and all of them."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from elsa_groups.groups import possible
from elsa_groups.groups.family import Family, GroupType, Linkage, Rule
from elsa_groups.groups.possible import list_possible
from elsa_groups.similarity.history_users import HistoryUsers
from elsa_groups.similarity.limits import Limits

from ..one_by_one import draw_groups, users_of

BAND = (0.5, 0.65)
LIMITS = Limits(0.6, 0.45, BAND)
RULES = {
    "similar": ("similar", "any", (3,)),
    "divergent": ("divergent", "any", (3,)),
    "band": ("band", "any", (4,)),
    "opposing": ("similar", "divergent", (2, 1)),
    "camps": ("similar", "divergent", (2, 2)),
    "strangers": ("any", "divergent", (1, 1, 2)),
    "random": ("any", "any", (2,)),
}
PEOPLE = {
    "vectors": lambda rng, unit_rows: users_of(unit_rows(rng.normal(size=(9, 4)))),
    "pearson": lambda rng, _: HistoryUsers.of(csr_array((rng.random((9, 24)) < 0.4) * 1.0), "pearson"),
}


def sorted_parts(members, sizes):
    """Groups as they are listed: ascending within subgroups but for the first of all."""
    cuts = np.cumsum(sizes)[:-1]
    rows = set()
    for group in members.tolist():
        parts = np.split(np.array(group), cuts)
        rest = [np.sort(part) for part in (parts[0][1:], *parts[1:])]
        rows.add((group[0], *np.concatenate(rest).tolist()))
    return rows


@pytest.mark.parametrize("linkage", list(Linkage))
@pytest.mark.parametrize("people", PEOPLE)
@pytest.mark.parametrize("rules", RULES)
def test_what_is_listed_is_what_is_drawn(rules, people, linkage, unit_rows):
    users = PEOPLE[people](np.random.default_rng(3), unit_rows)
    within, across, sizes = RULES[rules]
    family = Family(rules, (sizes,), Rule[within], Rule[across], linkage, 8_000)
    listed = list_possible(users_of(users), GroupType(family, sizes), LIMITS)
    drawn = np.empty((0, sum(sizes)), np.int64)
    if len(listed):
        drawn = draw_groups(
            users, family, sizes, similar=LIMITS.similar, divergent=LIMITS.divergent, band=BAND,
            seed=1, max_draws=200,
        ).members  # fmt: skip
    assert len(np.unique(listed, axis=0)) == len(listed)
    assert set(map(tuple, listed.tolist())) == sorted_parts(drawn, sizes)


def test_every_set_of_users_is_listed_once_for_each_user_it_can_start_from(unit_rows):
    users = users_of(unit_rows(np.random.default_rng(0).normal(size=(9, 3))))
    kind = GroupType(Family("random", ((4,),), Rule.any, Rule.any, Linkage.mean, 1), (4,))
    assert len(list_possible(users, kind, LIMITS)) == 126 * 4


@pytest.mark.parametrize(
    ("limit", "most"), [("_MOST_USERS", 8), ("_MOST_BEGUN", 503), ("_MOST_COMPARED", 500)]
)
def test_where_there_are_too_many_nothing_is_listed(limit, most, unit_rows, monkeypatch):
    users = users_of(unit_rows(np.random.default_rng(0).normal(size=(9, 3))))
    kind = GroupType(Family("random", ((4,),), Rule.any, Rule.any, Linkage.mean, 1), (4,))
    monkeypatch.setattr(possible, limit, most)
    assert list_possible(users, kind, LIMITS) is None
