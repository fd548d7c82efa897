"""Thresholds on similarity: quantiles over all pairs of users, exact or sampled, or given values."""

import logging
import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.base.distributed import ONE, Ranks
from elsa_groups.base.errors import InputError
from elsa_groups.base.philox import block, stream_key, uniform_below
from elsa_groups.base.threads import SharedTasks, run_workers
from elsa_groups.similarity.counting import cost_of_counting, count_sides, order_statistics
from elsa_groups.similarity.histories import BinaryHistories
from elsa_groups.similarity.limits import Band, Limits, Target, check_targets
from elsa_groups.similarity.scores import Users, fast_cosine_bound, reference_similarities
from elsa_groups.similarity.tiles import (
    Inside,
    TooManyInside,
    bin_window,
    collect_inside,
    n_pairs,
    tally_sample,
)

log = logging.getLogger(__name__)

Method = Literal["auto", "exact", "sampled"]
Vectors = NDArray[np.float32]

# Names of the ends of the band.
_BAND = ("band_low", "band_high")
# Up to this many pairs all are kept and none is sampled first.
_ALL_PAIRS = 1 << 17
# Half width of a bracket in standard errors: one in hundreds of brackets misses and is widened.
_BRACKET_ERRORS = 3.0
# Most pairs that a rank keeps, 12 bytes each.
_MAX_INSIDE = 200_000_000
_PAIRS_PER_TASK = 1 << 16
# Multiply-adds up to which advice counts all pairs, in seconds.
_COUNTED_FOR_ADVICE = 1e12
# Bins of cosine, narrower than the rounding of fast scores.
_BINS = 1 << 18


@dataclass(frozen=True)
class Thresholds:
    """Thresholds on similarity, and how they were obtained.

    Attributes
    ----------
    similar : float in [0, 1]
        Similar from here up.
    divergent : float in [0, 1]
        Divergent from here down.
    method : str
        ``exact``, ``sampled`` or, where both are given, ``value``.
    n_users : int
        Users whose pairs were looked at.
    pairs : int
        Pairs looked at: all of them, or the sample's.
    intervals : dict
        For sampled quantiles: 95% distribution-free interval of each by name, those of the band being
        ``band_low`` and ``band_high``.
    band : (float, float) or None
        Lowest and highest similarity by the rule band, where it was asked for.
    """

    similar: float
    divergent: float
    method: str
    n_users: int
    pairs: int
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    band: Band | None = None

    @property
    def limits(self) -> Limits:
        """The thresholds alone, as arguments of whatever goes by them."""
        return {"similar": self.similar, "divergent": self.divergent, "band": self.band}


