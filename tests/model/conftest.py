from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse import csr_array


def _histories(n_users: int, n_items: int, *, density: float = 0.2, seed: int = 0) -> csr_array:
    rng = np.random.default_rng(seed)
    return csr_array((rng.random((n_users, n_items)) < density).astype(np.float32))


def _checkerboard(n_users: int, n_items: int, *, missing: float = 0.2, seed: int = 0) -> csr_array:
    """Even users have even items and odd users odd ones, a share of each history missing."""
    rng = np.random.default_rng(seed)
    board = (np.arange(n_users)[:, None] + np.arange(n_items)) % 2 == 0
    return csr_array((board & (rng.random((n_users, n_items)) >= missing)).astype(np.float32))


@pytest.fixture(scope="session")
def histories() -> Callable[..., csr_array]:
    """Random histories of ones."""
    return _histories


@pytest.fixture(scope="session")
def checkerboard() -> Callable[..., csr_array]:
    """Histories of which the right recommendations are known."""
    return _checkerboard
