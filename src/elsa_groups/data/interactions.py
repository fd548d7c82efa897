"""Distinct (user, item) pairs as one sparse matrix with its ids: what every other room reads."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array


@dataclass(frozen=True)
class Source:
    """Where interactions came from.

    Attributes
    ----------
    uri : str
        Path of the file read, or ``generated:Demo``.
    sha256 : str
        Digest of that file's bytes (64 hex digits); of the generator's settings where there is no file.
    """

    uri: str
    sha256: str


@dataclass(frozen=True)
class Interactions:
    """Who has a history with what.

    Attributes
    ----------
    dataset : str
        Name of the dataset, as in the configuration.
    matrix : csr_array, shape (n_users, n_items), float32
        Ones, column indices sorted within each row. Every user and every item has at least one entry.
    user_ids, item_ids : tuple of str
        Ids in row and column order, which is their sorted order (by code point), so that the same file
        gives the same rows in every process.
    item_names : tuple of str or None
        Names of items in column order, where the source has them.
    source : Source
        The file and its digest.
    min_user_interactions, min_item_interactions : int
        The filter: one pass, users first, then items among what is left.
    counts : mapping of str to int
        What was read, dropped (``dropped/<reason>``) and kept, in the order it happened.
    """

    dataset: str
    matrix: csr_array
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    item_names: tuple[str, ...] | None
    source: Source
    min_user_interactions: int
    min_item_interactions: int
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what the constructor promises about shapes."""
        expected = (len(self.user_ids), len(self.item_ids))
        if self.matrix.shape != expected:
            raise ValueError(f"matrix: expected shape {expected} to match the ids, got {self.matrix.shape}")
        if self.item_names is not None and len(self.item_names) != len(self.item_ids):
            raise ValueError(f"item_names: expected {len(self.item_ids)} names, got {len(self.item_names)}")

    @property
    def n_users(self) -> int:
        """Number of users (rows)."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items (columns)."""
        return len(self.item_ids)

    @property
    def n_pairs(self) -> int:
        """Number of distinct (user, item) pairs."""
        return int(self.matrix.nnz)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ids and pairs (64 hex digits): equal exactly when the filtered data are equal."""
        digest = hashlib.sha256()
        for ids in (self.user_ids, self.item_ids):
            digest.update(order_digest(ids).encode())
        digest.update(np.ascontiguousarray(self.matrix.indptr, dtype="<i8").data)
        digest.update(np.ascontiguousarray(self.matrix.indices, dtype="<i8").data)
        return digest.hexdigest()


def order_digest(ids: tuple[str, ...]) -> str:
    """SHA-256 of ids in order (64 hex digits), each preceded by its length so that no two lists collide."""
    digest = hashlib.sha256(str(len(ids)).encode())
    for name in ids:
        encoded = name.encode("utf-8")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()