def find_thresholds(
    users: Users,
    *,
    similar: Target,
    divergent: Target,
    band: tuple[Target, Target] | None = None,
    method: Method = "auto",
    exact_budget: float = 1e13,
    sampled_pairs: int = 10_000_000,
    seed: int = 0,
    threads: int = 1,
    ranks: Ranks = ONE,
    device: torch.device | None = None,
) -> Thresholds:
    """Find the thresholds over the unordered pairs u < v of users.

    Parameters
    ----------
    users : (n_users, dim) float32, or BinaryHistories
        Unit rows, finite, or histories.
    similar, divergent : Target
        Quantile (linear interpolation between order statistics, as :func:`numpy.quantile`) or value.
    band : (Target, Target), optional
        Where the rule band begins and ends.
    method : {"auto", "exact", "sampled"}
        ``auto`` is exact while ``n_users**2 * dim``, or the cost of counting histories, is at most
        ``exact_budget``.
    exact_budget : float
        Multiply-adds, twice those of the upper triangle.
    sampled_pairs : int
        Pairs of the ``sampled`` method, drawn with replacement, never a user with itself.
    seed : int
        Of the sampled pairs. The exact thresholds do not depend on it.
    threads : int
        Workers; the result does not depend on it.
    ranks : Ranks
        Processes that share the pairs; all get the result, which does not depend on their number.
    device : torch.device, optional
        Where the sweep of all pairs runs, instead of on the CPU; the result does not depend on it.

    Returns
    -------
    Thresholds

    Raises
    ------
    InputError
        Fewer than two users, values that are not finite, a quantile or value outside [0, 1], or a
        similar threshold below the divergent one, or a band that ends below its beginning.

    Notes
    -----
    Exact: the order statistics of the float64 reference similarities, the same on every machine. A sample
    brackets each statistic; one sweep over tiles of the Gram matrix counts the pairs below the bracket by
    fast scores and keeps those inside; only the pairs within rounding of the statistic are evaluated again
    by reference value. A bracket that misses is widened and swept again. Cost: 1.2 to 1.4 times the product
    ``vectors @ vectors.T`` of the upper triangle alone; memory: 12 bytes for each pair inside, 1 in 1,000 at
    20,000 users and 1 in 3,000 at 500,000, never N x N. Ranks keep the pairs of their own tiles and exchange
    counts and the few values that are evaluated again. Of histories all pairs are counted, in three sweeps
    (:func:`~elsa_groups.similarity.counting.order_statistics`). Sampled: 8 bytes a pair.
    """
    check_targets(similar, divergent, band)
    _check_users(users)
    n_users = users.shape[0]
    targets = {"similar": similar, "divergent": divergent}
    if band is not None:
        targets |= dict(zip(_BAND, band, strict=True))
    wanted = {name: t.quantile for name, t in targets.items() if t.value is None and t.quantile is not None}
    given = {name: t.value for name, t in targets.items() if t.value is not None}
    chosen = _choose(method, cost_of_pairs(users), exact_budget) if wanted else "value"
    intervals: dict[str, tuple[float, float]] = {}
    pairs = 0
    if chosen == "exact":
        pairs = n_pairs(n_users)
        if isinstance(users, BinaryHistories):
            found = _counted_quantiles(users, list(wanted.values()), threads=threads, ranks=ranks)
        else:
            found = _exact_quantiles(
                users, list(wanted.values()), seed=seed, threads=threads, ranks=ranks, device=device
            )
        given |= dict(zip(wanted, found, strict=True))
    elif chosen == "sampled":
        pairs = sampled_pairs
        sample = sample_similarities(users, pairs, seed=seed, threads=threads, ranks=ranks)
        ordered = np.sort(sample)
        given |= {name: _quantile(ordered, q) for name, q in wanted.items()}
        intervals = {name: _interval(ordered, q) for name, q in wanted.items()}
    _check_found(given, "similar", "divergent")
    if band is not None:
        _check_found(given, *reversed(_BAND))
    return Thresholds(
        given["similar"], given["divergent"], chosen, n_users, pairs, intervals,
        (given[_BAND[0]], given[_BAND[1]]) if band else None,
    )  # fmt: skip


def _check_found(found: dict[str, float], upper: str, lower: str) -> None:
    if found[upper] < found[lower]:
        raise InputError(
            f"thresholds: expected {upper} >= {lower}, came {upper} {found[upper]:.6f} and {lower}"
            f" {found[lower]:.6f}; change thresholds.{upper.replace('_', '.')} or"
            f" thresholds.{lower.replace('_', '.')}"
        )


def _check_users(users: Users) -> None:
    if users.shape[0] < 2:
        raise InputError(f"thresholds: expected at least 2 users with a history, came {users.shape[0]}")
    if isinstance(users, np.ndarray) and not np.isfinite(users).all():
        raise InputError(
            "thresholds: expected finite embeddings, came NaN or infinity; is the checkpoint damaged?"
        )


def cost_of_pairs(users: Users) -> float:
    """Return what a sweep of all pairs costs in multiply-adds."""
    if isinstance(users, BinaryHistories):
        return cost_of_counting(users)
    return float(len(users)) ** 2 * users.shape[1]


def _choose(method: Method, cost: float, budget: float) -> str:
    if method != "auto":
        return method
    chosen = "exact" if cost <= budget else "sampled"
    log.info("thresholds: %s (cost %.2g, thresholds.exact_budget %.2g)", chosen, cost, budget)
    return chosen


def _around(n: int, quantile: float) -> tuple[int, int, float]:
    """Return the ranks of the order statistics around a quantile of n values, and how far it is between."""
    at = quantile * (n - 1)
    low = min(math.floor(at), n - 1)
    return low, min(low + 1, n - 1), at - low


