"""What drawn groups are like: similarity inside them, pairs on the wrong side, overlap between them."""

from dataclasses import dataclass
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.groups.family import Rule
from elsa_groups.similarity.scores import reference_similarity

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Pairs of groups kept one by one; all others are only counted.
TOP_PAIRS = 10_000
# Entries of the overlap product in memory at a time, about 16 bytes each.
_ENTRIES_PER_BLOCK = 4_000_000

_SIMILAR, _DIVERGENT = int(Rule.similar), int(Rule.divergent)


@dataclass(frozen=True)
class Quality:
    """Similarity inside each group of a key.

    Attributes
    ----------
    similarity : NDArray[np.float64], shape (n_groups,)
        Mean over all pairs of members.
    within : NDArray[np.float64], shape (n_groups,)
        Mean over the pairs inside subgroups, pooled; NaN where no subgroup has a pair.
    across : NDArray[np.float64], shape (n_groups,)
        Mean over the pairs between subgroups; NaN where there is one subgroup.
    wrong_pairs : NDArray[np.int64], shape (n_groups,)
        Pairs on the wrong side of the threshold of their rule.
    """

    similarity: Floats
    within: Floats
    across: Floats
    wrong_pairs: Integers


def measure_quality(
    vectors: NDArray[np.float32],
    members: Integers,
    sizes: tuple[int, ...],
    *,
    within: Rule,
    across: Rule,
    similar: float,
    divergent: float,
) -> Quality:
    """Measure every group by the float64 reference similarities of its pairs.

    Parameters
    ----------
    vectors : (n_users, dim) float32
        Unit rows.
    members : (n_groups, size) int64
        Rows of ``vectors``, subgroup after subgroup.
    sizes : tuple of int
        Subgroup sizes.
    within, across : Rule
        What pairs inside subgroups, and between them, are judged by; ``any`` is never wrong.
    similar, divergent : float in [0, 1]
        Thresholds: a pair below ``similar`` is wrong by the rule similar, one above ``divergent`` by the
        rule divergent.

    Notes
    -----
    Cost: ``n_groups * size**2 / 2`` dot products.
    """
    overall, inside, between = (np.empty(len(members), np.float64) for _ in range(3))
    wrong = np.zeros(len(members), np.int64)
    subgroups = np.repeat(np.arange(len(sizes)), sizes)
    rules = int(within), int(across), similar, divergent
    _measure(vectors, members, subgroups, *rules, overall, inside, between, wrong)
    return Quality(overall, inside, between, wrong)


@numba.njit(cache=True, nogil=True)
def _measure(
    vectors, members, subgroups, within, across, similar, divergent, overall, inside, between, wrong
):
    for g in range(members.shape[0]):
        total_in = total_out = 0.0
        n_in = n_out = 0
        for i in range(members.shape[1]):
            for j in range(i + 1, members.shape[1]):
                value = reference_similarity(vectors, members[g, i], members[g, j])
                if subgroups[i] == subgroups[j]:
                    rule = within
                    total_in += value
                    n_in += 1
                else:
                    rule = across
                    total_out += value
                    n_out += 1
                if (rule == _SIMILAR and value < similar) or (rule == _DIVERGENT and value > divergent):
                    wrong[g] += 1
        overall[g] = (total_in + total_out) / (n_in + n_out)
        inside[g] = total_in / n_in if n_in else np.nan
        between[g] = total_out / n_out if n_out else np.nan


@dataclass(frozen=True)
class Overlap:
    """Users that the groups of a key share.

    Attributes
    ----------
    mean, maximum : float or None
        Of the member overlap ``|a & b| / size`` over all pairs of groups; None if there is one group.
    pairs_sharing : tuple of int
        How many pairs of groups share exactly 1, 2, ... size members.
    overlapping_pairs : int
        Pairs with an overlap of at least the threshold.
    duplicates : int
        Groups minus distinct sets of members.
    user_coverage : float in [0, 1]
        Distinct members over eligible users.
    participation_max : int
        Groups of the busiest user.
    participation_gini : float in [0, 1)
        Gini coefficient of the number of groups over all eligible users; 0 is perfectly even.
    top : NDArray[np.int64], shape (<= 10,000, 3)
        Columns group a < group b and shared members, most first, ties by group number.
    """

    mean: float | None
    maximum: float | None
    pairs_sharing: tuple[int, ...]
    overlapping_pairs: int
    duplicates: int
    user_coverage: float
    participation_max: int
    participation_gini: float
    top: Integers


