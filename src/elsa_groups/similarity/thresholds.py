"""Thresholds on similarity: quantiles over all pairs of users, exact or sampled, or given values."""

import logging
import math
from dataclasses import dataclass

import numpy as np

from elsa_groups.base.errors import InputError
from elsa_groups.base.runtime import ALONE, Runtime
from elsa_groups.similarity.limits import Method, Thresholds, ThresholdSettings, check_targets
from elsa_groups.similarity.quantiles import confidence_interval, sorted_quantile
from elsa_groups.similarity.sampling import sample_similarities
from elsa_groups.similarity.tiles import n_pairs
from elsa_groups.similarity.users import Users

log = logging.getLogger(__name__)

# Multiply-adds up to which advice counts all pairs, in seconds.
COUNTED_FOR_ADVICE = 1e12


def find_thresholds(
    users: Users,
    asked: ThresholdSettings,
    *,
    seed: int,
    runtime: Runtime = ALONE,
    needs_band: bool = False,
) -> Thresholds:
    """Find the thresholds over the unordered pairs u < v of users.

    Parameters
    ----------
    users : Users
        Two or more.
    asked : ThresholdSettings
        Which thresholds, and by which method.
    seed : int
        Of the sampled pairs. The exact thresholds do not depend on it.
    runtime : Runtime
        What the sweep of all pairs runs on; the result does not depend on it.
    needs_band : bool
        Whether the band is wanted too.

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
    (:func:`~elsa_groups.similarity.history_pairs.order_statistics`). Sampled: 8 bytes a pair.
    """
    check_targets(asked, needs_band)
    _check_users(users)
    targets = asked.targets(needs_band=needs_band)
    wanted = {name: t.quantile for name, t in targets.items() if t.value is None and t.quantile is not None}
    found = {name: t.value for name, t in targets.items() if t.value is not None}
    method = _choose(asked, users) if wanted else "value"
    intervals: dict[str, tuple[float, float]] = {}
    pairs = 0
    if method == Method.exact:
        pairs = n_pairs(users.n_users)
        values = users.quantiles(list(wanted.values()), seed=seed, runtime=runtime)
        found |= dict(zip(wanted, values, strict=True))
    elif method == Method.sampled:
        pairs = asked.sampled_pairs
        ordered = np.sort(sample_similarities(users, pairs, seed=seed, runtime=runtime))
        found |= {name: sorted_quantile(ordered, q) for name, q in wanted.items()}
        intervals = {name: confidence_interval(ordered, q) for name, q in wanted.items()}
    _check_order(found, "similar", "divergent")
    band = (found["band_low"], found["band_high"]) if needs_band else None
    if band:
        _check_order(found, "band_high", "band_low")
    return Thresholds(found["similar"], found["divergent"], method, users.n_users, pairs, intervals, band)


def _check_order(found: dict[str, float], upper: str, lower: str) -> None:
    if found[upper] < found[lower]:
        least = math.ceil(found[lower] * 1e6) / 1e6
        raise InputError(
            f"thresholds: expected {upper} >= {lower}, got {upper} {found[upper]:.6f} and {lower}"
            f" {found[lower]:.6f}; raise thresholds.{upper.replace('_', '.')}.value to {least:.6f} or more"
        )


def _check_users(users: Users) -> None:
    if users.n_users < 2:
        raise InputError(
            f"thresholds: expected at least 2 users with a history, got {users.n_users}; choose a larger set"
        )
    users.check()


def _choose(asked: ThresholdSettings, users: Users) -> str:
    if asked.method != Method.auto:
        return asked.method.value
    if users.cost_of_pairs <= asked.exact_budget:
        return Method.exact.value
    log.info("thresholds: sampled, as all pairs cost more than thresholds.exact_budget")
    return Method.sampled.value


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


def share_of_pairs(users: Users, value: float, *, runtime: Runtime = ALONE) -> Share:
    """Find which quantile a similarity is, from all pairs, or from a sample where those are too many."""
    n, margin = n_pairs(users.n_users), 0.0
    if users.cost_of_pairs > COUNTED_FOR_ADVICE:
        n = 1_000_000
        sample = sample_similarities(users, n, seed=0, runtime=runtime)
        below, equal = int((sample < value).sum()), int((sample == value).sum())
        margin = 3.0 * math.sqrt(0.25 / n)
    else:
        below, equal = users.count_sides(value, runtime)
    return Share(below / (n - 1) if n > 1 else below, (below + equal - 1) / max(n - 1, 1), margin)
