"""Users as unit vectors: sums of their items' vectors, with the same bytes on every machine.

Sums run over a history in item order, as :mod:`elsa_groups.model.vectors` does it.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.model.elsa import Batch, elsa_loss
from elsa_groups.model.vectors import centred_rows, check_item_vectors, sum_and_normalise

ROWS_PER_TASK = 4096
ORDER_USERS = 1000
ORDER_SHUFFLES = 5
# Measured: 0.44 of the shuffled loss on Last.fm listeners (0.84 against 1.91), 0.68 there with 16 factors,
# 0.67 to 0.79 after a single epoch; of shuffled orders themselves the smallest of five is 0.99 of the mean.
ORDER_RATIO = 0.9


@dataclass(frozen=True)
class Embeddings:
    """Unit vectors of the users that have a direction.

    Attributes
    ----------
    vectors : (n, factors) float32
        Unit rows, to float32 precision.
    rows : (n,) int64
        Ascending rows of the interaction matrix that ``vectors`` belong to.
    n_without_history : int
        Users left out: no history, one whose item vectors sum to zero exactly, or one that is the mean of
        all where they are centred on it.
    """

    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    n_without_history: int


@dataclass(frozen=True)
class ItemOrder:
    """Mean ELSA loss of listeners, in [0, 4], in the order of items given and in shuffled ones.

    Attributes
    ----------
    loss : float
        In the order given.
    shuffled_losses : tuple of float
        In each shuffled order.
    """

    loss: float
    shuffled_losses: tuple[float, ...]


def embed_users(matrix: csr_array, encoder: NDArray[np.float32], *, threads: int | None = None) -> Embeddings:
    """Embed each user as the normalised sum of the vectors of the items in its history.

    Costs ``nnz * factors`` additions, shared among threads. Memory is the result, once more while
    users without a direction are taken out, and one float64 row per thread.

    Parameters
    ----------
    matrix : csr_array, shape (n_users, n_items)
        Histories; whatever is stored counts as one. Indices sorted within each row.
    encoder : (n_items, factors) float32
        Item vectors, finite, as the checkpoint gives them.
    threads : int, optional
        One for each core where none is given; the result does not depend on it.

    Returns
    -------
    Embeddings
        The users with a direction, in row order.

    Raises
    ------
    InputError
        If the numbers of items differ or ``encoder`` holds a value that is not finite.

    References
    ----------
    Vancura et al., "Scalable Linear Shallow Autoencoder for Collaborative Filtering", RecSys 2022,
    doi 10.1145/3523227.3551482: ``x A`` is what ELSA decodes a history from.
    """
    check_item_vectors(encoder, matrix.shape[1])
    encoder = np.ascontiguousarray(encoder, np.float32)
    ordered = matrix if matrix.has_sorted_indices else matrix.sorted_indices()
    vectors = np.empty((matrix.shape[0], encoder.shape[1]), np.float32)
    has_direction = np.empty(matrix.shape[0], np.bool_)

    def embed(start: int) -> None:
        stop = min(start + ROWS_PER_TASK, matrix.shape[0])
        sum_and_normalise(ordered.indptr, ordered.indices, encoder, start, stop, vectors, has_direction)

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        list(pool.map(embed, range(0, matrix.shape[0], ROWS_PER_TASK)))
    rows = np.flatnonzero(has_direction)
    n_without_history = matrix.shape[0] - len(rows)
    return Embeddings(vectors[rows] if n_without_history else vectors, rows, n_without_history)


def centre_users(embeddings: Embeddings, others: NDArray[np.float32]) -> Embeddings:
    """Take the mean of others, mostly the same users, from each: similarity tells how they differ from it.

    ELSA's item vectors, and so its users, share a direction that popular items hold: hardly any cosine
    is below zero. Centred, opposed tastes are.

    Returns
    -------
    Embeddings
        Unit rows again; who is the mean itself is left out.
    """
    vectors, has_direction = centred_rows(embeddings.vectors, others)
    n_without = embeddings.n_without_history + int((~has_direction).sum())
    return Embeddings(vectors[has_direction], embeddings.rows[has_direction], n_without)


def check_item_order(matrix: csr_array, encoder: NDArray[np.float32], *, seed: int) -> ItemOrder:
    """Check that the rows of item vectors are in the order of the matrix's columns.

    Item vectors in a wrong order still give plausible similarities; the loss of real listeners tells.
    In a wrong order the directions of prediction and history are nearly unrelated, whatever the data; a
    model that has learned anything does clearly better in the right one. This tells another sort from the
    right one, and is no proof: with half of the rows in place the loss is 0.8 of the shuffled one. Costs
    ``ORDER_SHUFFLES + 1`` losses of ``ORDER_USERS`` users, in float32.

    Parameters
    ----------
    matrix : csr_array, shape (n_users, n_items)
        Histories of ones; up to ``ORDER_USERS`` of them are drawn.
    encoder : (n_items, factors) float32
        Item vectors of any length.
    seed : int
        Of users and shuffles.

    Returns
    -------
    ItemOrder
        The losses compared.

    Raises
    ------
    InputError
        Unless the loss is below ``ORDER_RATIO`` of the smallest shuffled one.
    """
    check_item_vectors(encoder, matrix.shape[1])
    rng = np.random.default_rng(seed)
    n_users = min(ORDER_USERS, matrix.shape[0])
    users = rng.choice(matrix.shape[0], n_users, replace=False)
    batch = Batch.of(matrix[users], torch.device("cpu"))
    vectors = torch.from_numpy(encoder)
    shuffles = [torch.from_numpy(rng.permutation(len(encoder))) for _ in range(ORDER_SHUFFLES)]
    losses = [float(elsa_loss(rows, batch)) for rows in (vectors, *(vectors[order] for order in shuffles))]
    order = ItemOrder(losses[0], tuple(losses[1:]))
    if not order.loss < ORDER_RATIO * min(order.shuffled_losses):
        raise InputError(
            f"encoder: expected its rows in the order of the {len(encoder)} items of the data, with a loss "
            f"clearly below that of shuffled rows, got {order.loss:.3f} against "
            f"{min(order.shuffled_losses):.3f}; use a checkpoint trained on these data with sorted item ids "
            "and the same filter, or train one here"
        )
    return order
