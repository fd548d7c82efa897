"""Sweep all pairs of users in tiles of their Gram matrix: count what is below, keep what is inside.

The product of a tile and its compiled scan run in one worker thread, one worker a core, so that no
two thread pools compete and a tile is scanned while it is in cache. Ranks share the tiles. Memory: the
embeddings, one tile a worker, and what the caller asks to keep; never N x N.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from elsa_groups.similarity.ranks import ONE, Ranks
from elsa_groups.similarity.scores import reference_cosine
from elsa_groups.similarity.work import SharedTasks, run_workers

# 512 x 512 float32 is 1 MiB: a tile stays in a core's cache between product and scan.
TILE = 512
_STRETCH = 64

Vectors = NDArray[np.float32]


class TooManyInside(Exception):
    """More pairs lie inside the brackets than a rank may keep."""


@dataclass(frozen=True)
class Inside:
    """What a sweep found out about one bracket of fast cosines.

    Attributes
    ----------
    below : int
        Pairs whose fast cosine is below the bracket, over all ranks.
    n_inside : int
        Pairs inside, over all ranks.
    cosines : NDArray[np.float32], shape (n_kept,)
        Fast cosines inside the bracket that this rank saw, in no particular order.
    us, vs : NDArray[np.int32], shape (n_kept,)
        Their users, u < v.
    """

    below: int
    n_inside: int
    cosines: Vectors
    us: NDArray[np.int32]
    vs: NDArray[np.int32]


@dataclass(frozen=True)
class Bins:
    """Pairs of one window by reference cosine: how many are below, and count, lowest and highest a bin."""

    below: int
    counts: NDArray[np.int64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]


def n_pairs(n_users: int) -> int:
    """Return the number of unordered pairs."""
    return n_users * (n_users - 1) // 2


@numba.njit(cache=True, nogil=True, fastmath={"reassoc"})
def _count(stretch, low, high):
    """Count the values below ``low`` and those not above ``high`` in a stretch of a row."""
    # Counts in float32 vectorise, and are exact up to 2**24; so do indices that begin at 0.
    n_below = np.float32(0.0)
    n_not_above = np.float32(0.0)
    for j in range(stretch.shape[0]):
        n_below += np.float32(stretch[j] < low)
        n_not_above += np.float32(stretch[j] <= high)
    return np.int64(n_below), np.int64(n_not_above)


@numba.njit(cache=True, nogil=True)
def _scan(tile, u0, v0, lows, highs, below, found, cosines, us, vs):
    """Add the pairs u < v of a tile to the counts below and to the buffers of each bracket."""
    for i in range(tile.shape[0]):
        first = i + 1 if u0 == v0 else 0
        for k in range(lows.shape[0]):
            n_below, n_not_above = _count(tile[i, first:], lows[k], highs[k])
            below[k] += n_below
            left = n_not_above - n_below
            start = first
            # Few pairs are inside: find the stretches that hold one, and look at those alone.
            while left > 0:
                stretch = tile[i, start : start + _STRETCH]
                n_below, n_not_above = _count(stretch, lows[k], highs[k])
                if n_not_above > n_below:
                    left -= n_not_above - n_below
                    for c in range(stretch.shape[0]):
                        if lows[k] <= stretch[c] <= highs[k]:
                            cosines[k, found[k]] = stretch[c]
                            us[k, found[k]] = u0 + i
                            vs[k, found[k]] = v0 + start + c
                            found[k] += 1
                start += _STRETCH


@numba.njit(cache=True, nogil=True)
def _bin(tile, vectors, u0, v0, low, high, bound, below, counts, lowest, highest):
    """Add the pairs u < v of a tile, by reference value, to the bins of the window [low, high]."""
    n_bins = counts.shape[0]
    scale = n_bins / (high - low) if high > low else 0.0
    for i in range(tile.shape[0]):
        for j in range(i + 1 if u0 == v0 else 0, tile.shape[1]):
            fast = np.float64(tile[i, j])
            if fast < low - bound:
                below[0] += 1
            elif fast <= high + bound:
                value = reference_cosine(vectors, u0 + i, v0 + j)
                if value < low:
                    below[0] += 1
                elif value <= high:
                    b = min(n_bins - 1, np.int64((value - low) * scale))
                    counts[b] += 1
                    lowest[b] = min(lowest[b], value)
                    highest[b] = max(highest[b], value)


Look = Callable[[Vectors, int, int], None]


def _sweep(vectors: Vectors, looks: list[Look], ranks: Ranks) -> None:
    """Show every tile of this rank, a float32 product, to the look of one worker thread."""
    rows = torch.from_numpy(vectors)
    n_users = len(vectors)
    waiting = SharedTasks(looks)

    def worker(tiles: SharedTasks[tuple[int, int]]) -> None:
        torch.set_num_threads(1)
        buffer = torch.empty(TILE * TILE)
        look = next(waiting)
        for u0, v0 in tiles:
            shape = min(TILE, n_users - u0), min(TILE, n_users - v0)
            tile = buffer[: shape[0] * shape[1]].view(shape)
            torch.mm(rows[u0 : u0 + TILE], rows[v0 : v0 + TILE].T, out=tile)
            look(tile.numpy(), u0, v0)

    torch_threads = torch.get_num_threads()
    try:
        run_workers(worker, _tile_starts(n_users, ranks), threads=len(looks))
    finally:
        torch.set_num_threads(torch_threads)


def _tile_starts(n_users: int, ranks: Ranks) -> Iterator[tuple[int, int]]:
    """Yield this rank's tiles of the upper triangle."""
    starts = range(0, n_users, TILE)
    total = len(range(ranks.rank, len(starts) * (len(starts) + 1) // 2, ranks.size))
    tiles = ((u0, v0) for u0 in starts for v0 in range(u0, n_users, TILE))
    hidden = True if ranks.rank else None
    with tqdm(total=total, desc="all pairs", unit="tile", disable=hidden, leave=False) as progress:
        for tile in ranks.share(tiles):
            yield tile
            progress.update()


class _Collector:
    """One worker's counts and kept pairs of every bracket."""

    def __init__(self, lows: Vectors, highs: Vectors, room: Callable[[int], None]) -> None:
        self.brackets = lows, highs
        self.room = room
        self.below = np.zeros(len(lows), np.int64)
        self.found = np.zeros(len(lows), np.int64)
        self.buffers = tuple(
            np.empty((len(lows), 2 * TILE * TILE), t) for t in (np.float32, np.int32, np.int32)
        )
        self.kept: list[list[tuple[NDArray[np.generic], ...]]] = [[] for _ in lows]

    def look(self, tile: Vectors, u0: int, v0: int) -> None:
        _scan(tile, u0, v0, *self.brackets, self.below, self.found, *self.buffers)
        if self.found.max() > TILE * TILE:
            self.flush()

    def flush(self) -> None:
        """Move the buffers' content to where it can grow."""
        self.room(int(self.found.sum()))
        for k, n in enumerate(self.found):
            self.kept[k].append(tuple(buffer[k, :n].copy() for buffer in self.buffers))
        self.found[:] = 0


def collect_inside(
    vectors: Vectors,
    brackets: list[tuple[float, float]],
    *,
    max_inside: int,
    threads: int,
    ranks: Ranks = ONE,
) -> list[Inside]:
    """Count the pairs below each bracket of fast cosines and keep those inside, each where it was seen.

    Parameters
    ----------
    vectors : (n_users, dim) float32
        Unit rows.
    brackets : list of (low, high)
        Closed intervals of cosine.
    max_inside : int
        Most pairs that a rank may keep, 12 bytes each, all brackets together.
    threads : int
        Workers.
    ranks : Ranks
        Processes that share the tiles.

    Raises
    ------
    TooManyInside
        On all ranks, if more pairs than ``max_inside`` lie inside the tiles of any.
    """
    lows, highs = (np.array(edges, np.float32) for edges in zip(*brackets, strict=True))
    kept = 0

    def room(more: int) -> None:
        nonlocal kept
        kept += more
        if kept > max_inside:
            raise TooManyInside

    collectors = [_Collector(lows, highs, room) for _ in range(threads)]
    try:
        _sweep(vectors, [collector.look for collector in collectors], ranks)
        for collector in collectors:
            collector.flush()
        refused = 0
    except TooManyInside:
        refused = 1
    if ranks.sum(np.array([refused]))[0]:
        raise TooManyInside
    kept_parts = [_join_kept(collectors, k) for k in range(len(brackets))]
    below = ranks.sum(np.sum([collector.below for collector in collectors], axis=0))
    n_inside = ranks.sum(np.array([len(cosines) for cosines, _, _ in kept_parts]))
    return [Inside(int(below[k]), int(n_inside[k]), *parts) for k, parts in enumerate(kept_parts)]


def _join_kept(collectors: list[_Collector], k: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return cosines, us and vs that the workers kept for one bracket."""
    parts = [part for collector in collectors for part in collector.kept[k]]
    cosines, us, vs = (np.concatenate(column) for column in zip(*parts, strict=True))
    return cosines, us, vs


def bin_window(
    vectors: Vectors,
    low: float,
    high: float,
    *,
    n_bins: int,
    bound: float,
    threads: int,
    ranks: Ranks = ONE,
) -> Bins:
    """Count the pairs of a window of reference cosines in equal bins: constant memory, whatever the ties.

    Parameters
    ----------
    vectors : (n_users, dim) float32
        Unit rows.
    low, high : float
        Closed window of reference cosine.
    n_bins : int
        Bins of equal width.
    bound : float
        Largest error of a fast cosine: pairs farther than that from the window need no reference value.
    threads : int
        Workers.
    ranks : Ranks
        Processes that share the tiles; the result is the same on all.
    """
    parts = [
        Bins(0, np.zeros(n_bins, np.int64), np.full(n_bins, np.inf), np.full(n_bins, -np.inf))
        for _ in range(threads)
    ]
    below = np.zeros((threads, 1), np.int64)

    def look_of(part: Bins, n_below: NDArray[np.int64]) -> Look:
        return lambda tile, u0, v0: _bin(
            tile, vectors, u0, v0, low, high, bound, n_below, part.counts, part.lowest, part.highest
        )

    _sweep(vectors, [look_of(part, n_below) for part, n_below in zip(parts, below, strict=True)], ranks)
    lowest = ranks.gather(np.min([part.lowest for part in parts], axis=0))
    highest = ranks.gather(np.max([part.highest for part in parts], axis=0))
    return Bins(
        int(ranks.sum(below.sum(axis=0))[0]),
        ranks.sum(np.sum([part.counts for part in parts], axis=0)),
        lowest.reshape(ranks.size, n_bins).min(axis=0),
        highest.reshape(ranks.size, n_bins).max(axis=0),
    )
