"""Distances to the limit, against plain sums over the matrix of all similarities."""

import numpy as np
import pytest

from elsa_groups.commands.reproduce.distance import distance_to_limit
from elsa_groups.groups.family import Family, GroupType, Linkage, Rule
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.vector_users import VectorUsers

LIMITS = Limits(similar=0.6, divergent=0.4, band=(0.45, 0.55))


@pytest.fixture(scope="module")
def users():
    rows = np.random.default_rng(3).normal(size=(20, 5))
    return VectorUsers((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))


def _kind(sizes, within, across=Rule.any, linkage=Linkage.mean, paired_with=None):
    return GroupType(Family("some", (sizes,), within, across, linkage, 5, paired_with), sizes)


def _plain(users, kind, members, position):
    """The nearest to being missed of all pairs of similarity and limit."""
    matrix = 0.5 + 0.5 * users.vectors.astype(float) @ users.vectors.astype(float).T
    subgroup = np.repeat(np.arange(len(kind.sizes)), kind.sizes)
    found = []
    for s in range(len(kind.sizes)):
        before = [m for m, of in zip(members[:position], subgroup[:position], strict=True) if of == s]
        rule = kind.family.within if subgroup[position] == s else kind.family.across
        values = [matrix[members[position], m] for m in before]
        if not values or rule == Rule.any:
            continue
        low = {Rule.similar: 0.6, Rule.band: 0.45}.get(rule, -np.inf)
        high = {Rule.divergent: 0.4, Rule.band: 0.55}.get(rule, np.inf)
        slacks = [min((v - low, v - low), (high - v, v - high)) for v in values]
        if kind.family.linkage == Linkage.mean:
            mean = np.mean(values)
            found.append(min((mean - low, mean - low), (high - mean, mean - high)))
        else:
            found.append((min if kind.family.linkage == Linkage.all else max)(slacks))
    return min(found)[1] if found else None


@pytest.mark.parametrize("linkage", list(Linkage))
@pytest.mark.parametrize(
    ("sizes", "within", "across"),
    [
        ((4,), Rule.similar, Rule.any),
        ((4,), Rule.divergent, Rule.any),
        ((4,), Rule.band, Rule.any),
        ((2, 3), Rule.similar, Rule.divergent),
        ((2, 2, 1), Rule.any, Rule.band),
        ((3,), Rule.any, Rule.any),
    ],
)
def test_distances_are_those_of_brute_force(users, sizes, within, across, linkage):
    kind = _kind(sizes, within, across, linkage)
    for seed in range(10):
        members = np.random.default_rng(seed).permutation(20)[: kind.size]
        for position in range(kind.size):
            found = distance_to_limit(users, kind, members, position, LIMITS)
            expected = _plain(users, kind, members.tolist(), position)
            assert found == (None if expected is None else pytest.approx(expected, abs=1e-7))


def test_a_candidate_exactly_at_the_limit_is_at_no_distance(users):
    value = float(users.similarities(np.array([7]), np.array([2]))[0])

    found = distance_to_limit(
        users, _kind((2,), Rule.similar), np.array([2, 7]), 1, Limits(similar=value, divergent=0.1)
    )

    assert found == 0.0


def test_whoever_is_not_among_the_users_and_whoever_was_given_has_no_distance(users):
    kind = _kind((2, 1), Rule.similar, Rule.divergent, paired_with="other")

    assert distance_to_limit(users, kind, np.array([1, -1, 3]), 2, LIMITS) is None
    assert distance_to_limit(users, kind, np.array([1, 2, 20]), 2, LIMITS) is None
    assert distance_to_limit(users, kind, np.array([1, 2, 3]), 1, LIMITS) is None
    assert distance_to_limit(users, kind, np.array([1, 2, 3]), 2, LIMITS) is not None
