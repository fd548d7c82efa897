"""What ELSA recommends, and how good the recommendations are."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.compiled import compiled
from elsa_groups.base.errors import InputError
from elsa_groups.model.top_k import insert

SCORES_PER_BLOCK = 2**24


def top_k(encoder: NDArray[np.float32], matrix_rows: csr_array, k: int) -> NDArray[np.int64]:
    """Rank the items that each user does not have by ELSA's prediction.

    Scores ``x A A^T`` are float32; the ``- x`` of the model touches a user's own items only, which are
    left out anyway. Items of equal score come in index order. Costs ``n * n_items * factors``
    multiplications, in blocks of at most ``SCORES_PER_BLOCK`` scores (64 MiB).

    Parameters
    ----------
    encoder : (n_items, factors) float32
        Item vectors.
    matrix_rows : csr_array, shape (n, n_items)
        Histories of ones.
    k : int
        Length of each ranking, at least 1.

    Returns
    -------
    (n, k) int64
        Items, best first; -1 where a user has fewer than ``k`` items left.

    Raises
    ------
    InputError
        If ``k`` is below 1 or the numbers of items differ.
    """
    n, n_items = matrix_rows.shape
    if k < 1:
        raise InputError(f"k: expected the length of a ranking, at least 1, got {k}; ask for 1 or more")
    if encoder.shape[0] != n_items:
        raise InputError(
            f"encoder: expected one row for each of the {n_items} items of the histories, got "
            f"{encoder.shape[0]}; use the checkpoint that was trained on these data"
        )
    ranking = np.empty((n, k), np.int64)
    step = max(1, SCORES_PER_BLOCK // n_items)
    for start in range(0, n, step):
        block = matrix_rows[start : start + step]
        scores = (block @ encoder) @ encoder.T
        scores[block.nonzero()] = -np.inf
        _select(scores, ranking[start : start + step])
    return ranking


def recall_at_k(ranking: NDArray[np.int64], targets: csr_array) -> float:
    """Share of the targets among the first k, of the at most k that can be there.

    Parameters
    ----------
    ranking : (n, k) int64
        Items, best first, as :func:`top_k` gives them.
    targets : csr_array, shape (n, n_items)
        Items held out.

    Returns
    -------
    float
        ``hits / min(k, n_targets)`` in [0, 1], averaged in float64 over the users with targets.

    Raises
    ------
    InputError
        If nobody has targets.

    References
    ----------
    Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018,
    doi 10.1145/3178876.3186150.
    """
    n_targets = _target_counts(targets)
    reachable = np.minimum(n_targets, ranking.shape[1])
    hits = _hits(ranking, targets).sum(axis=1)
    return float((hits[n_targets > 0] / reachable[n_targets > 0]).mean())


def ndcg_at_k(ranking: NDArray[np.int64], targets: csr_array) -> float:
    """Discounted hits among the first k, of the best possible (binary relevance, log2 discount).

    Parameters, errors and reference as :func:`recall_at_k`.

    Returns
    -------
    float
        nDCG in [0, 1], averaged in float64 over the users with targets.
    """
    n_targets = _target_counts(targets)
    k = ranking.shape[1]
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    best = np.cumsum(discount)[np.minimum(n_targets, k) - 1]
    gained = _hits(ranking, targets) @ discount
    return float((gained[n_targets > 0] / best[n_targets > 0]).mean())


def _target_counts(targets: csr_array) -> NDArray[np.int64]:
    """Count the targets of each user, refusing to average over nobody."""
    n_targets = np.diff(targets.indptr).astype(np.int64)
    if not n_targets.any():
        raise InputError(
            f"targets: expected at least one user with a held-out item, got none among {len(n_targets)}; "
            "enlarge val_ratio and test_ratio or keep users with longer histories"
        )
    return n_targets


def _hits(ranking: NDArray[np.int64], targets: csr_array) -> NDArray[np.bool_]:
    """Tell which places of a ranking hold a target, shape (n, k)."""
    n, n_items = targets.shape
    row_start = np.arange(n, dtype=np.int64)[:, None] * n_items
    target_rows, target_items = targets.nonzero()
    wanted = target_rows.astype(np.int64) * n_items + target_items
    # The padding -1 would otherwise read as the last item of the user before.
    return np.isin(row_start + ranking, wanted) & (ranking >= 0)


@compiled()
def _select(scores: NDArray[np.float32], ranking: NDArray[np.int64]) -> None:
    """Write the indices of the highest scores of each row, best first; -inf is never taken."""
    kept = np.empty(ranking.shape[1], np.float32)
    for row in range(scores.shape[0]):
        items = ranking[row]
        kept[:] = -np.inf
        items[:] = -1
        for item in range(scores.shape[1]):
            insert(kept, items, scores[row, item], item)
