"""A model that was trained elsewhere: vectors of users, and those of items if it recommends."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.vector_files import SUFFIXES, read_vectors, rows_of, vector_names
from elsa_groups.model.embeddings import Embeddings
from elsa_groups.model.vectors import check_item_vectors, directions

# Stems of the files, whatever they were called before.
USERS, ITEMS = "vectors", "item_vectors"
FILES = (*vector_names(USERS), *vector_names(ITEMS))


@dataclass(frozen=True, eq=False)
class GivenVectors:
    """Vectors of users and items of the data.

    Attributes
    ----------
    users : Embeddings
        Unit vectors of the users who have one, by the rows of the data; the others are counted.
    items : NDArray[np.float32], shape (n_items, dim)
        Item vectors, whose dot product with those of users recommends; without columns if none were given.
    files : dict of str to str
        SHA-256 of every file by its name, that of user vectors first.
    """

    users: Embeddings
    items: NDArray[np.float32]
    files: dict[str, str]


def load_given(folder: Path, interactions: Interactions) -> GivenVectors:
    """Read and check the files of vectors in a folder.

    Parameters
    ----------
    folder : Path
        Holds files of the names :data:`FILES`, those of items or not.
    interactions : Interactions
        The data, whose ids vectors go by.

    Raises
    ------
    InputError
        If an id is none of the data's or comes twice, values are not finite, or dimensions differ.
    """
    users = _load_users(folder, interactions.user_ids)
    items = _load_items(folder, interactions.item_ids, users.vectors.shape[1])
    files = {name: file_digest(folder / name) for name in FILES if (folder / name).is_file()}
    return GivenVectors(users, items, files)


def _file_of(folder: Path, stem: str) -> Path | None:
    paths = [folder / f"{stem}{suffix}" for suffix in SUFFIXES]
    return next((path for path in paths if path.is_file()), None)


def _load_users(folder: Path, ids: tuple[str, ...]) -> Embeddings:
    path = _file_of(folder, USERS)
    if path is None:
        raise InputError(f"{USERS}: expected one of {', '.join(vector_names(USERS)[:2])}, got none")
    named = read_vectors(path, most=len(ids))
    rows = rows_of(named, ids, path.name)
    order = np.argsort(rows)
    units, has_direction = directions(named.vectors[order])
    kept = rows[order][has_direction]
    return Embeddings(np.ascontiguousarray(units[has_direction]), kept, len(ids) - len(kept))


def _load_items(folder: Path, ids: tuple[str, ...], dim: int) -> NDArray[np.float32]:
    path = _file_of(folder, ITEMS)
    if path is None:
        return np.zeros((len(ids), 0), np.float32)
    named = read_vectors(path, most=len(ids))
    rows = rows_of(named, ids, path.name)
    if named.vectors.shape[1] != dim:
        raise InputError(
            f"{path.name}: expected {dim} dimensions, as users have, got {named.vectors.shape[1]}; give those"
            " of one model"
        )
    if len(rows) < len(ids):
        raise InputError(
            f"{path.name}: expected a vector for each of the {len(ids):,} items of the data, got"
            f" {len(rows):,}; add the others, or filter the data as the model's"
        )
    items = np.empty((len(ids), dim), np.float32)
    items[rows] = named.vectors
    check_item_vectors(items, len(ids), name=path.name)
    return items
