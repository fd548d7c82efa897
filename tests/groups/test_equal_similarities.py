"""Users who are all just as similar: a mean of equal similarities is that similarity."""

import numpy as np
import pytest

from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.groups.sampler import Law, sample_groups
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.vector_users import VectorUsers


@pytest.mark.parametrize("within", [Rule.similar, Rule.divergent])
@pytest.mark.parametrize("dim", [2, 3, 7, 64])
def test_groups_are_drawn_at_a_threshold_that_all_pairs_equal(within: Rule, dim: int) -> None:
    row = np.random.default_rng(dim).standard_normal(dim)
    rows = np.tile((row / np.linalg.norm(row)).astype(np.float32), (40, 1))
    users = VectorUsers(rows)
    value = float(users.similarities(np.array([0]), np.array([1]))[0])
    family = Family("alike", ((5,), (7,)), within, Rule.any, Linkage.mean, 20)
    for kind in family.types:
        groups = sample_groups(users, kind, Law(Limits(value, value), seed=1, max_restarts=0))
        assert groups.members.shape == (20, kind.size)
        assert groups.accounting.acceptance_rate == 1.0
