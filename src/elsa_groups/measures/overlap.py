"""Member overlap: users that groups share, and how often each user takes part."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.measures.similarity import check_members

Integers = NDArray[np.int64]

# Pairs of groups kept one by one; all others are only counted.
TOP_PAIRS = 10_000
# Entries of the overlap product in memory at a time, at most 80 bytes each with all that is made of them.
_ENTRIES_PER_BLOCK = 2_000_000


@dataclass(frozen=True)
class Overlap:
    """Users that the groups of a type share.

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
        Gini coefficient of the numbers of groups x_1 <= ... <= x_n of all n eligible users,
        ``sum((2 i - n - 1) x_i) / (n sum x)``: 0 if all take part equally, 1 - 1/n if one takes it all.
    top : NDArray[np.int64], shape (<= 10,000, 3)
        The pairs that share most: columns group a < group b and shared members >= 1, most first, ties by
        group numbers.
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
    """Measure how much the groups of a type overlap.

    Parameters
    ----------
    members : (n_groups, size) int64 in [0, n_users)
        Users, none twice in a group.
    n_users : int
        Eligible users.
    threshold : float in [0, 1]
        Overlap from which a pair counts as overlapping.

    Raises
    ------
    ValueError
        If ``members`` is not as described.

    Notes
    -----
    A sparse product of the incidence matrix with its transpose, in blocks of rows. Cost: the sum over
    users of their squared number of groups. Memory: 0.2 GB for the block, beside a few copies of
    ``members``; a block holds at least one group, which overlaps ``n_groups`` others at most.
    """
    check_members(members, n_users)
    n_groups, size = members.shape
    n_pairs = n_groups * (n_groups - 1) // 2
    participation = np.bincount(members.ravel(), minlength=n_users)
    pairs, top = _shared_members(members, participation)
    shared = np.arange(size + 1)
    return Overlap(
        mean=int(pairs @ shared) / (size * n_pairs) if n_pairs else None,
        maximum=int(pairs.nonzero()[0][-1]) / size if n_pairs else None,
        pairs_sharing=tuple(pairs[1:].tolist()),
        overlapping_pairs=int(pairs[shared / size >= threshold].sum()),
        duplicates=n_groups - len(np.unique(np.sort(members, axis=1), axis=0)),
        user_coverage=float((participation > 0).mean()),
        participation_max=int(participation.max()),
        participation_gini=_gini(participation),
        top=top,
    )


def _shared_members(members: Integers, participation: Integers) -> tuple[Integers, Integers]:
    """Count pairs of groups by shared members (0, 1, ... size), and list those that share most."""
    n_groups, size = members.shape
    incidence = csr_array(
        (np.ones(members.size, np.int32), members.ravel(), np.arange(0, members.size + 1, size)),
        shape=(n_groups, len(participation)),
    )
    by_user = incidence.T.tocsr()
    pairs = np.zeros(size + 1, np.int64)
    # A pair as one number that sorts as wanted: most shared members first, then by group numbers.
    ranks = np.empty(0, np.int64)
    for start, stop in _blocks(participation[members].sum(axis=1)):
        product = (incidence[start:stop] @ by_user).tocoo()
        upper = product.col > product.row + start
        first, second, shared = (a[upper].astype(np.int64) for a in (product.row, product.col, product.data))
        pairs += np.bincount(shared, minlength=size + 1)
        found = ((size - shared) * n_groups + first + start) * n_groups + second
        ranks = _smallest(np.concatenate([ranks, found]), TOP_PAIRS)
    pairs[0] = n_groups * (n_groups - 1) // 2 - pairs.sum()
    rest, second = np.divmod(np.sort(ranks), n_groups)
    missing, first = np.divmod(rest, n_groups)
    return pairs, np.stack([first, second, size - missing], axis=1)


def _smallest(values: Integers, count: int) -> Integers:
    return values if len(values) <= count else np.partition(values, count)[:count]


def _blocks(entries: Integers) -> list[tuple[int, int]]:
    """Split rows into ranges that hold a bounded number of entries, and at least one row."""
    ends = np.cumsum(entries)
    edges = [0]
    while edges[-1] < len(entries):
        done = ends[edges[-1] - 1] if edges[-1] else 0
        edges.append(max(edges[-1] + 1, int(np.searchsorted(ends, done + _ENTRIES_PER_BLOCK, side="right"))))
    return list(pairwise(edges))


def _gini(counts: Integers) -> float:
    """Gini coefficient ``sum((2 i - n - 1) x_i) / (n sum x)`` of the ascending counts x_1 .. x_n."""
    n = len(counts)
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float((weights * np.sort(counts)).sum() / (n * counts.sum()))
