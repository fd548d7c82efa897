"""Say why a family cannot be filled, and which thresholds would fill it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.similarity.thresholds import sample_similarities

Values = NDArray[np.float64]
Reduce = Callable[..., Any]


def explain_starvation(
    vectors: NDArray[np.float32],
    family: Family,
    sizes: tuple[int, ...],
    partial: NDArray[np.int64],
    *,
    similar: float,
    divergent: float,
) -> str:
    """Explain at which step an unfinished group starves, and what would let it go on.

    Parameters
    ----------
    vectors : (n_users, dim) float32
        Unit rows.
    family : Family
        The rules.
    sizes : tuple of int
        Subgroup sizes of the key.
    partial : (size,) int64
        Members of the unfinished group by position, -1 where nobody joined.
    similar, divergent : float
        Thresholds on similarity.

    Returns
    -------
    str
        The step, how many users qualify for it, and the quantiles that would admit the nearest one.
    """
    subgroups = [part[part >= 0] for part in np.split(partial, np.cumsum(sizes)[:-1])]
    open_ones = [s for s, part in enumerate(subgroups) if len(part) < sizes[s]]
    needs = [_needed_thresholds(vectors, family, subgroups, s) for s in open_ones]
    misses = [np.maximum(similar - need[0], need[1] - divergent) for need in needs]
    for miss in misses:
        miss[partial[partial >= 0]] = np.inf
    qualifying = sum(int((miss <= 0).sum()) for miss in misses)
    joined = int((partial >= 0).sum())
    step = (
        f"The attempt that came farthest had {joined} of {len(partial)} members; of {len(vectors):,} users"
        f" {qualifying:,} qualify as the next."
    )
    if qualifying:
        return f"{step} They are too rare: raise sampling.max_draws or loosen the thresholds."
    best = min(range(len(misses)), key=lambda i: misses[i].min())
    nearest = int(misses[best].argmin())
    pairs = sample_similarities(vectors, 200_000, seed=0)
    advice = [
        f"thresholds.{name}.quantile={_quantile(pairs, value, name):.4g}"
        f" (similarity {value:.4f} where {limit:.4f} is asked)"
        for name, value, limit, short in (
            ("similar", needs[best][0][nearest], similar, needs[best][0][nearest] < similar),
            ("divergent", needs[best][1][nearest], divergent, needs[best][1][nearest] > divergent),
        )
        if short
    ]
    return (
        f"{step} The nearest one needs {' and '.join(advice)}; or ask for smaller groups or another linkage."
    )


def _needed_thresholds(
    vectors: NDArray[np.float32], family: Family, subgroups: list[NDArray[np.int64]], turn: int
) -> tuple[Values, Values]:
    """Return per user the highest ``similar`` and lowest ``divergent`` that let it join ``turn``."""
    highest = np.full(len(vectors), np.inf)
    lowest = np.full(len(vectors), -np.inf)
    for s, part in enumerate(subgroups):
        rule = family.within if s == turn else family.across
        if rule == Rule.any or not len(part):
            continue
        scores = 0.5 + 0.5 * (vectors @ vectors[part].T).astype(np.float64)
        if rule == Rule.similar:
            highest = np.minimum(highest, _link(scores, family.linkage, np.min, np.max))
        else:
            lowest = np.maximum(lowest, _link(scores, family.linkage, np.max, np.min))
    return highest, lowest


def _link(scores: Values, linkage: Linkage, strictest: Reduce, easiest: Reduce) -> Values:
    reduce: dict[Linkage, Reduce] = {Linkage.mean: np.mean, Linkage.all: strictest, Linkage.any: easiest}
    return np.asarray(reduce[linkage](scores, axis=1))


def _quantile(pairs: Values, value: float, name: str) -> float:
    """Share of pairs below a value, rounded towards the side that admits it."""
    share = float((pairs < value).mean()) if name == "similar" else float((pairs <= value).mean())
    return float(np.floor(share * 1e4) / 1e4 if name == "similar" else np.ceil(share * 1e4) / 1e4)
