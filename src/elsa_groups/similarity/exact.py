"""Exact quantiles of the similarities of all pairs of vectors, in bounded memory."""

import logging
import math

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.base.distributed import Ranks
from elsa_groups.base.runtime import Runtime
from elsa_groups.similarity.quantiles import around, interpolate
from elsa_groups.similarity.scores import fast_cosine_bound, reference_similarities
from elsa_groups.similarity.tiles import (
    Inside,
    TooManyInside,
    bin_window,
    collect_inside,
    n_pairs,
    tally_sample,
)

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]

# Up to this many pairs all are kept and none is sampled first.
ALL_PAIRS = 1 << 17
# Half width of a bracket in standard errors: one in hundreds of brackets misses and is widened.
BRACKET_ERRORS = 3.0
# Most pairs that a rank keeps, 12 bytes each.
MAX_INSIDE = 200_000_000
# Bins of cosine, narrower than the rounding of fast scores.
BINS = 1 << 18


def exact_quantiles(
    vectors: Vectors,
    quantiles: list[float],
    *,
    seed: int,
    runtime: Runtime,
) -> list[float]:
    """Return the quantiles of all pairs: sweep, and sweep again with wider brackets what was missed."""
    found: dict[float, float] = {}
    errors = BRACKET_ERRORS
    while missing := [q for q in quantiles if q not in found]:
        brackets, expected = find_brackets(vectors, missing, errors, seed=seed, runtime=runtime)
        log.debug("thresholds: brackets %s of cosine, about %.0f pairs inside", brackets, expected)
        try:
            # Better now than at the end of a sweep; a little less than expected may still be too many.
            if expected > MAX_INSIDE * runtime.ranks.size:
                raise TooManyInside
            insides = collect_inside(vectors, brackets, max_inside=MAX_INSIDE, runtime=runtime)
        except TooManyInside:
            log.info("thresholds: about %.2g pairs near them; narrowing by several sweeps", expected)
            found |= {
                q: narrowed_quantile(vectors, q, bracket, runtime=runtime)
                for q, bracket in zip(missing, brackets, strict=True)
            }
            break
        for q, bracket, inside in zip(missing, brackets, insides, strict=True):
            value = _quantile_inside(vectors, inside, bracket, q, runtime.ranks)
            if value is not None:
                found[q] = value
        errors *= 4.0
    return [found[q] for q in quantiles]


def find_brackets(
    vectors: Vectors, quantiles: list[float], errors: float, *, seed: int, runtime: Runtime
) -> tuple[list[tuple[float, float]], float]:
    """Bracket each quantile of the cosines, by the binomial law of its rank in a sample of pairs.

    Also return how many pairs are expected inside, all brackets together.
    """
    everything = -2.0, 2.0
    if n_pairs(len(vectors)) <= ALL_PAIRS:
        return [everything] * len(quantiles), float(n_pairs(len(vectors)) * len(quantiles))
    up_to = np.cumsum(tally_sample(vectors, n_bins=BINS, seed=seed, runtime=runtime))
    n = int(up_to[-1])
    width = 2.0 / BINS
    # So much of the bracket is lost to the rounding of fast scores.
    margin = 2.0 * fast_cosine_bound(vectors.shape[1])

    def bracket(quantile: float) -> tuple[float, float]:
        half = errors * math.sqrt(n * quantile * (1.0 - quantile)) + 2.0
        first, last = n * quantile - half, n * quantile + half
        low, high = np.searchsorted(up_to, (first, last), side="right")
        return (
            -1.0 + width * float(low) - margin if first >= 0 else everything[0],
            -1.0 + width * float(high + 1) + margin if last < n else everything[1],
        )

    brackets = [bracket(q) for q in quantiles]
    edges = np.clip(((np.array(brackets) + 1.0) / width).astype(np.int64), 0, BINS - 1)
    inside = (up_to[edges[:, 1]] - up_to[edges[:, 0]]).sum()
    return brackets, float(inside) * n_pairs(len(vectors)) / n


def _quantile_inside(
    vectors: Vectors, inside: Inside, bracket: tuple[float, float], quantile: float, ranks: Ranks
) -> float | None:
    """Return the exact quantile if both of its order statistics lie well inside the bracket."""
    first, second, share = around(n_pairs(len(vectors)), quantile)
    ranks_inside = first - inside.below, second - inside.below
    if ranks_inside[0] < 0 or ranks_inside[1] >= inside.n_inside:
        return None
    near = [_order_statistic(inside.cosines, at, ranks) for at in ranks_inside]
    # Rounding moves a statistic by at most the bound, and each pair by as much again.
    bound = fast_cosine_bound(vectors.shape[1])
    low, high = near[0] - 2.0 * bound, near[1] + 2.0 * bound
    if low < bracket[0] or high > bracket[1]:
        return None
    doubtful = np.flatnonzero((inside.cosines >= low) & (inside.cosines <= high))
    values = reference_similarities(
        vectors, inside.us[doubtful].astype(np.int64), inside.vs[doubtful].astype(np.int64)
    )
    before = int(ranks.sum(np.array([(inside.cosines < low).sum()]))[0])
    ordered = np.sort(ranks.gather(values))
    a, b = (float(ordered[at - before]) for at in ranks_inside)
    return interpolate(a, b, share)


@compiled()
def _count_digits(bits, prefix, shift):
    """Count the 16 bits from ``shift`` on of the sortable bits of float32 that begin with ``prefix``."""
    counts = np.zeros(1 << 16, np.int64)
    for i in range(bits.shape[0]):
        key = np.int64(bits[i]) ^ (0xFFFFFFFF if bits[i] >> 31 else 0x80000000)
        if key >> (shift + 16) == prefix:
            counts[(key >> shift) & 0xFFFF] += 1
    return counts


def _order_statistic(cosines: Vectors, at: int, ranks: Ranks) -> float:
    """Return the value that ``at`` others come before among the cosines of all ranks, moving counts alone."""
    key = 0
    for shift in (16, 0):
        counts = ranks.sum(_count_digits(cosines.view(np.uint32), key, shift))
        up_to = np.cumsum(counts)
        digit = int(np.searchsorted(up_to, at, side="right"))
        at -= int(up_to[digit] - counts[digit])
        key = key << 16 | digit
    bits = key ^ (0x80000000 if key >> 31 else 0xFFFFFFFF)
    return float(np.uint32(bits).view(np.float32))


def narrowed_quantile(
    vectors: Vectors, quantile: float, bracket: tuple[float, float], *, runtime: Runtime
) -> float:
    """Return the quantile where too many pairs are near it to be kept: bins, narrowed to a single value."""
    bound = fast_cosine_bound(vectors.shape[1])

    def statistic(rank: int, low: float, high: float) -> float:
        while True:
            bins = bin_window(vectors, low, high, n_bins=BINS, bound=bound, runtime=runtime)
            at = int(np.searchsorted(bins.below + np.cumsum(bins.counts), rank, side="right"))
            if rank < bins.below or at == BINS:
                # The bracket missed it.
                low, high = -1.0, 1.0
                continue
            low, high = float(bins.lowest[at]), float(bins.highest[at])
            if low == high:
                return (1.0 + low) * 0.5

    first, second, share = around(n_pairs(len(vectors)), quantile)
    low, high = max(bracket[0], -1.0), min(bracket[1], 1.0)
    return interpolate(statistic(first, low, high), statistic(second, low, high), share)
