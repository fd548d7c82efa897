"""All pairs of histories, counted by similarity: exact order statistics in bounded memory."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.compiled import compiled
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.threads import SharedTasks, run_workers
from elsa_groups.similarity.histories import UNIT, BinaryHistories, similarity_of_counts

# A similarity in units, up to 2**54, is found in three sweeps of so many bits.
_BITS = 18
_SHIFTS = (2 * _BITS, _BITS, 0)
_ROWS_PER_TASK = 64
# Multiply-adds of a product of dense rows that take as long as to count one shared item, or look at a pair.
_COST = 256.0


def cost_of_counting(histories: BinaryHistories) -> float:
    """Return what a sweep of all pairs costs, in multiply-adds as of dense vectors."""
    audience = np.bincount(histories.indices, minlength=1).astype(np.float64)
    return _COST * float((audience**2).sum() + float(histories.shape[0]) ** 2)


@compiled()
def _count_rows(histories, item_starts, item_users, first, last, bins, shift, shared, below, counts):
    """Add the pairs u < v of users ``first`` to ``last - 1`` to the bins; ``shared`` stays zeros."""
    for u in range(first, last):
        for p in range(histories.indptr[u], histories.indptr[u + 1]):
            item = histories.indices[p]
            q = item_starts[item + 1] - 1
            while q >= item_starts[item] and item_users[q] > u:
                shared[item_users[q]] += 1
                q -= 1
        for v in range(u + 1, shared.shape[0]):
            units = np.int64(similarity_of_counts(histories, u, v, shared[v]) / UNIT)
            shared[v] = 0
            for k in range(bins.shape[0]):
                place = (units >> shift) - bins[k]
                if place < 0:
                    below[k] += 1
                elif place < counts.shape[1]:
                    counts[k, place] += 1


def _sweep(
    histories: BinaryHistories,
    bins: NDArray[np.int64],
    n_bins: int,
    shift: int,
    runtime: Runtime,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count pairs by similarity in ``2**shift`` units: below each of ``bins``, and in as many from it on."""
    n_users = histories.shape[0]
    ones = np.ones(len(histories.indices), np.int8)
    by_item = csr_array((ones, histories.indices, histories.indptr), shape=histories.shape).tocsc()

    def worker(tasks: SharedTasks[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        shared = np.zeros(n_users, np.int64)
        below, counts = np.zeros(len(bins), np.int64), np.zeros((len(bins), n_bins), np.int64)
        for first in tasks:
            last = min(first + _ROWS_PER_TASK, n_users)
            _count_rows(
                histories, by_item.indptr, by_item.indices, first, last, bins, shift, shared, below, counts
            )
        return below, counts

    parts = run_workers(
        worker, runtime.ranks.share(range(0, n_users, _ROWS_PER_TASK)), threads=runtime.threads
    )
    below, counts = (np.sum(column, axis=0) for column in zip(*parts, strict=True))
    return runtime.ranks.sum(below), runtime.ranks.sum(counts)


def order_statistics(histories: BinaryHistories, places: list[int], runtime: Runtime) -> list[float]:
    """Return the similarities that so many others come before, among those of all pairs of users.

    Parameters
    ----------
    histories : BinaryHistories
        The users.
    places : list of int
        In [0, n_pairs), from 0 for the smallest.
    runtime : Runtime
        Workers and processes that share the users; the result does not depend on it.

    Notes
    -----
    Three sweeps of all pairs, each of which counts them in bins of 2**-18, 2**-36 and 2**-54 around every
    place. Cost: the sum over items of their squared number of users, and the pairs; memory: the histories
    by item and 2 MB a place for each thread.
    """
    found = np.zeros(len(places), np.int64)
    for shift in _SHIFTS:
        bins, of_place = np.unique(found << _BITS, return_inverse=True)
        # One more than there are numbers of so many bits: the similarity 1 begins another.
        below, counts = _sweep(histories, bins, (1 << _BITS) + 1, shift, runtime)
        for i, (k, place) in enumerate(zip(of_place, places, strict=True)):
            up_to = below[k] + np.cumsum(counts[k])
            found[i] = bins[k] + np.searchsorted(up_to, place, side="right")
    return [float(units) * UNIT for units in found]


def count_sides(histories: BinaryHistories, value: float, runtime: Runtime) -> tuple[int, int]:
    """Return how many pairs of users are less similar than a value, and how many just as similar."""
    units = math.ceil(value / UNIT)
    below, counts = _sweep(histories, np.array([units]), 1, 0, runtime)
    return int(below[0]), int(counts[0, 0]) if units * UNIT == value else 0
