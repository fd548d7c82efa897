"""Recommenders whose scores of members are aggregated: the parent run's model, and controls of grouprec.

Each is a backend as grouprec asks for: ``fit(dataset)`` and ``score(users) -> (n_users, n_items)``. Users are
rows of the data, and items those that some training history has, numbered as the export for grouprec does.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from grouprec import Dataset
from grouprec.aggregators import Aggregator, GFARAggregator, SequentialAggregator, available
from grouprec.aggregators import get as get_aggregator
from grouprec.backends import EASE, ItemKNN, Popularity
from grouprec.backends import Random as RandomScores
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.commands.export.group_histories import KnownHistories
from elsa_groups.settings.commands import Recommender
from elsa_groups.tracking.parent import Parent

log = logging.getLogger("elsa_groups.cli")

Floats = NDArray[np.float64]

# grouprec's EASE and ItemKNN hold several dense matrices of items by items.
_MOST_ITEMS = 10_000


class Backend(Protocol):
    """What grouprec calls a base recommender, here fitted."""

    def fit(self, dataset: Any) -> "Backend":
        """Learn from training histories."""

    def score(self, users: Sequence[int]) -> Floats:
        """Score all items for some users, (n_users, n_items)."""


class ELSAScores:
    """Scores ``x A A^T - x`` of the parent's ELSA for training histories x, in float64.

    Parameters
    ----------
    histories : csr_array, shape (n_users, n_items)
        Training histories of ones.
    encoder : (n_items, factors) float32
        Item vectors.
    """

    def __init__(self, histories: csr_array, encoder: NDArray[np.float32]) -> None:
        self._histories, self._encoder = histories, encoder.astype(np.float64)

    def fit(self, _: Any) -> "ELSAScores":
        """Do nothing: it was trained with its run."""
        return self

    def score(self, users: Sequence[int]) -> Floats:
        """Score all items for some users."""
        rows = self._histories[np.asarray(users, np.int64)].astype(np.float64)
        scores: Floats = (rows @ self._encoder) @ self._encoder.T - rows.toarray()
        return scores


class VectorScores:
    """Dot products of the user and item vectors that another model gave.

    Parameters
    ----------
    vectors : (n_known, dim) float32
        Unit vectors of users; a user's scores are ordered as by a vector of any length.
    rows : (n_known,) int64
        Ascending: whose they are.
    items : (n_items, dim) float32
        Item vectors.
    """

    def __init__(self, vectors: NDArray[np.float32], rows: NDArray[np.int64], items: NDArray[np.float32]):
        self._vectors, self._rows, self._items = vectors, rows, items.astype(np.float64)

    def fit(self, _: Any) -> "VectorScores":
        """Do nothing: the vectors are given."""
        return self

    def score(self, users: Sequence[int]) -> Floats:
        """Score all items for some users, who have vectors."""
        places = np.searchsorted(self._rows, np.asarray(users, np.int64))
        scores: Floats = self._vectors[places].astype(np.float64) @ self._items.T
        return scores


class FixedRandom(RandomScores):
    """grouprec's Random, but every user has the same scores whenever they are asked for.

    grouprec's own gives the i-th user of each call the i-th row: alone, every member has the scores of the
    first, so that the decoupled protocol would compare lists with somebody else's.
    """

    def score(self, users: Sequence[int], items: Sequence[int] | None = None) -> Floats:
        """Score all items, or some, for some users, by seed and user alone."""
        columns = self._item_cols(items)
        rows = [
            np.random.default_rng([self.seed or 0, int(user)]).random(self.dataset_.n_items) for user in users
        ]
        scores: Floats = np.array(rows)[:, columns]
        return scores


class GFARUnseen(GFARAggregator):
    """GFAR whose 20 relevant items of each member are taken among those that may be recommended.

    grouprec's own takes them among all items, seen ones included, which it may not recommend: of 20 items
    few are left, and equal scores of 0 fill the list by the order of items.
    """

    name = "GFARUnseen"

    def aggregate(self, scores: Floats, k: int, *, exclude: Iterable[int] | None = None) -> NDArray[np.int64]:
        """Return the first k items by GFAR, as if there were no others than those that are left."""
        left = np.setdiff1d(np.arange(scores.shape[1]), [*(exclude or ())])
        chosen: NDArray[np.int64] = left[super().aggregate(scores[:, left], k)]
        return chosen


def training_dataset(histories: KnownHistories) -> Dataset:
    """Return training histories as grouprec's Dataset."""
    users, items = histories.train.nonzero()
    return Dataset(pd.DataFrame({"user": users.astype(np.int64), "item": items.astype(np.int64)}))


def find_backends(
    asked: Sequence[Recommender], histories: KnownHistories, parent: Parent | None, *, seed: int
) -> tuple[dict[str, Backend], dict[str, str]]:
    """Return the recommenders asked for, fitted, and why others are left out, by name.

    Raises
    ------
    InputError
        If none is left.
    """
    dataset, n_items = training_dataset(histories), len(histories.items)
    made: dict[Recommender, Callable[[], Backend]] = {
        Recommender.EASE: EASE,
        Recommender.ItemKNN: ItemKNN,
        Recommender.Popularity: Popularity,
        Recommender.Random: lambda: FixedRandom(seed),
    }
    found: dict[str, Backend] = {}
    absent: dict[str, str] = {}
    for name in asked:
        if name == Recommender.parent:
            if parent is None or not parent.encoder.shape[1]:
                absent[name] = "the parent has no item vectors, by which it would recommend"
                continue
            found[name] = _parent_scores(parent, histories)
        elif name in (Recommender.EASE, Recommender.ItemKNN) and n_items > _MOST_ITEMS:
            absent[name] = f"it would hold matrices of {n_items:,} by {n_items:,} items"
        else:
            found[name] = made[name]().fit(dataset)
    for recommender, reason in absent.items():
        log.warning("%s is left out: %s", recommender, reason)
    if not found:
        raise InputError(f"recommenders: none is left ({'; '.join(absent.values())}); add Popularity")
    return found, absent


def _parent_scores(parent: Parent, histories: KnownHistories) -> Backend:
    items = parent.encoder[histories.items]
    if parent.given is None:
        return ELSAScores(histories.train, items)
    return VectorScores(parent.given.vectors, parent.given.rows, items)


def find_aggregators(names: Sequence[str]) -> dict[str, Aggregator]:
    """Return aggregators by their names in grouprec.

    Raises
    ------
    InputError
        If there is no such aggregator, or it needs several rounds.
    """
    known = [*available(), GFARUnseen.name]
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"aggregators: expected some of {', '.join(known)}, got {unknown[0]}; correct it")
    found = {name: GFARUnseen() if name == GFARUnseen.name else get_aggregator(name) for name in names}
    for name, aggregator in found.items():
        if isinstance(aggregator, SequentialAggregator):
            raise InputError(f"aggregators: expected those of a single list, got {name}, which is of several")
    return found
