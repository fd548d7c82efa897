"""Histories, scores and groups that lists are made of."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from elsa_groups.commands.evaluate.measuring import Material
from elsa_groups.commands.evaluate.scorers import find_aggregators
from elsa_groups.commands.export.group_histories import KnownHistories

AGGREGATORS = ("ADD", "LMS", "MPL", "AVGNM", "FAI", "GreedyLM", "GFAR", "EPFuzzDA")


@pytest.fixture(scope="session")
def histories() -> KnownHistories:
    """Training histories of 40 users and 60 items, each with a training item; user 3 has no held-out item."""
    rng = np.random.default_rng(5)
    whole = rng.random((40, 60)) < 0.25
    held = whole & (rng.random(whole.shape) < 0.3)
    held[3] = False
    train = whole & ~held
    train[:, 0] |= ~train.any(axis=1)
    held &= ~train
    parts = [csr_array(part.astype(np.float32)) for part in (train, held)]
    assert train.any(axis=0).all()
    return KnownHistories(np.arange(60), *parts)


@pytest.fixture(scope="session")
def material(histories) -> Material:
    return Material.of(histories, find_aggregators(AGGREGATORS))


@pytest.fixture(scope="session")
def members() -> np.ndarray:
    """20 groups of four, the first with the user who has no held-out item."""
    rng = np.random.default_rng(6)
    drawn = np.array([rng.choice(40, 4, replace=False) for _ in range(20)])
    drawn[0] = [3, 1, 2, 0]
    return drawn
