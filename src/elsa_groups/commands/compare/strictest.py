"""Groups of all runs judged by the same thresholds: the strictest of any run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.family import Rule
from elsa_groups.similarity.limits import Limits

Floats = NDArray[np.float64]


def strictest_limits(limits: Sequence[Limits]) -> Limits | None:
    """Return the thresholds that whoever meets them meets those of every run; None if all have the same."""
    if len(set(limits)) < 2:
        return None
    bands = [one.band for one in limits if one.band is not None]
    band = (max(low for low, _ in bands), min(high for _, high in bands)) if bands else None
    return Limits(max(one.similar for one in limits), min(one.divergent for one in limits), band)


def breaking_share(extremes: Mapping[str, Floats], rules: Mapping[str, Any], limits: Limits) -> float:
    """Return the share of groups with a pair that breaks its rule at some thresholds.

    Parameters
    ----------
    extremes : mapping of str to (n_groups,) float64
        From :func:`~elsa_groups.measures.extremes.find_extremes`.
    rules : mapping
        Names of the rules ``within`` and ``across``.
    limits : Limits
        What they mean.
    """
    broken = np.zeros(len(extremes["within_min"]), np.bool_)
    for side in ("within", "across"):
        rule = Rule[rules[side]]
        if rule == Rule.any or (rule == Rule.band and limits.band is None):
            continue
        low, high = rule.interval(limits)
        # Where there is no such pair, nothing is below or above.
        broken |= (extremes[f"{side}_min"] < low) | (extremes[f"{side}_max"] > high)
    return float(broken.mean())
