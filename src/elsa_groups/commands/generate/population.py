"""Whom groups are drawn from, and by which part of their histories."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.digests import array_digest
from elsa_groups.base.distributed import Ranks
from elsa_groups.base.errors import InputError
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.split import Split, hold_out
from elsa_groups.groups.candidates import Lookup
from elsa_groups.groups.chosen_users import rows_of_ids, rows_of_set, sample_rows
from elsa_groups.model.embeddings import Embeddings, centre_users, embed_users
from elsa_groups.model.recommendations import top_items
from elsa_groups.settings.commands import Center, GenerateSettings, History, SimilaritySettings
from elsa_groups.similarity.sources import make_users
from elsa_groups.similarity.users import Users


@dataclass(frozen=True, eq=False)
class Chosen:
    """Users that a run is about.

    Attributes
    ----------
    drawn : (n,) int64
        Ascending rows of those that groups are drawn from.
    compared : (m,) int64
        Ascending rows of those whose pairs make the thresholds.
    trained : (n_users,) bool or None
        Whom of all users the parent was trained on; None where it does not say, and on ranks other than 0.
    listed : bytes or None
        Content of the file of ids, where one was given; on rank 0 alone.
    given : Embeddings or None
        Unit vectors of users, by the rows of the data, where another model gave them; otherwise users are the
        sums of their items' vectors.
    """

    drawn: NDArray[np.int64]
    compared: NDArray[np.int64]
    trained: NDArray[np.bool_] | None = None
    listed: bytes | None = field(default=None, repr=False)
    given: Embeddings | None = field(default=None, repr=False)

    def sent(self, ranks: Ranks) -> "Chosen":
        """Return on every rank what rank 0 has of the rows and vectors."""
        drawn, compared = (ranks.broadcast(rows) for rows in (self.drawn, self.compared))
        return Chosen(drawn, compared, self.trained, self.listed, _send_vectors(self.given, ranks))


def _send_vectors(given: Embeddings | None, ranks: Ranks) -> Embeddings | None:
    """Return on every rank the vectors that rank 0 has, if it has any."""
    if ranks.size == 1:
        return given
    there = given or Embeddings(np.empty((0, 0), np.float32), np.empty(0, np.int64), 0)
    n_without = int(ranks.broadcast(np.array([there.n_without_history if given else -1]))[0])
    if n_without < 0:
        return None
    rows, numbers = ranks.broadcast(there.rows), ranks.broadcast(there.vectors.reshape(-1))
    return Embeddings(numbers.reshape(len(rows), -1), rows, n_without)


@dataclass(frozen=True, eq=False)
class Population:
    """Users as their groups are drawn and measured.

    Attributes
    ----------
    embeddings : Embeddings
        Users that can be drawn, by the rows of the data.
    users : Users
        The same users by what they are compared by: their vectors or their histories.
    compared : Users
        The users whose pairs make the thresholds, likewise.
    uncentred : (n, factors) float32
        ELSA's own unit vectors of the users that can be drawn, by which it recommends, whatever they are
        compared by.
    histories : csr_array, shape (n_users, n_items)
        What is looked at of the history of every user of the data: all of it, or its inputs. Without columns
        where nothing is known of histories.
    targets : csr_array, shape (n_users, n_items), or None
        What is held out of every history; None where nothing is. Nothing may look at it but the filter
        ``min_common_items`` with scope ``targets``.
    chosen : Chosen
        Who was asked for.
    encoder : (n_items, factors) float32
        Item vectors of the parent; without columns where nothing recommends.
    lookup : Lookup
        What filters look up of the users that can be drawn, whose histories it holds, a row each.
    """

    embeddings: Embeddings
    users: Users
    compared: Users
    uncentred: NDArray[np.float32]
    histories: csr_array
    targets: csr_array | None
    chosen: Chosen
    encoder: NDArray[np.float32]
    lookup: Lookup

    @property
    def makes_thresholds(self) -> bool:
        """Whether the pairs of the users that can be drawn make the thresholds."""
        return self.compared is self.users

    @property
    def has_histories(self) -> bool:
        """Whether anything is known of histories."""
        return bool(self.histories.shape[1])

    def take(self, rows: NDArray[np.int64]) -> "Population":
        """Return some of the users that can be drawn; they make the thresholds where all of them did."""
        embeddings, users = self.embeddings, self.users.take(rows)
        vectors = embeddings.vectors[rows]
        shared = self.uncentred is embeddings.vectors
        return replace(
            self,
            embeddings=replace(embeddings, vectors=vectors, rows=embeddings.rows[rows]),
            users=users,
            compared=users if self.makes_thresholds else self.compared,
            uncentred=vectors if shared else self.uncentred[rows],
            lookup=self.lookup.take(rows),
        )

    def with_top_items(self, *, threads: int) -> "Population":
        """Return the population with what is recommended to everybody looked up, if anything recommends."""
        if not self.encoder.shape[1]:
            return self
        top = top_items(self.uncentred, self.encoder, self.lookup.histories, threads=threads)
        return replace(self, lookup=replace(self.lookup, top_items=top))

    def trained_share(self, members: NDArray[np.int64]) -> float | None:
        """Return the share of members, places in ``embeddings``, that the parent was trained on, if known."""
        trained = self.chosen.trained
        return None if trained is None else float(trained[self.embeddings.rows[members]].mean())

    def record(self) -> dict[str, Any]:
        """Describe who could be drawn, for the lineage record."""
        rows, trained, listed = self.embeddings.rows, self.chosen.trained, self.chosen.listed
        return {
            "n_users": len(rows),
            "sha256": array_digest(rows),
            "n_trained": None if trained is None else int(trained[rows].sum()),
            "file_sha256": None if listed is None else hashlib.sha256(listed).hexdigest(),
        }


def read_user_file(given: str | None) -> bytes | None:
    """Return the content of the file of ids, if one was given.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if given is None:
        return None
    try:
        return Path(given).expanduser().read_bytes()
    except OSError as error:
        raise InputError(f"user_file: expected a file of user ids, one a line, got {error}") from error