def _interpolate(a: float, b: float, share: float) -> float:
    """Interpolate linearly between two order statistics, as numpy does."""
    return a + (b - a) * share if share < 0.5 else b - (b - a) * (1.0 - share)


def _quantile(ordered: NDArray[np.float64], quantile: float) -> float:
    first, second, share = _around(len(ordered), quantile)
    return _interpolate(float(ordered[first]), float(ordered[second]), share)


def _interval(ordered: NDArray[np.float64], quantile: float) -> tuple[float, float]:
    """Distribution-free 95% interval of a quantile from the binomial law of its rank (normal limit)."""
    n = len(ordered)
    half = 1.96 * math.sqrt(n * quantile * (1.0 - quantile)) + 0.5
    low, high = math.floor(quantile * n - half), math.ceil(quantile * n + half)
    return float(ordered[max(low, 0)]), float(ordered[min(high, n - 1)])


@compiled()
def _sample_pairs(n_users, first, key, us, vs):
    """Draw pairs ``first`` to ``first + len(us) - 1``; each depends on its number alone."""
    for i in range(us.shape[0]):
        draw = 4 * (first + i)
        words = block(draw, 0, 0, key)
        u = uniform_below(words[0], n_users, draw, 0, key)
        v = uniform_below(words[1], n_users - 1, draw + 1, 0, key)
        us[i] = u
        vs[i] = v + (v >= u)


def sample_similarities(
    users: Users, n: int, *, seed: int, threads: int = 1, ranks: Ranks = ONE
) -> NDArray[np.float64]:
    """Return n reference similarities, float64, of random pairs u != v drawn with replacement."""
    key = stream_key(seed, "pairs")
    values = np.zeros(n, np.float64)

    def worker(tasks: SharedTasks[int]) -> None:
        for first in tasks:
            part = values[first : first + _PAIRS_PER_TASK]
            us, vs = np.empty(len(part), np.int64), np.empty(len(part), np.int64)
            _sample_pairs(users.shape[0], first, key, us, vs)
            part[:] = reference_similarities(users, us, vs)

    run_workers(worker, ranks.share(range(0, n, _PAIRS_PER_TASK)), threads=threads)
    return ranks.sum(values)


@dataclass(frozen=True)
class Share:
    """Where a similarity lies among those of all pairs, as ranks that quantiles are made of.

    Attributes
    ----------
    below : float
        The smallest quantile whose value is not below the similarity; above 1 if there is none.
    not_above : float
        The largest quantile whose value is not above it; below 0 if there is none.
    margin : float
        How far off both may be: 0 if all pairs were counted.
    """

    below: float
    not_above: float
    margin: float


def share_of_pairs(users: Users, value: float, *, threads: int = 1, ranks: Ranks = ONE) -> Share:
    """Find which quantile a similarity is, from all pairs, or from a sample where those are too many."""
    n, margin = n_pairs(users.shape[0]), 0.0
    if cost_of_pairs(users) > _COUNTED_FOR_ADVICE:
        n = 1_000_000
        sample = sample_similarities(users, n, seed=0, threads=threads, ranks=ranks)
        below, equal = int((sample < value).sum()), int((sample == value).sum())
        margin = 3.0 * math.sqrt(0.25 / n)
    elif isinstance(users, BinaryHistories):
        below, equal = count_sides(users, value, threads=threads, ranks=ranks)
    else:
        cosine = 2.0 * value - 1.0
        bound = fast_cosine_bound(users.shape[1])
        # The cosine of a similarity is known to one rounding: what is that near is equal.
        ends = cosine - 2.0**-52, cosine + 2.0**-52
        bins = bin_window(users, *ends, n_bins=1, bound=bound, threads=threads, ranks=ranks)
        below, equal = bins.below, int(bins.counts[0])
    return Share(below / (n - 1) if n > 1 else below, (below + equal - 1) / max(n - 1, 1), margin)


def _counted_quantiles(
    histories: BinaryHistories, quantiles: list[float], *, threads: int, ranks: Ranks
) -> list[float]:
    """Return the quantiles of all pairs of histories."""
    around = [_around(n_pairs(histories.shape[0]), quantile) for quantile in quantiles]
    places = [place for first, second, _ in around for place in (first, second)]
    found = order_statistics(histories, places, threads=threads, ranks=ranks)
    pairs = zip(found[::2], found[1::2], around, strict=True)
    return [_interpolate(a, b, share) for a, b, (_, _, share) in pairs]