def measure_overlap(members: Integers, *, n_users: int, threshold: float) -> Overlap:
    """Measure how much the groups of a key overlap.

    Parameters
    ----------
    members : (n_groups, size) int64
        Users in [0, n_users), none twice in a group.
    n_users : int
        Eligible users.
    threshold : float
        Overlap from which a pair counts as overlapping.

    Notes
    -----
    A sparse product of the incidence matrix with its transpose, in blocks of rows: cost and entries are
    the sum over users of their squared number of groups; memory is bounded.
    """
    n_groups, size = members.shape
    participation = np.bincount(members.ravel(), minlength=n_users)
    pairs_sharing, top = _shared_members(members, participation)
    n_pairs = n_groups * (n_groups - 1) // 2
    shared_in_all = int((participation * (participation - 1) // 2).sum())
    fewest = next(s for s in range(size + 2) if s / size >= threshold or s > size)
    distinct = len(np.unique(np.sort(members, axis=1), axis=0))
    return Overlap(
        mean=shared_in_all / size / n_pairs if n_pairs else None,
        maximum=float(pairs_sharing.nonzero()[0].max(initial=-1) + 1) / size if n_pairs else None,
        pairs_sharing=tuple(int(n) for n in pairs_sharing),
        overlapping_pairs=int(pairs_sharing[fewest - 1 :].sum()) if fewest else n_pairs,
        duplicates=n_groups - distinct,
        user_coverage=float((participation > 0).mean()),
        participation_max=int(participation.max()),
        participation_gini=_gini(participation),
        top=top,
    )


def _shared_members(members: Integers, participation: Integers) -> tuple[Integers, Integers]:
    """Count pairs of groups by shared members, and keep those that share most."""
    n_groups, size = members.shape
    incidence = csr_array(
        (np.ones(members.size, np.int32), members.ravel(), np.arange(0, members.size + 1, size)),
        shape=(n_groups, len(participation)),
    )
    by_user = incidence.T.tocsr()
    counts = np.zeros(size, np.int64)
    top = np.empty((0, 3), np.int64)
    for start, stop in _blocks(participation[members].sum(axis=1)):
        product = (incidence[start:stop] @ by_user).tocoo()
        first, second, shared = product.row + start, product.col, product.data
        upper = second > first
        counts += np.bincount(shared[upper], minlength=size + 1)[1:]
        # Later groups win no ties, so once the top is full only a higher share can enter it.
        upper &= shared > (top[-1, 2] if len(top) == TOP_PAIRS else 0)
        found = np.stack([first[upper], second[upper], shared[upper]], axis=1).astype(np.int64)
        candidates = np.concatenate([top, found])
        order = np.lexsort((candidates[:, 1], candidates[:, 0], -candidates[:, 2]))
        top = candidates[order[:TOP_PAIRS]]
    return counts, top


def _blocks(entries: Integers) -> list[tuple[int, int]]:
    """Split rows into ranges of bounded numbers of entries, at least a row each."""
    ends = np.cumsum(entries)
    edges = [0]
    while edges[-1] < len(entries):
        done = ends[edges[-1] - 1] if edges[-1] else 0
        edges.append(max(edges[-1] + 1, int(np.searchsorted(ends, done + _ENTRIES_PER_BLOCK, side="right"))))
    return list(pairwise(edges))


def _gini(counts: Integers) -> float:
    """``sum((2 i - n - 1) x_i) / (n sum x)`` over the ascending counts x_1 .. x_n."""
    n = len(counts)
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float((weights * np.sort(counts)).sum() / (n * counts.sum()))
