"""The rules of drawing groups in plain Python over a similarity matrix: what a notebook would do."""

import random
from collections.abc import Sequence

from torch import Tensor

from elsa_groups.groups.family import GroupType, Rule
from elsa_groups.similarity.limits import Limits

MAX_DRAWS = 1000


def similarity_matrix(vectors: Tensor) -> Tensor:
    """Return the similarities of all pairs of unit rows, (n, n) float32."""
    return (vectors @ vectors.T + 1) / 2


def draw(matrix: Tensor, kind: GroupType, limits: Limits) -> list[int]:
    """Draw one group, subgroup after subgroup, by mean linkage; start over until one is complete."""
    while True:
        subgroups = _attempt(matrix, kind, limits)
        if subgroups is not None:
            return [user for subgroup in subgroups for user in subgroup]


def _attempt(matrix: Tensor, kind: GroupType, limits: Limits) -> list[list[int]] | None:
    family, sizes = kind.family, kind.sizes
    subgroups: list[list[int]] = [[] for _ in sizes]
    subgroups[0].append(random.randrange(len(matrix)))
    others = list(set(range(len(matrix))) - set(subgroups[0]))
    turn = 1 % len(sizes)
    for _ in range(MAX_DRAWS):
        while len(subgroups[turn]) == sizes[turn]:
            turn = (turn + 1) % len(sizes)
        user = random.choice(others)
        rules = [family.within if s == turn else family.across for s in range(len(sizes))]
        if all(
            _agrees(matrix, subgroup, user, rule, limits)
            for subgroup, rule in zip(subgroups, rules, strict=True)
        ):
            subgroups[turn].append(user)
            others.remove(user)
            if all(len(subgroup) == size for subgroup, size in zip(subgroups, sizes, strict=True)):
                return subgroups
        turn = (turn + 1) % len(sizes)
    return None


def _agrees(matrix: Tensor, subgroup: list[int], user: int, rule: Rule, limits: Limits) -> bool:
    if not subgroup or rule == Rule.any:
        return True
    mean = matrix[subgroup, user].mean()
    return bool(mean >= limits.similar if rule == Rule.similar else mean <= limits.divergent)


def draw_all(matrix: Tensor, kinds: Sequence[GroupType], n_groups: int, limits: Limits) -> list[list[int]]:
    """Draw groups of several types."""
    random.seed(0)
    return [draw(matrix, kind, limits) for kind in kinds for _ in range(n_groups)]
