"""How far a member of a group is from the limit that decided whether it could join."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.family import GroupType
from elsa_groups.groups.linkage import deciding
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.users import Users


def distance_to_limit(
    users: Users, kind: GroupType, members: NDArray[np.int64], position: int, limits: Limits
) -> float | None:
    """Return how far a member's similarity to those before is from the limit that decides.

    Own subgroup counts by the family's rule ``within``, subgroups before by ``across``, each by the linkage.

    Parameters
    ----------
    users : Users
        Who is compared.
    kind : GroupType
        Rules and sizes.
    members : (size,) int64
        Numbers of the users, -1 for those who are not among them.
    position : int
        Whose distance.
    limits : Limits
        What the rules mean.

    Returns
    -------
    float or None
        Similarity minus limit, where it is nearest to being missed or furthest beyond; None if no rule
        applies, or somebody is not among the users.
    """
    taken = members[: position + 1]
    given = kind.sizes[0] if kind.family.paired_with else 0
    if position < given or (taken < 0).any() or (taken >= users.n_users).any():
        return None
    nearest: list[tuple[float, float]] = []
    starts = np.cumsum((0, *kind.sizes))
    for start, end in pairwise(starts):
        before = taken[start : min(end, position)]
        rule = kind.family.within if start <= position < end else kind.family.across
        low, high = rule.interval(limits)
        if not len(before) or not np.isfinite((low, high)).any():
            continue
        similarities = users.similarities(np.full(len(before), members[position]), before)
        lowest, highest = deciding(similarities, int(kind.family.linkage), low, high)
        nearest += [(lowest - low, lowest - low), (high - highest, highest - high)]
    return float(min(nearest)[1]) if nearest else None
