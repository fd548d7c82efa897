"""What ELSA recommends to each user, the same items on every machine."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.compiled import compiled
from elsa_groups.base.errors import InputError
from elsa_groups.base.precision import full_float32
from elsa_groups.base.progress import progress
from elsa_groups.model.top_k import insert
from elsa_groups.model.vectors import check_item_vectors, dot_error, reference_dot

# Float32 scores that a thread holds at a time: 16 MiB.
SCORES_PER_BLOCK = 2**22


def top_items(
    vectors: NDArray[np.float32],
    encoder: NDArray[np.float32],
    histories: csr_array,
    k: int = 20,
    *,
    users: NDArray[np.int64] | None = None,
    threads: int = 1,
) -> NDArray[np.int32]:
    """Rank the items that a user does not have by ELSA's prediction, and keep the first k.

    The prediction ``x A A^T - x`` of history x ranks the items outside of it as ``v A^T`` does, v being the
    user's unit embedding. The *score* of an item is the dot product of both float32 rows, products and sum
    in float64 in index order, which is the same everywhere. A float32 product finds the items that may be
    among the first k, as its error is bounded; scores order those.

    Parameters
    ----------
    vectors : (n_users, factors) float32
        Unit embeddings, zero for users who have none.
    encoder : (n_items, factors) float32
        Item vectors of any length, finite.
    histories : csr_array, shape (n_users, n_items)
        What the users have, and are not recommended.
    k : int
        Length of each ranking, at least 1.
    users : (n,) int64 in [0, n_users), optional
        Whom to rank for, all by default.
    threads : int
        Workers; the result does not depend on it.

    Returns
    -------
    (n, k) int32
        Items by descending score, equal ones by ascending row; -1 where a user has fewer than ``k`` left,
        and for users without an embedding, to whom no item is nearer than another.

    Raises
    ------
    InputError
        If ``k`` is below 1, or item vectors are not finite or not as many as items.

    Notes
    -----
    Cost: ``n * n_items * factors`` multiply-adds in float32. Memory: the result, the item vectors once more
    and 16 MiB a thread; never ``n * n_items``.
    """
    n_items = histories.shape[1]
    if k < 1:
        raise InputError(f"k: expected the length of a ranking, at least 1, got {k}; ask for 1 or more")
    check_item_vectors(encoder, n_items)
    users = np.arange(len(vectors)) if users is None else users
    rows = np.ascontiguousarray(encoder, np.float32)
    columns = torch.from_numpy(rows).T
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    doubt = 2.0 * dot_error(rows.shape[1]) * float(norms.max(initial=0.0))
    top = np.empty((len(users), k), np.int32)
    step = max(1, SCORES_PER_BLOCK // n_items)

    def rank(start: int) -> None:
        torch.set_num_threads(1)
        block = users[start : start + step]
        scores = torch.mm(torch.from_numpy(vectors[block]), columns).numpy()
        part = top[start : start + step]
        best = np.empty(k, np.float32), np.empty(k, np.float64), np.empty(k, np.int32)
        part[:] = -1
        known = np.flatnonzero(vectors[block].any(axis=1))
        _select(scores, vectors, rows, histories.indptr, histories.indices, block, known, doubt, *best, part)

    _run(rank, range(0, len(users), step), threads)
    return top


def _run(rank: Callable[[int], None], starts: range, threads: int) -> None:
    """Rank blocks of users, one thread each, so that no product competes with another's threads."""
    torch_threads = torch.get_num_threads()
    with full_float32(), ThreadPoolExecutor(threads) as pool:
        try:
            blocks = pool.map(rank, starts)
            for _ in progress(blocks, label="top items", unit="block", total=len(starts)):
                pass
        except BaseException:
            # What has not begun would otherwise be waited for.
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            torch.set_num_threads(torch_threads)


@compiled()
def _select(scores, vectors, encoder, indptr, indices, users, known, doubt, fast, kept, unused, top):
    """Write the first items of the known users of a block by reference score, found by the float32 scores.

    An item among the first k by reference has a float32 score of at least the k-th highest minus ``doubt``,
    twice the error of a score.
    """
    k = top.shape[1]
    for row in known:
        user, items = users[row], top[row]
        for position in range(indptr[user], indptr[user + 1]):
            scores[row, indices[position]] = -np.inf
        fast[:] = -np.inf
        for item in range(scores.shape[1]):
            insert(fast, unused, scores[row, item], item)
        least = np.float64(fast[k - 1]) - doubt
        kept[:] = -np.inf
        for item in range(scores.shape[1]):
            # Where fewer than k items are left, the least is -inf as well.
            if scores[row, item] >= least and scores[row, item] > -np.inf:
                insert(kept, items, reference_dot(vectors, user, encoder, item), item)
