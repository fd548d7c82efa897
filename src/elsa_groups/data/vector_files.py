"""Files of vectors by id: parquet, or numpy's array beside a text file of ids. Nothing is unpickled."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from elsa_groups.base.errors import InputError
from elsa_groups.base.files import read_array
from elsa_groups.base.words import some_of

SUFFIXES = (".parquet", ".npy")
# Beside an array: its ids, one a line.
IDS = ".txt"
_NAMED = 3
# More than any recommender or language model has; a small file of equal numbers may claim to hold any number.
_MOST_DIMENSIONS = 65_536


@dataclass(frozen=True, eq=False)
class NamedVectors:
    """Vectors and whose they are.

    Attributes
    ----------
    ids : list of str
        Whose, as text.
    vectors : NDArray[np.floating], shape (n, dim)
        A row each, as they were read.
    """

    ids: list[str]
    vectors: NDArray[np.floating]


def check_vector_file(path: Path, setting: str) -> Path:
    """Return a file of vectors, if it is one by its name and its ids are beside it.

    Raises
    ------
    InputError
        Naming the setting.
    """
    expected = f"{setting}: expected a .parquet file, or a .npy file beside a .txt file of ids"
    if not path.is_file() or path.suffix.lower() not in SUFFIXES:
        reason = f"with the suffix {path.suffix!r}" if path.is_file() else "which is no file"
        raise InputError(f"{expected}, got {path}, {reason}; correct it")
    if path.suffix.lower() == ".npy" and not path.with_suffix(IDS).is_file():
        raise InputError(f"{expected}, got no {path.with_suffix(IDS)}; write the ids there, one a line")
    return path


def copy_vectors(path: Path, folder: Path, stem: str) -> None:
    """Copy a file of vectors, and that of its ids, into a folder under another name."""
    suffix = path.suffix.lower()
    shutil.copyfile(path, folder / f"{stem}{suffix}")
    if suffix == ".npy":
        shutil.copyfile(path.with_suffix(IDS), folder / f"{stem}{IDS}")


def vector_names(stem: str) -> tuple[str, ...]:
    """Return the names that files of vectors may have by their stem, ids last."""
    return tuple(f"{stem}{suffix}" for suffix in (*SUFFIXES, IDS))


def read_vectors(path: Path, *, most: int) -> NamedVectors:
    """Read a file of vectors.

    Parameters
    ----------
    path : Path
        Parquet, whose first column is ids and the others numbers, or a single list of numbers; or numpy's
        array, beside a text file of ids of the same name.
    most : int
        Rows that there may be.

    Raises
    ------
    InputError
        If it holds something else; names the file.
    """
    try:
        is_table = path.suffix.lower() == ".parquet"
        named = _read_table(path, most) if is_table else _read_array(path, most)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path.name}: expected readable vectors, got an error ({reason:.200}); correct the file"
        ) from error
    if bad := int((~np.isfinite(named.vectors).all(axis=1)).sum()):
        raise InputError(
            f"{path.name}: expected finite vectors, got NaN or infinity in {bad:,} of {len(named.ids):,}"
            " rows; leave these out, or correct them"
        )
    return named


def _read_array(path: Path, most: int) -> NamedVectors:
    vectors = read_array(path)
    text = path.with_suffix(IDS).read_bytes().decode("utf-8-sig")
    ids = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise InputError(
            f"{path.name}: expected numbers of shape (rows, dimensions), got {vectors.dtype} of shape"
            f" {vectors.shape}; correct the file"
        )
    if len(ids) != len(vectors):
        raise InputError(
            f"{path.with_suffix(IDS).name}: expected an id for each of the {len(vectors):,} rows of"
            f" {path.name}, got {len(ids):,}; correct the file"
        )
    _check_size(path, len(vectors), vectors.shape[1], most)
    return NamedVectors(ids, _as_float(vectors))


def _read_table(path: Path, most: int) -> NamedVectors:
    with pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
        columns = file.metadata.num_columns - 1
        lists = len(schema) == 2 and _is_list(schema.field(1).type)
        if len(schema) < 2 or not (lists or all(_is_number(field.type) for field in list(schema)[1:])):
            raise InputError(
                f"{path.name}: expected a first column of ids, then one of lists of numbers or several of"
                " numbers,"
                f" got {', '.join(f'{f.name} ({f.type})' for f in list(schema)[:_NAMED])}; write those"
            )
        values = [file.metadata.row_group(g).column(1).num_values for g in range(file.num_row_groups)]
        _check_size(path, rows, max(columns, sum(values) // max(rows, 1)), most)
        table = file.read()
    ids = table.column(0)
    if ids.null_count or not (_is_text(ids.type) or pa.types.is_integer(ids.type)):
        raise InputError(
            f"{path.name}: expected ids in the first column, texts or whole numbers, got {ids.type} with"
            f" {ids.null_count:,} missing; write the column of ids first"
        )
    vectors = _flatten(path, table) if lists else _stack(table)
    return NamedVectors(ids.cast(pa.string()).to_pylist(), _as_float(vectors))


def _flatten(path: Path, table: pa.Table) -> NDArray[np.generic]:
    column = table.column(1).combine_chunks()
    lengths = pc.list_value_length(column)
    dims = pc.unique(lengths).to_pylist()
    if len(dims) != 1 or dims[0] in (None, 0) or column.flatten().null_count:
        raise InputError(
            f"{path.name}: expected lists of one length, without missing numbers, got lengths"
            f" {', '.join(map(str, dims[:_NAMED]))}; correct the file"
        )
    values: NDArray[np.generic] = column.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(table), dims[0])


def _stack(table: pa.Table) -> NDArray[np.generic]:
    """Return columns of numbers side by side; a missing one is NaN."""
    columns = [table.column(k).to_numpy() for k in range(1, table.num_columns)]
    return np.column_stack(columns)


def _check_size(path: Path, rows: int, dimensions: int, most: int) -> None:
    if not 1 <= rows <= most or not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise InputError(
            f"{path.name}: expected 1 to {most:,} rows, as the data have, of 1 to {_MOST_DIMENSIONS:,}"
            f" dimensions, got {rows:,} of {dimensions:,}; leave out who is not in the data: the filter may"
            " have dropped them"
        )


def _as_float(vectors: NDArray[np.generic]) -> NDArray[np.floating]:
    small = vectors.dtype in (np.float16, np.float32)
    floats: NDArray[np.floating] = np.ascontiguousarray(vectors, np.float32 if small else np.float64)
    return floats


def _is_list(kind: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in tests) and _is_number(kind.value_type)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def rows_of(named: NamedVectors, ids: tuple[str, ...], name: str) -> NDArray[np.int64]:
    """Return the row of the data that each vector belongs to, shape (n,), in the order of the vectors.

    Parameters
    ----------
    named : NamedVectors
        The vectors.
    ids : tuple of str
        All ids of the data, in row order.
    name : str
        The file, for messages.

    Raises
    ------
    InputError
        If an id is none of the data's, or has two vectors; names some and says how many.
    """
    row_of = {one: row for row, one in enumerate(ids)}
    if unknown := [one for one in named.ids if one not in row_of]:
        raise InputError(
            f"{name}: expected ids of the data, got {len(unknown):,} of {len(named.ids):,} that are none:"
            f" {some_of(unknown)}; the filter may have dropped them, leave them out"
        )
    rows = np.array([row_of[one] for one in named.ids], np.int64)
    if len(np.unique(rows)) < len(rows):
        found, counts = np.unique(rows, return_counts=True)
        twice = [ids[row] for row in found[counts > 1]]
        raise InputError(
            f"{name}: expected one vector for an id, got several for {len(twice):,}: {some_of(twice)};"
            " keep one"
        )
    return rows
