"""The rules of drawing groups in plain Python over a similarity matrix: what a notebook would do."""

import random
from collections.abc import Sequence

from torch import Tensor

from elsa_groups.groups.family import Family, Rule

MAX_DRAWS = 1000


def similarity_matrix(vectors: Tensor) -> Tensor:
    """Return the similarities of all pairs of unit rows, (n, n) float32."""
    return (vectors @ vectors.T + 1) / 2


def draw(
    matrix: Tensor, family: Family, sizes: Sequence[int], *, similar: float, divergent: float
) -> list[int]:
    """Draw one group, subgroup after subgroup, by mean linkage; start over until one is complete."""
    while True:
        subgroups = _attempt(matrix, family, sizes, similar, divergent)
        if subgroups is not None:
            return [user for subgroup in subgroups for user in subgroup]


def _attempt(
    matrix: Tensor, family: Family, sizes: Sequence[int], similar: float, divergent: float
) -> list[list[int]] | None:
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
            _agrees(matrix, subgroup, user, rule, similar, divergent)
            for subgroup, rule in zip(subgroups, rules, strict=True)
        ):
            subgroups[turn].append(user)
            others.remove(user)
            if all(len(subgroup) == size for subgroup, size in zip(subgroups, sizes, strict=True)):
                return subgroups
        turn = (turn + 1) % len(sizes)
    return None


def _agrees(
    matrix: Tensor, subgroup: list[int], user: int, rule: Rule, similar: float, divergent: float
) -> bool:
    if not subgroup or rule == Rule.any:
        return True
    mean = matrix[subgroup, user].mean()
    return bool(mean >= similar if rule == Rule.similar else mean <= divergent)


def draw_all(
    matrix: Tensor,
    keys: Sequence[tuple[Family, Sequence[int]]],
    n_groups: int,
    *,
    similar: float,
    divergent: float,
) -> list[list[int]]:
    """Draw groups of several keys."""
    random.seed(0)
    return [
        draw(matrix, family, sizes, similar=similar, divergent=divergent)
        for family, sizes in keys
        for _ in range(n_groups)
    ]
