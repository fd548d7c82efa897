"""Sweep all pairs of users in tiles of their Gram matrix: count what is below, keep what is inside.

The product of a tile and its compiled scan run in one worker thread, one worker a core, so that no
two thread pools compete and a tile is scanned while it is in cache. Ranks share the tiles. Memory: the
embeddings, one tile a worker, and what the caller asks to keep; never N x N.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import torch
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.base.distributed import Ranks
from elsa_groups.base.precision import full_float32
from elsa_groups.base.progress import progress
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.threads import SharedTasks, run_workers
from elsa_groups.similarity.scores import reference_cosine

# 512 x 512 float32 is 1 MiB: a tile stays in a core's cache between product and scan.
TILE = 512
# Large enough to keep a device busy: the tile, its masks and all that may be inside take 2 GB.
DEVICE_TILE = 8192
_STRETCH = 64

Vectors = NDArray[np.float32]


# Cosines, us and vs.
Kept = tuple[Vectors, NDArray[np.int32], NDArray[np.int32]]


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


@compiled(fastmath={"reassoc"})
def _count(stretch, low, high):
    """Count the values below ``low`` and those not above ``high`` in a stretch of a row."""
    # Counts in float32 vectorise, and are exact up to 2**24; so do indices that begin at 0.
    n_below = np.float32(0.0)
    n_not_above = np.float32(0.0)
    for j in range(stretch.shape[0]):
        n_below += np.float32(stretch[j] < low)
        n_not_above += np.float32(stretch[j] <= high)
    return np.int64(n_below), np.int64(n_not_above)


@compiled(fastmath={"reassoc"})
def _position(stretch, low, high):
    """Return where the only value from ``low`` to ``high`` is in a stretch of a row."""
    position = np.float32(0.0)
    for j in range(stretch.shape[0]):
        position += np.float32(j) if (stretch[j] >= low) & (stretch[j] <= high) else np.float32(0.0)
    return np.int64(position)


@compiled()
def _keep(stretch, j, u, v0, k, found, cosines, us, vs):
    """Put a value and its pair of users into the buffers of bracket ``k``."""
    n = found[k]
    cosines[k, n] = stretch[j]
    us[k, n] = u
    vs[k, n] = v0 + j
    found[k] = n + 1


@compiled()
def _scan(tile, u0, v0, lows, highs, below, found, cosines, us, vs):
    """Add the pairs u < v of a tile to the counts below and to the buffers of each bracket."""
    for i in range(tile.shape[0]):
        first = i + 1 if u0 == v0 else 0
        row = tile[i, first:]
        for k in range(lows.shape[0]):
            low, high = lows[k], highs[k]
            n_below, n_not_above = _count(row, low, high)
            below[k] += n_below
            left = n_not_above - n_below
            # Few pairs are inside, in most rows one or none: it is found without a branch for each value.
            if left == 1:
                _keep(row, _position(row, low, high), u0 + i, v0 + first, k, found, cosines, us, vs)
                continue
            start = 0
            while left > 0:
                stretch = row[start : start + _STRETCH]
                n_below, n_not_above = _count(stretch, low, high)
                here = n_not_above - n_below
                if here == 1:
                    j = _position(stretch, low, high)
                    _keep(stretch, j, u0 + i, v0 + first + start, k, found, cosines, us, vs)
                elif here > 1:
                    for j in range(stretch.shape[0]):
                        if low <= stretch[j] <= high:
                            _keep(stretch, j, u0 + i, v0 + first + start, k, found, cosines, us, vs)
                left -= here
                start += _STRETCH


@compiled()
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


@compiled()
def _tally(tile, counts):
    """Count the pairs u < v of a block of users with itself in equal bins of cosine in [-1, 1]."""
    n_bins = counts.shape[0]
    scale = np.float32(n_bins / 2)
    for i in range(tile.shape[0]):
        for j in range(i + 1, tile.shape[1]):
            b = np.int64((tile[i, j] + np.float32(1.0)) * scale)
            counts[min(n_bins - 1, max(0, b))] += 1


# Rows of the users u, rows of the users v, and the first of each.
Factors = tuple[torch.Tensor, torch.Tensor, int, int]
Look = Callable[[Vectors, int, int], None]


def _sweep(tiles: Iterable[Factors], looks: list[Look]) -> None:
    """Show every tile, a float32 product, to the look of one worker thread."""
    waiting = SharedTasks(looks)

    def worker(tasks: SharedTasks[Factors]) -> None:
        torch.set_num_threads(1)
        buffer = torch.empty(TILE * TILE)
        look = next(waiting)
        for left, right, u0, v0 in tasks:
            tile = buffer[: len(left) * len(right)].view(len(left), len(right))
            torch.mm(left, right.T, out=tile)
            look(tile.numpy(), u0, v0)

    torch_threads = torch.get_num_threads()
    try:
        with full_float32():
            run_workers(worker, tiles, threads=len(looks))
    finally:
        torch.set_num_threads(torch_threads)


def _all_pairs(rows: torch.Tensor, ranks: Ranks, size: int = TILE) -> Iterator[Factors]:
    """Yield this rank's tiles of the upper triangle."""
    blocks = [(block, size * i) for i, block in enumerate(rows.split(size))]
    total = len(range(ranks.rank, len(blocks) * (len(blocks) + 1) // 2, ranks.size))
    with progress(label="all pairs", unit="tile", total=total, hidden=ranks.rank > 0) as bar:
        for (left, u0), (right, v0) in ranks.share(combinations_with_replacement(blocks, 2)):
            yield left, right, u0, v0
            bar.update()


def tally_sample(vectors: Vectors, *, n_bins: int, seed: int, runtime: Runtime) -> NDArray[np.int64]:
    """Count a sample of pairs in equal bins of fast cosine in [-1, 1].

    Users in random order are cut into blocks of equal size, and all pairs inside a block are taken. So every
    user is in as many pairs as any other, and a share of the sample varies no more than one of so many
    independent pairs: what users differ in by themselves cancels. As a product it costs a tenth of
    independent pairs.

    Parameters
    ----------
    vectors : (n_users, dim) float32
        Unit rows.
    n_bins : int
        Bins.
    seed : int
        Fixes the order of users.
    runtime : Runtime
        Workers and processes that share the blocks; the result is the same on all.

    Returns
    -------
    NDArray[np.int64], shape (n_bins,)
        Their sum, the pairs of the sample, is about ``TILE / 2`` for each user.
    """
    order = np.random.default_rng(seed).permutation(len(vectors))
    blocks = np.array_split(order, math.ceil(len(vectors) / TILE))
    rows = (torch.from_numpy(vectors[block]) for block in runtime.ranks.share(blocks))
    counts = np.zeros((runtime.threads, n_bins), np.int64)
    looks: list[Look] = [lambda tile, *_, own=own: _tally(tile, own) for own in counts]
    _sweep(((block, block, 0, 0) for block in rows), looks)
    return runtime.ranks.sum(counts.sum(axis=0))


class _Collector:
    """One worker's counts and kept pairs of every bracket."""

    def __init__(self, lows: Vectors, highs: Vectors, room: Callable[[int], None]) -> None:
        self.brackets = lows, highs
        self.room = room
        self.below = np.zeros(len(lows), np.int64)
        self.found = np.zeros(len(lows), np.int64)
        shape = (len(lows), 2 * TILE * TILE)
        self.buffers: Kept = np.empty(shape, np.float32), np.empty(shape, np.int32), np.empty(shape, np.int32)
        self.kept: list[list[Kept]] = [[] for _ in lows]

    def look(self, tile: Vectors, u0: int, v0: int) -> None:
        _scan(tile, u0, v0, *self.brackets, self.below, self.found, *self.buffers)
        if self.found.max() > TILE * TILE:
            self.flush()

    def flush(self) -> None:
        """Move the buffers' content to where it can grow."""
        self.room(int(self.found.sum()))
        for k, n in enumerate(self.found):
            cosines, us, vs = self.buffers
            self.kept[k].append((cosines[k, :n].copy(), us[k, :n].copy(), vs[k, :n].copy()))
        self.found[:] = 0


def collect_inside(
    vectors: Vectors,
    brackets: list[tuple[float, float]],
    *,
    max_inside: int,
    runtime: Runtime,
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
    runtime : Runtime
        Workers and processes that share the tiles. On a CUDA device torch makes products and counts, on the
        CPU compiled code; memory on the device: the vectors and up to 2 GB.

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

    parts: list[Kept] = []
    below = np.zeros(len(brackets), np.int64)
    refused = 0
    try:
        collect = _collect_by_workers if runtime.device == "cpu" else _collect_on_device
        parts = collect(vectors, lows, highs, below, room, runtime)
    except TooManyInside:
        refused = 1
    ranks = runtime.ranks
    if ranks.sum(np.array([refused]))[0]:
        raise TooManyInside
    below = ranks.sum(below)
    n_inside = ranks.sum(np.array([len(cosines) for cosines, _, _ in parts]))
    return [Inside(int(below[k]), int(n_inside[k]), *part) for k, part in enumerate(parts)]


def _join(parts: Sequence[Kept]) -> Kept:
    cosines, us, vs = (np.concatenate(column) for column in zip(*parts, strict=True))
    return cosines, us, vs


def _collect_by_workers(
    vectors: Vectors,
    lows: Vectors,
    highs: Vectors,
    below: NDArray[np.int64],
    room: Callable[[int], None],
    runtime: Runtime,
) -> list[Kept]:
    collectors = [_Collector(lows, highs, room) for _ in range(runtime.threads)]
    _sweep(_all_pairs(torch.from_numpy(vectors), runtime.ranks), [collector.look for collector in collectors])
    for collector in collectors:
        collector.flush()
        below += collector.below
    return [_join([part for collector in collectors for part in collector.kept[k]]) for k in range(len(lows))]


def _collect_on_device(
    vectors: Vectors,
    lows: Vectors,
    highs: Vectors,
    below: NDArray[np.int64],
    room: Callable[[int], None],
    runtime: Runtime,
) -> list[Kept]:
    kept: list[list[Kept]] = [[] for _ in lows]
    rows = torch.from_numpy(vectors).to(runtime.device)
    with full_float32():
        for left, right, u0, v0 in _all_pairs(rows, runtime.ranks, DEVICE_TILE):
            tile = left @ right.T
            if u0 == v0:
                # Pairs that are counted elsewhere, or none, are above every bracket.
                tile.masked_fill_(torch.ones_like(tile, dtype=torch.bool).tril_(), math.inf)
            for k, (low, high) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):
                below[k] += int((tile < low).sum())
                us, vs = ((tile >= low) & (tile <= high)).nonzero(as_tuple=True)
                room(len(us))
                places = ((us + u0).int().cpu().numpy(), (vs + v0).int().cpu().numpy())
                kept[k].append((tile[us, vs].cpu().numpy(), *places))
    nothing = (np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.int32))
    return [_join([nothing, *parts]) for parts in kept]


def bin_window(
    vectors: Vectors,
    low: float,
    high: float,
    *,
    n_bins: int,
    bound: float,
    runtime: Runtime,
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
    runtime : Runtime
        Workers and processes that share the tiles; the result is the same on all.
    """
    parts = [
        Bins(0, np.zeros(n_bins, np.int64), np.full(n_bins, np.inf), np.full(n_bins, -np.inf))
        for _ in range(runtime.threads)
    ]
    ranks = runtime.ranks
    below = np.zeros((runtime.threads, 1), np.int64)

    def look_of(part: Bins, n_below: NDArray[np.int64]) -> Look:
        return lambda tile, u0, v0: _bin(
            tile, vectors, u0, v0, low, high, bound, n_below, part.counts, part.lowest, part.highest
        )

    looks = [look_of(part, n_below) for part, n_below in zip(parts, below, strict=True)]
    _sweep(_all_pairs(torch.from_numpy(vectors), ranks), looks)
    lowest = ranks.gather(np.min([part.lowest for part in parts], axis=0))
    highest = ranks.gather(np.max([part.highest for part in parts], axis=0))
    return Bins(
        int(ranks.sum(below.sum(axis=0))[0]),
        ranks.sum(np.sum([part.counts for part in parts], axis=0)),
        lowest.reshape(ranks.size, n_bins).min(axis=0),
        highest.reshape(ranks.size, n_bins).max(axis=0),
    )