def choose_users(
    settings: GenerateSettings, interactions: Interactions, split: Split | None, listed: bytes | None
) -> Chosen:
    """Choose the users that settings ask for.

    Parameters
    ----------
    settings : GenerateSettings
        What is asked for.
    interactions : Interactions
        The data.
    split : Split or None
        The parent's, where it has one.
    listed : bytes or None
        From :func:`read_user_file`.

    Raises
    ------
    InputError
        If the parent has no split to choose by, an id is unknown, or too few users are left.
    """
    n_users = interactions.n_users
    if listed is not None:
        drawn = rows_of_ids(listed, interactions.user_ids)
    else:
        drawn = rows_of_set(settings.user_set, n_users, split)
    if settings.user_sample is not None:
        drawn = sample_rows(drawn, settings.user_sample, seed=settings.seed)
    asked = settings.thresholds.users
    compared = drawn if asked is None else rows_of_set(asked, n_users, split)
    _check_enough(settings, len(drawn), len(compared))
    trained = None if split is None else np.isin(np.arange(n_users), split.train)
    return Chosen(drawn, compared, trained, listed)


def _check_enough(settings: GenerateSettings, n_drawn: int, n_compared: int) -> None:
    """Refuse sets that are too small, by their name; who has no direction is found out later."""
    where = f"user_set={settings.user_set_name}"
    for kind in settings.types:
        if n_drawn < kind.size:
            raise InputError(
                f"{kind.name}: expected at least {kind.size} users to draw a group from, got {n_drawn} of"
                f" {where}; choose a larger set"
            )
    if n_compared < 2:
        where = f"thresholds.users={settings.thresholds.users}"
        raise InputError(f"{where}: expected at least 2 users to compare, got {n_compared}")


def embed_population(
    settings: GenerateSettings,
    interactions: Interactions,
    encoder: NDArray[np.float32],
    chosen: Chosen,
    *,
    threads: int,
) -> Population:
    """Hold out targets where settings ask for it, and embed the chosen users by what is left.

    Users whose vectors are given are not embedded. Costs a holdout of all histories, and the embedding of
    chosen users alone.
    """
    histories, targets = interactions.matrix, None
    if settings.history == History.inputs:
        ratio, everyone = settings.holdout.target_ratio, np.arange(interactions.n_users)
        histories, targets = hold_out(histories, everyone, target_ratio=ratio, seed=settings.seed)
    own = _embed_rows(histories, encoder, chosen.drawn, chosen.given, threads)
    by = settings.similarity
    embeddings, users = _compare_by(by, histories, own, chosen.drawn, own.vectors)
    compared = users
    if not np.array_equal(chosen.compared, chosen.drawn):
        others = _embed_rows(histories, encoder, chosen.compared, chosen.given, threads)
        _, compared = _compare_by(by, histories, others, chosen.compared, own.vectors)
    centred = by.center == Center.mean
    uncentred = own.vectors[np.isin(own.rows, embeddings.rows)] if centred else embeddings.vectors
    lookup = replace(_look_up(histories, targets, embeddings.rows), everybody=interactions.matrix)
    return Population(embeddings, users, compared, uncentred, histories, targets, chosen, encoder, lookup)


def _compare_by(
    by: SimilaritySettings,
    histories: csr_array,
    embedded: Embeddings,
    asked: NDArray[np.int64],
    mean_of: NDArray[np.float32],
) -> tuple[Embeddings, Users]:
    """Return those of the users asked for who can be compared, and what they are compared by."""
    if by.center == Center.mean:
        embedded = centre_users(embedded, mean_of)
    return make_users(by.source, histories, embedded, asked)


def _look_up(histories: csr_array, targets: csr_array | None, rows: NDArray[np.int64]) -> Lookup:
    """Return what filters look up of some users, but for what is recommended to them."""
    if len(rows) == histories.shape[0]:
        return Lookup(histories, targets)
    return Lookup(histories[rows], None if targets is None else targets[rows])


def _embed_rows(
    histories: csr_array,
    encoder: NDArray[np.float32],
    rows: NDArray[np.int64],
    given: Embeddings | None,
    threads: int,
) -> Embeddings:
    """Embed some users, or take the vectors that were given; their rows stay those of the data."""
    if given is not None:
        known = np.isin(given.rows, rows)
        return Embeddings(given.vectors[known], given.rows[known], len(rows) - int(known.sum()))
    asked = histories if len(rows) == histories.shape[0] else histories[rows]
    embedded = embed_users(asked, encoder, threads=threads)
    return replace(embedded, rows=rows[embedded.rows])
