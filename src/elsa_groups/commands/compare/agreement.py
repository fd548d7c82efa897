"""Who several runs have in common: users that a type reaches, and groups that came out the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Members = NDArray[np.int64]
Shares = NDArray[np.float64]

# Pairs of runs grow with the square of runs, and so does what is compared and shown.
RUNS_UP_TO = 20


@dataclass(frozen=True, eq=False)
class Agreement:
    """What pairs of runs have in common of one group type.

    Attributes
    ----------
    key : str
        The group type.
    users : Shares, shape (n_runs, n_runs)
        Of the users that either run reaches the share that both reach (Jaccard).
    groups : Shares, shape (n_runs, n_runs)
        Of the distinct groups of the run that has fewer the share that the other one has, too; groups are
        sets of users.

    Notes
    -----
    Both are symmetric and 1 on the diagonal; NaN where a run lacks the type or has other users.
    """

    key: str
    users: Shares
    groups: Shares

    @property
    def is_defined(self) -> bool:
        """Whether any two runs can be compared."""
        return bool(np.isfinite(self.users[np.tril_indices(len(self.users), -1)]).any())


def measure_agreement(key: str, members: Sequence[Members | None], worlds: Sequence[str]) -> Agreement:
    """Compare the users and groups of a type between all pairs of runs.

    Parameters
    ----------
    key : str
        The group type.
    members : sequence of (n_groups, size) int64, or None
        For each run its groups, users numbered the same way in all runs; None where it lacks the type.
    worlds : sequence of str
        For each run what its users belong to: runs of different ones have none in common by definition.

    Notes
    -----
    Cost: sorting the groups of each run once, ``n_groups * size`` values, and merging two sorted arrays for
    each pair of runs. Memory: a copy of all members.
    """
    n_runs = len(members)
    users, groups = (np.full((n_runs, n_runs), np.nan) for _ in range(2))
    reached = [None if rows is None else np.unique(rows) for rows in members]
    distinct = [None if rows is None else np.unique(np.sort(rows, axis=1), axis=0) for rows in members]
    for one in range(n_runs):
        for other in range(one + 1):
            a, b, sets_a, sets_b = reached[one], reached[other], distinct[one], distinct[other]
            if a is None or b is None or sets_a is None or sets_b is None or worlds[one] != worlds[other]:
                continue
            common = len(np.intersect1d(a, b, assume_unique=True))
            users[one, other] = users[other, one] = common / (len(a) + len(b) - common)
            groups[one, other] = groups[other, one] = _share_of_fewer(sets_a, sets_b)
    return Agreement(key, users, groups)


def _share_of_fewer(a: Members, b: Members) -> float:
    if a.shape[1] != b.shape[1]:
        return 0.0
    # Both hold every group once, so that one that comes twice is in both.
    _, counts = np.unique(np.concatenate([a, b]), axis=0, return_counts=True)
    return float((counts == 2).sum() / min(len(a), len(b)))
