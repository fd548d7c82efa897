"""Say why a family cannot be filled, and which thresholds would fill it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.similarity.ranks import ONE, Ranks
from elsa_groups.similarity.scores import reference_similarities
from elsa_groups.similarity.thresholds import share_of_pairs

Values = NDArray[np.float64]
Members = NDArray[np.int64]
Reduce = Callable[..., Any]


def explain_starvation(
    vectors: NDArray[np.float32],
    family: Family,
    sizes: tuple[int, ...],
    attempt: Members,
    *,
    similar: float,
    divergent: float,
    threads: int = 1,
    ranks: Ranks = ONE,
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
    attempt : (size,) int64
        Members of the attempt that came farthest by position, -1 where nobody joined.
    similar, divergent : float
        Thresholds on similarity.
    threads : int
        Threads that count the pairs of users on either side of a needed threshold.
    ranks : Ranks
        Processes that share these pairs; all must explain the same attempt.

    Returns
    -------
    str
        The step, how many users qualify for it, and the thresholds that would admit the nearest one:
        one step further, so that filling the family may take several rounds.
    """
    joined = attempt[attempt >= 0]
    if len(joined) == len(attempt):
        return "Others could: those who qualify are rare. " + _ALLOW_MORE
    subgroups = [part[part >= 0] for part in np.split(attempt, np.cumsum(sizes)[:-1])]
    open_ones = [s for s, part in enumerate(subgroups) if len(part) < sizes[s]]
    needs = [_needed_thresholds(vectors, family, subgroups, s) for s in open_ones]
    misses = np.array([np.maximum(similar - highest, lowest - divergent) for highest, lowest in needs])
    misses[:, joined] = np.inf
    qualifying = int((misses <= 0).any(axis=0).sum())
    step = (
        f"The attempt that came farthest had {len(joined)} of {len(attempt)} members; of {len(vectors):,}"
        f" users {qualifying:,} qualify as the next."
    )
    if qualifying:
        return f"{step} They are rare. {_ALLOW_MORE}"
    turn, user = np.unravel_index(misses.argmin(), misses.shape)
    highest, lowest = needs[int(turn)][0][user], needs[int(turn)][1][user]
    advice = []
    if highest < similar:
        advice.append(_advise_similar(vectors, float(highest), similar, threads, ranks))
    if lowest > divergent:
        advice.append(_advise_divergent(vectors, float(lowest), divergent, threads, ranks))
    return (
        f"{step} The nearest one needs {' and '.join(advice)}; or ask for smaller groups or another linkage."
    )


_ALLOW_MORE = "Raise sampling.max_draws (null: no bound), sampling.max_restarts, or loosen the thresholds."


def _advise_similar(
    vectors: NDArray[np.float32], value: float, limit: float, threads: int, ranks: Ranks
) -> str:
    """Return the settings that put the similar threshold at or below a value."""
    share = share_of_pairs(vectors, value, threads=threads, ranks=ranks)
    # The last order statistic that is not above the value, rounded to the side that admits it.
    quantile = math.floor((share.not_above - share.margin) * 1e4) / 1e4
    settings = [f"thresholds.similar.quantile={quantile:.4g}"] if quantile >= 0 else []
    return _either([*settings, f"thresholds.similar.value={math.floor(value * 1e6) / 1e6}"], value, limit)


def _advise_divergent(
    vectors: NDArray[np.float32], value: float, limit: float, threads: int, ranks: Ranks
) -> str:
    """Return the settings that put the divergent threshold at or above a value."""
    share = share_of_pairs(vectors, value, threads=threads, ranks=ranks)
    quantile = math.ceil((share.below + share.margin) * 1e4) / 1e4
    settings = [f"thresholds.divergent.quantile={quantile:.4g}"] if quantile <= 1 else []
    return _either([*settings, f"thresholds.divergent.value={math.ceil(value * 1e6) / 1e6}"], value, limit)


def _either(settings: list[str], value: float, limit: float) -> str:
    return f"{' or '.join(settings)} (similarity {value:.4f} where {limit:.4f} is asked)"


def _needed_thresholds(
    vectors: NDArray[np.float32], family: Family, subgroups: list[Members], turn: int
) -> tuple[Values, Values]:
    """Return per user the highest ``similar`` and lowest ``divergent`` that let it join ``turn``."""
    highest = np.full(len(vectors), np.inf)
    lowest = np.full(len(vectors), -np.inf)
    everybody = np.arange(len(vectors))
    for s, part in enumerate(subgroups):
        rule = family.within if s == turn else family.across
        if rule == Rule.any or not len(part):
            continue
        scores = np.array(
            [reference_similarities(vectors, everybody, np.full_like(everybody, m)) for m in part]
        )
        if rule == Rule.similar:
            highest = np.minimum(highest, _link(scores, family.linkage, np.min, np.max))
        else:
            lowest = np.maximum(lowest, _link(scores, family.linkage, np.max, np.min))
    return highest, lowest


def _link(scores: Values, linkage: Linkage, strictest: Reduce, easiest: Reduce) -> Values:
    reduce: dict[Linkage, Reduce] = {Linkage.mean: np.mean, Linkage.all: strictest, Linkage.any: easiest}
    return np.asarray(reduce[linkage](scores, axis=0))
