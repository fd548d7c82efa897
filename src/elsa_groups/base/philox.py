"""Counter-based random numbers: any draw can be made alone, in any order, on any machine.

Philox4x32-10 of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011,
doi 10.1145/2063384.2063405: four 32-bit words from a 128-bit counter and a 64-bit key.
"""

import hashlib

import numpy as np

from elsa_groups.base.compiled import compiled

# numba compiles a function anew for every literal that it is called with: so numbers handed to compiled
# functions have a name, and the type of those that are computed.
ZERO = np.int64(0)

Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_RETRY_BITS = np.uint64(16)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))


def stream_key(seed: int, *names: str) -> np.uint64:
    """Return the 64-bit Philox key of a named stream of a seed, by SHA-256, so that it never changes."""
    text = "\x1f".join([str(int(seed)), *names])
    return np.uint64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


@compiled()
def philox(c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, key: np.uint64) -> Words:
    """Return the four words, each in [0, 2**32) held in a uint64, of one counter under one key.

    Parameters
    ----------
    c0, c1, c2, c3 : uint64 below 2**32
        The counter, least significant word first.
    key : uint64
        The key, its low half being the first key word.
    """
    k0 = key & _LOW
    k1 = key >> _HALF
    for _ in range(10):
        p0 = _MULTIPLIERS[0] * c0
        p1 = _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _WEYL[0]) & _LOW
        k1 = (k1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3


@compiled()
def block(draw: int, group: int, retry: int, key: np.uint64) -> Words:
    """Return the four words shared by draws ``4 * (draw // 4)`` to ``+ 3`` of a group.

    ``retry`` 0 is the block itself; others are the replacements of rejected words. The first word of the
    counter is the low half of the block's number. Its high half is in the second word, above the retry,
    which has 16 bits: so the first 2**50 draws of a group all have counters of their own.
    """
    return philox(
        np.uint64(draw >> 2) & _LOW,
        np.uint64(retry) | (np.uint64(draw >> 34) << _RETRY_BITS),
        np.uint64(group) & _LOW,
        np.uint64(group) >> _HALF,
        key,
    )


@compiled()
def uniform_below(word: np.uint64, n: int | np.int64, draw: int, group: int, key: np.uint64) -> np.int64:
    """Map the word of a draw to [0, n) without bias (Lemire 2019, doi 10.1145/3230636).

    Parameters
    ----------
    word : uint64 below 2**32
        Word ``draw % 4`` of :func:`block`.
    n : int
        From 1 to 2**32 - 1.
    draw, group : int
        Where the word came from: a rejected word, at most ``n`` in 2**32, is replaced by a word that no
        other draw uses.
    key : uint64
        Philox key.
    """
    bound = np.uint64(n)
    product = word * bound
    if product & _LOW < bound:
        floor = (_LOW - bound + np.uint64(1)) % bound
        retry = 4 + (draw & 3)
        while product & _LOW < floor:
            product = block(draw, group, retry, key)[0] * bound
            retry += 4
    return np.int64(product >> _HALF)


@compiled()
def almost_uniform_below(word: np.uint64, n: int | np.int64) -> np.int64:
    """Return what :func:`uniform_below` makes of a word unless it rejects it."""
    return np.int64(word * np.uint64(n) >> _HALF)