def _exact_quantiles(
    vectors: Vectors,
    quantiles: list[float],
    *,
    seed: int,
    threads: int,
    ranks: Ranks,
    device: torch.device | None,
) -> list[float]:
    """Return the quantiles of all pairs: sweep, and sweep again with wider brackets what was missed."""
    found: dict[float, float] = {}
    errors = _BRACKET_ERRORS
    while missing := [q for q in quantiles if q not in found]:
        brackets, expected = _brackets(vectors, missing, errors, seed=seed, threads=threads, ranks=ranks)
        log.debug("thresholds: brackets %s of cosine, about %.0f pairs inside", brackets, expected)
        try:
            # Better now than at the end of a sweep; a little less than expected may still be too many.
            if expected > _MAX_INSIDE * ranks.size:
                raise TooManyInside
            insides = collect_inside(
                vectors, brackets, max_inside=_MAX_INSIDE, threads=threads, ranks=ranks, device=device
            )
        except TooManyInside:
            log.info("thresholds: about %.2g pairs near them; narrowing by several sweeps", expected)
            found |= {
                q: _narrowed_quantile(vectors, q, bracket, threads=threads, ranks=ranks)
                for q, bracket in zip(missing, brackets, strict=True)
            }
            break
        for q, bracket, inside in zip(missing, brackets, insides, strict=True):
            value = _quantile_inside(vectors, inside, bracket, q, ranks)
            if value is not None:
                found[q] = value
        errors *= 4.0
    return [found[q] for q in quantiles]


def _brackets(
    vectors: Vectors, quantiles: list[float], errors: float, *, seed: int, threads: int, ranks: Ranks
) -> tuple[list[tuple[float, float]], float]:
    """Bracket each quantile of the cosines, by the binomial law of its rank in a sample of pairs.

    Also return how many pairs are expected inside, all brackets together.
    """
    everything = -2.0, 2.0
    if n_pairs(len(vectors)) <= _ALL_PAIRS:
        return [everything] * len(quantiles), float(n_pairs(len(vectors)) * len(quantiles))
    up_to = np.cumsum(tally_sample(vectors, n_bins=_BINS, seed=seed, threads=threads, ranks=ranks))
    n = int(up_to[-1])
    width = 2.0 / _BINS
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
    edges = np.clip(((np.array(brackets) + 1.0) / width).astype(np.int64), 0, _BINS - 1)
    inside = (up_to[edges[:, 1]] - up_to[edges[:, 0]]).sum()
    return brackets, float(inside) * n_pairs(len(vectors)) / n


def _quantile_inside(
    vectors: Vectors, inside: Inside, bracket: tuple[float, float], quantile: float, ranks: Ranks
) -> float | None:
    """Return the exact quantile if both of its order statistics lie well inside the bracket."""
    first, second, share = _around(n_pairs(len(vectors)), quantile)
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
    return _interpolate(a, b, share)


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


def _narrowed_quantile(
    vectors: Vectors, quantile: float, bracket: tuple[float, float], *, threads: int, ranks: Ranks
) -> float:
    """Return the quantile where too many pairs are near it to be kept: bins, narrowed to a single value."""
    bound = fast_cosine_bound(vectors.shape[1])

    def statistic(rank: int, low: float, high: float) -> float:
        while True:
            bins = bin_window(vectors, low, high, n_bins=_BINS, bound=bound, threads=threads, ranks=ranks)
            at = int(np.searchsorted(bins.below + np.cumsum(bins.counts), rank, side="right"))
            if rank < bins.below or at == _BINS:
                # The bracket missed it.
                low, high = -1.0, 1.0
                continue
            low, high = float(bins.lowest[at]), float(bins.highest[at])
            if low == high:
                return (1.0 + low) * 0.5

    first, second, share = _around(n_pairs(len(vectors)), quantile)
    low, high = max(bracket[0], -1.0), min(bracket[1], 1.0)
    return _interpolate(statistic(first, low, high), statistic(second, low, high), share)
