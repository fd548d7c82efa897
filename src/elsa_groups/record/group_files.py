"""The files of groups, as a record has them: read with every digest checked, wherever they lie."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from elsa_groups.base.digests import array_digest
from elsa_groups.base.errors import InputError
from elsa_groups.base.files import read_array
from elsa_groups.base.words import first_line
from elsa_groups.record.schema import Document

# A row has five numbers and an id; an array of ids takes four bytes a character for each of them.
_LONGEST_ID = 1024
_WIDEST_ROW = 64 + 4 * _LONGEST_ID
# What a file may say beside its rows.
_LARGEST_PIECE = 1 << 20
# What may be raised where a table is read that is none, or damaged: pyarrow has errors of its own, and those
# of files.
NO_TABLE = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError)


class CheckedFiles(ABC):
    """Files that a record, ``lineage``, tells of, in a run or in a folder."""

    lineage: Document

    @abstractmethod
    def read(self, path: str) -> Path:
        """Return where a file is whose bytes are those of the record, by its path in the run."""

    @abstractmethod
    def refusal(self, text: str) -> InputError:
        """Return the error that a file is not the one that was written."""

    def check(self, what: str, recorded: str | None, found: str) -> None:
        """Refuse what has another digest than was recorded."""
        if found != recorded:
            raise self.refusal(f"{what}: recorded digest {recorded}, found {found}")


@dataclass(frozen=True, eq=False)
class UserGroups:
    """The groups of one type.

    Attributes
    ----------
    key : str
        ``<family>_<sizes>``.
    family : str
        Name of the family.
    sizes : tuple of int
        Subgroup sizes; they add up to ``size``.
    members : NDArray[np.int64], shape (n_groups, size)
        Rows of the parent's users.json, subgroup after subgroup, in the order they joined.
    user_ids : NDArray[np.str_], shape (n_groups, size)
        Ids of the same users.
    """

    key: str
    family: str
    sizes: tuple[int, ...]
    members: NDArray[np.int64]
    user_ids: NDArray[np.str_]

    @property
    def subgroups(self) -> tuple[NDArray[np.str_], ...]:
        """User ids of each subgroup, shape (n_groups, its size)."""
        return tuple(np.split(self.user_ids, np.cumsum(self.sizes)[:-1], axis=1))


def published_name(path: str) -> str:
    """Return what a run's file is called in a published folder, which has no folders.

    >>> published_name("groups/similar_3.npy")
    'similar_3.npy'
    """
    return PurePosixPath(path).name


def wanted_types(keys: Iterable[str] | None, lineage: Mapping[str, Any], where: str) -> list[str]:
    """Return the types that are asked for, each once; None is all that there are.

    Raises
    ------
    InputError
        If the record has no such type; ``where`` says whose that is.
    """
    there = [*lineage["groups"]]
    wanted = there if keys is None else list(dict.fromkeys([keys] if isinstance(keys, str) else keys))
    if absent := [key for key in wanted if key not in there]:
        raise InputError(f"keys: {where} has no {', '.join(absent)}; it has {', '.join(there)}")
    return wanted


def read_type(key: str, files: CheckedFiles) -> UserGroups:
    """Read the rows of a type and the ids beside them, and see that they tell of the same groups.

    Parameters
    ----------
    key : str
        One of the record's types.
    files : CheckedFiles
        Where its files are.

    Raises
    ------
    InputError
        If the record or a file is not what was written.
    """
    group = files.lineage["groups"][key]
    sizes = tuple(group["sizes"])
    if key != (named := "_".join([group["family"], *map(str, sizes)])):
        run_id = files.lineage["run_id"]
        raise InputError(f"groups: the record of run {run_id} has {named} as {key}; restore it")
    members = read_members(f"groups/{key}.npy", group["sha256"], files)
    # Before anything is made of these numbers, which nobody but the record vouches for.
    if members.shape != tuple(group["shape"]) or not sum(sizes) == members.shape[1] >= 1:
        raise files.refusal(
            f"groups/{key}.npy: expected groups of {sum(sizes)} and shape {tuple(group['shape'])}, as the"
            f" record has them, got {members.shape}"
        )
    name = f"groups/{key}.parquet"
    path = files.read(name)
    n_groups, size = members.shape
    expected = {
        "group": np.repeat(np.arange(n_groups), size),
        "position": np.tile(np.arange(size), n_groups),
        "subgroup": np.tile(np.repeat(np.arange(len(sizes)), sizes), n_groups),
        "user_index": members.ravel(),
    }
    try:
        table = read_columns(path, [*expected, "user_id"], members.size)
        different = [column for column in expected if not np.array_equal(table[column], expected[column])]
        user_ids = ids_of(table)
    except NO_TABLE as error:
        raise files.refusal(f"{name}: expected a table of groups, got {first_line(error)}") from error
    if different:
        raise files.refusal(f"{name}: its column {different[0]} is not that of groups/{key}.npy")
    return UserGroups(key, group["family"], sizes, members, user_ids.reshape(members.shape))


def read_columns(path: Path, columns: list[str], n_rows: int) -> pa.Table:
    """Return columns of a parquet file, unless it says that they take more than their rows could.

    Parameters
    ----------
    path : Path
        The file.
    columns : list of str
        Which.
    n_rows : int
        Rows that it must have.

    Raises
    ------
    NO_TABLE
        If it has others, or is none.
    """
    metadata = pq.read_metadata(path)
    if metadata.num_rows != n_rows:
        raise ValueError(f"{metadata.num_rows:,} rows instead of {n_rows:,}")
    if metadata.num_row_groups > 1 + n_rows:
        raise ValueError(f"{metadata.num_row_groups:,} pieces of {n_rows:,} rows")
    # A few compressed bytes can say gigabytes.
    pieces = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    unpacked = sum(
        piece.column(place).total_uncompressed_size for piece in pieces for place in range(piece.num_columns)
    )
    if unpacked > (most := _LARGEST_PIECE + n_rows * _WIDEST_ROW):
        raise ValueError(f"{unpacked:,} bytes, of at most {most:,} for its rows")
    return pq.read_table(path, columns=columns)


def ids_of(table: pa.Table) -> NDArray[np.str_]:
    """Return the ids of a table's users, row by row."""
    ids = table["user_id"].combine_chunks()
    distinct = ids.dictionary.to_pylist()
    if any(not isinstance(user, str) or len(user) > _LONGEST_ID for user in distinct):
        raise ValueError(f"an id that is no text of at most {_LONGEST_ID} characters")
    named: NDArray[np.str_] = np.array(distinct, np.str_)[ids.indices.to_numpy()]
    return named


def read_members(name: str, recorded: str, files: CheckedFiles) -> NDArray[np.int64]:
    """Return the rows of users in an array of groups, its bytes and its values checked against the record."""
    path = files.read(name)
    try:
        members: NDArray[np.int64] = read_array(path)
    except ValueError as error:
        raise files.refusal(str(error)) from error
    if members.dtype != np.int64 or members.ndim != 2:
        raise files.refusal(f"{name}: expected rows of int64, got {members.dtype} {members.shape}")
    files.check(f"members in {name}", recorded, array_digest(members))
    return members
