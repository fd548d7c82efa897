"""What ELSA recommends to each user, the same items on every machine."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

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

# 256 x 1024 float32 scores are 1 MiB: they stay in a core's cache between product and scan.
USERS_PER_BLOCK, ITEMS_PER_TILE = 256, 1024
# Items of a user that wait for their reference scores.
ITEMS_WAITING = 256


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
    Cost: ``n * n_items * factors`` multiply-adds in float32. Memory: the result and 2 MiB a thread; never
    ``n * n_items``.
    """
    n_items = histories.shape[1]
    if k < 1:
        raise InputError(f"k: expected the length of a ranking, at least 1, got {k}; ask for 1 or more")
    check_item_vectors(encoder, n_items)
    users = np.arange(len(vectors)) if users is None else users
    ordered = histories if histories.has_sorted_indices else histories.sorted_indices()
    rows = np.ascontiguousarray(encoder, np.float32)
    tiles = [(first, rows[first : first + ITEMS_PER_TILE]) for first in range(0, n_items, ITEMS_PER_TILE)]
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    doubt = 2.0 * dot_error(rows.shape[1]) * float(norms.max(initial=0.0))
    top = np.full((len(users), k), -1, np.int32)

    def rank(start: int) -> None:
        torch.set_num_threads(1)
        block = users[start : start + USERS_PER_BLOCK]
        left = vectors[block]
        search = _Search.begin(left, top[start : start + USERS_PER_BLOCK], ordered.indptr[block])
        indices, ends = ordered.indices, ordered.indptr[block + 1]
        room = torch.empty(len(block) * min(n_items, ITEMS_PER_TILE))
        for first, right in tiles:
            tile = room[: len(block) * len(right)].view(len(block), len(right))
            torch.mm(torch.from_numpy(left), torch.from_numpy(right).T, out=tile)
            _scan(tile.numpy(), first, left, rows, indices, ends, doubt, search)
        _settle(0, len(block), left, rows, doubt, search)

    _run(rank, range(0, len(users), USERS_PER_BLOCK), threads)
    return top


class _Search(NamedTuple):
    """What is known of the first k items of a block of users.

    Attributes
    ----------
    fast : (n, k) float32
        The highest float32 scores so far, descending.
    waiting_scores, waiting : (n, ITEMS_WAITING) float32 and int32
        Float32 scores and numbers of items that may be among the first k, ascending by number.
    n_waiting : (n,) int64
        How many of them there are.
    best : (n, k) float64
        Reference scores of the first k among the items that no longer wait, descending.
    top : (n, k) int32
        Their numbers.
    at : (n,) int64
        Where in the histories the next item of each user is.
    """

    fast: NDArray[np.float32]
    waiting_scores: NDArray[np.float32]
    waiting: NDArray[np.int32]
    n_waiting: NDArray[np.int64]
    best: NDArray[np.float64]
    top: NDArray[np.int32]
    at: NDArray[np.int64]

    @classmethod
    def begin(
        cls, vectors: NDArray[np.float32], top: NDArray[np.int32], at: NDArray[np.integer]
    ) -> "_Search":
        n, k = top.shape
        fast = np.full((n, k), -np.inf, np.float32)
        # No score is high enough for who has no embedding.
        fast[~vectors.any(axis=1)] = np.inf
        waiting = np.empty((n, ITEMS_WAITING), np.float32), np.empty((n, ITEMS_WAITING), np.int32)
        best = np.full((n, k), -np.inf)
        return cls(fast, *waiting, np.zeros(n, np.int64), best, top, at.astype(np.int64))


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
def _scan(tile, first, vectors, encoder, indices, ends, doubt, search):
    """Let those items of a tile wait that may be among a user's first k; ``first`` is the tile's first item.

    An item among the first k by reference has a float32 score of at least the k-th highest minus ``doubt``,
    twice the error of a score.
    """
    k = search.fast.shape[1]
    unused = np.empty(k, np.int32)
    for row in range(tile.shape[0]):
        scores, fast = tile[row], search.fast[row]
        while search.at[row] < ends[row] and indices[search.at[row]] < first + scores.shape[0]:
            scores[indices[search.at[row]] - first] = -np.inf
            search.at[row] += 1
        least = np.float64(fast[k - 1]) - doubt
        for j in range(scores.shape[0]):
            # Where fewer than k items have come, the least is -inf as well.
            if scores[j] >= least and scores[j] > -np.inf:
                if search.n_waiting[row] == search.waiting.shape[1]:
                    _settle(row, row + 1, vectors, encoder, doubt, search)
                search.waiting_scores[row, search.n_waiting[row]] = scores[j]
                search.waiting[row, search.n_waiting[row]] = first + j
                search.n_waiting[row] += 1
                insert(fast, unused, scores[j], first + j)
                least = np.float64(fast[k - 1]) - doubt


@compiled()
def _settle(first, last, vectors, encoder, doubt, search):
    """Put the waiting items of some users, if their scores are high enough, in their places by reference."""
    for row in range(first, last):
        least = np.float64(search.fast[row, search.fast.shape[1] - 1]) - doubt
        for waiting in range(search.n_waiting[row]):
            if search.waiting_scores[row, waiting] >= least:
                item = np.int64(search.waiting[row, waiting])
                insert(search.best[row], search.top[row], reference_dot(vectors, row, encoder, item), item)
        search.n_waiting[row] = 0
