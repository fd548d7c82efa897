"""Small independent formulas that several rooms are tested against."""

import signal
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

# The same examples in every run, however slow the machine is.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")

MASK = 0xFFFFFFFF


def _unit_rows(values: NDArray[np.floating]) -> NDArray[np.float32]:
    values = np.asarray(values, np.float64)
    return np.ascontiguousarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def _similarity_matrix(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """All reference similarities: products of two float32 are exact in float64, the sum is in order."""
    wide = vectors.astype(np.float64)
    total = np.zeros((len(wide), len(wide)))
    for column in wide.T:
        total += np.outer(column, column)
    return (1.0 + np.clip(total, -1.0, 1.0)) * 0.5


def _philox_words(counter: tuple[int, int, int, int], key: int) -> tuple[int, int, int, int]:
    """Philox4x32-10 in integers of any size, from the paper's description."""
    a, b, c, d = counter
    k0, k1 = key & MASK, key >> 32
    for round_ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        w0, w1 = (k0 + round_ * 0x9E3779B9) & MASK, (k1 + round_ * 0xBB67AE85) & MASK
        a, b, c, d = (right >> 32) ^ b ^ w0, right & MASK, (left >> 32) ^ d ^ w1, left & MASK
    return a, b, c, d


def _plain_below(n: int, draw: int, group: int, key: int) -> int:
    """Number of a draw in [0, n), by Lemire's rejection: replacements are first words of further blocks."""
    where = group & MASK, group >> 32
    word = _philox_words((draw // 4, 0, *where), key)[draw % 4]
    retry = 4 + draw % 4
    while (word * n) % 2**32 < 2**32 % n:
        word = _philox_words((draw // 4, retry, *where), key)[0]
        retry += 4
    return word * n >> 32


@pytest.fixture(scope="session")
def unit_rows() -> Callable[..., NDArray[np.float32]]:
    """Rows of any scale to float32 unit rows."""
    return _unit_rows


@pytest.fixture(scope="session")
def similarity_matrix() -> Callable[..., NDArray[np.float64]]:
    """Unit rows to the (n, n) matrix of their float64 reference similarities."""
    return _similarity_matrix


@pytest.fixture(scope="session")
def philox_words() -> Callable[..., tuple[int, int, int, int]]:
    """(counter, key) to the four words of Philox4x32-10, in plain Python."""
    return _philox_words


@pytest.fixture(scope="session")
def plain_below() -> Callable[..., int]:
    """(n, draw, group, key) to the draw's number in [0, n), in plain Python."""
    return _plain_below


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also in a process started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
