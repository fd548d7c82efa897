"""What users can be compared by, by name.

To add a source: a class of users (:class:`~elsa_groups.similarity.users.Users`), and an entry here that makes
them; its name, and what is told of it, go into :mod:`elsa_groups.similarity.names`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.model.embeddings import Embeddings
from elsa_groups.similarity.histories import have_similarity
from elsa_groups.similarity.history_users import HistoryUsers
from elsa_groups.similarity.names import SimilaritySource
from elsa_groups.similarity.users import Users
from elsa_groups.similarity.vector_users import VectorUsers

Rows = NDArray[np.int64]
# Those of the users asked for who can be compared, and by what.
Made = tuple[Embeddings, Users]


def make_users(source: SimilaritySource, histories: csr_array, embedded: Embeddings, asked: Rows) -> Made:
    """Return those of the users asked for who can be compared, and what they are compared by.

    Parameters
    ----------
    source : SimilaritySource
        What they are compared by.
    histories : csr_array, shape (n_users, n_items)
        Of all users of the data.
    embedded : Embeddings
        The users asked for who have an embedding.
    asked : (n,) int64
        Ascending rows of the users asked for.

    Returns
    -------
    Embeddings, Users
        The same users in both; who is compared by something else may have no embedding, and has a row of
        zeros.
    """
    return SOURCES[source](histories, embedded, asked)


def _by_embeddings(histories: csr_array, embedded: Embeddings, asked: Rows) -> Made:
    return embedded, VectorUsers(embedded.vectors)


def _by_histories(histories: csr_array, embedded: Embeddings, asked: Rows, *, source: str) -> Made:
    rows = asked[have_similarity(histories[asked], source)]
    vectors = np.zeros((len(rows), embedded.vectors.shape[1]), np.float32)
    has, places = np.isin(rows, embedded.rows), np.searchsorted(embedded.rows, rows)
    vectors[has] = embedded.vectors[places[has]]
    return Embeddings(vectors, rows, len(asked) - len(rows)), HistoryUsers.of(histories[rows], source)


SOURCES: dict[SimilaritySource, Callable[[csr_array, Embeddings, Rows], Made]] = {
    SimilaritySource.elsa: _by_embeddings,
    SimilaritySource.vectors: _by_embeddings,
    SimilaritySource.history_cosine: partial(_by_histories, source="history_cosine"),
    SimilaritySource.pearson: partial(_by_histories, source="pearson"),
    SimilaritySource.jaccard: partial(_by_histories, source="jaccard"),
}
