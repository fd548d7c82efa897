"""Similarity inside groups, and pairs of members on the wrong side of their threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.groups.family import GroupType
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.scores import reference_similarity
from elsa_groups.similarity.users import Users

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Quality:
    """Similarity inside each group of a type.

    Attributes
    ----------
    similarity : NDArray[np.float64], shape (n_groups,)
        Mean over all pairs of members.
    within : NDArray[np.float64], shape (n_groups,)
        Mean over the pairs inside subgroups, pooled; NaN where no subgroup has a pair.
    across : NDArray[np.float64], shape (n_groups,)
        Mean over the pairs between subgroups; NaN where there is one subgroup.
    wrong_pairs : NDArray[np.int64], shape (n_groups,)
        Pairs on the wrong side of the threshold of their rule.
    """

    similarity: Floats
    within: Floats
    across: Floats
    wrong_pairs: Integers


def measure_quality(
    users: Users,
    members: Integers,
    kind: GroupType,
    limits: Limits,
) -> Quality:
    """Measure every group by the float64 reference similarities of its pairs.

    Parameters
    ----------
    users : Users
        Whose groups they are.
    members : (n_groups, size) int64 in [0, n_users)
        Numbers of ``users``, subgroup after subgroup, none twice in a group.
    kind : GroupType
        Subgroup sizes, and the rules by which pairs inside subgroups and between them are judged; a pair is
        never wrong by the rule any.
    limits : Limits
        What the rules mean.

    Raises
    ------
    ValueError
        If ``members`` is not as described.

    Notes
    -----
    Cost: ``n_groups * size * (size - 1) / 2`` similarities; memory: the result.
    """
    check_members(members, users.n_users)
    if kind.size != members.shape[1]:
        raise ValueError(f"sizes: expected to add up to {members.shape[1]} members, got {kind.sizes}")
    similarity, inside, between = (np.empty(len(members), np.float64) for _ in range(3))
    wrong = np.zeros(len(members), np.int64)
    subgroups = np.repeat(np.arange(len(kind.sizes)), kind.sizes)
    rules = kind.family.within.interval(limits), kind.family.across.interval(limits)
    _measure(users.kernel, members, subgroups, *rules, similarity, inside, between, wrong)
    return Quality(similarity, inside, between, wrong)


def check_members(members: Integers, n_users: int) -> None:
    """Refuse what compiled loops and sparse products would read past, or count twice."""
    if members.ndim != 2 or members.shape[0] < 1 or members.shape[1] < 2:
        raise ValueError(f"members: expected at least one group of two or more, got shape {members.shape}")
    if members.min() < 0 or members.max() >= n_users:
        raise ValueError(f"members: expected rows in [0, {n_users}), got {members.min()} to {members.max()}")
    repeated = (np.diff(np.sort(members, axis=1), axis=1) == 0).any(axis=1)
    if repeated.any():
        raise ValueError(f"members: expected nobody twice in a group, got group {int(repeated.argmax())}")


@compiled()
def _measure(kernel, members, subgroups, within, across, similarity, inside, between, wrong):
    """Fill the columns of :class:`Quality`, one group after the other."""
    for g in range(members.shape[0]):
        total_in = total_out = 0.0
        n_in = n_out = 0
        for i in range(members.shape[1]):
            for j in range(i + 1, members.shape[1]):
                value = reference_similarity(kernel, members[g, i], members[g, j])
                if subgroups[i] == subgroups[j]:
                    low, high = within
                    total_in += value
                    n_in += 1
                else:
                    low, high = across
                    total_out += value
                    n_out += 1
                wrong[g] += not low <= value <= high
        similarity[g] = (total_in + total_out) / (n_in + n_out)
        inside[g] = total_in / n_in if n_in else np.nan
        between[g] = total_out / n_out if n_out else np.nan
