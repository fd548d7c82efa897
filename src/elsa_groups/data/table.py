"""Any other data: a table with a column of users and a column of items."""

from pathlib import Path

import polars as pl

from elsa_groups.base.errors import InputError
from elsa_groups.data.pairs import Pairs, Reading, collect_pairs, source_of

VERSION = 1
_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_table(
    folder: Path,
    *,
    path: str | Path | None = None,
    user_column: str = "user",
    item_column: str = "item",
) -> Reading:
    """Find a CSV, TSV or Parquet file, told apart by suffix; in text files, quotes quote.

    Parameters
    ----------
    folder : Path
        Not used: the file is where `path` says.
    path : str or Path
        The file (``.csv``, ``.tsv`` or ``.parquet``); text files are UTF-8 with a header.
    user_column, item_column : str
        Names of the columns of ids; ids become strings as they are written.

    Returns
    -------
    Reading
        Rows with a null or empty id are dropped and counted.

    Raises
    ------
    InputError
        There is no such file or column.
    """
    expected = "expected a .csv, .tsv or .parquet file"
    if path is None:
        raise InputError(f"path: {expected}, came null; set path to your file")
    raw = Path(path).expanduser()
    if not raw.is_file() or raw.suffix.lower() not in (*_SEPARATORS, ".parquet"):
        reason = f"with the suffix {raw.suffix!r}" if raw.is_file() else "which is no file"
        raise InputError(f"path: {expected}, came {raw}, {reason}; correct the path")
    if user_column == item_column:
        raise InputError(
            f"user_column and item_column: expected two columns, came {user_column!r} twice; correct one"
        )
    depends = {"version": VERSION, "suffix": raw.suffix.lower(), "columns": [user_column, item_column]}
    return Reading(lambda: source_of(raw), lambda: _read(raw, user_column, item_column), depends)


def _read(raw: Path, user_column: str, item_column: str) -> Pairs:
    try:
        table = _scan(raw)
        columns = table.collect_schema().names()
        for option, column in (("user_column", user_column), ("item_column", item_column)):
            if column not in columns:
                raise InputError(
                    f"{option}: expected a column of {raw}, came {column!r}; there are {', '.join(columns)}"
                )
        ids = {"user": _ids(table, user_column), "item": _ids(table, item_column)}
        return collect_pairs(table.select(**ids), {}, unit="rows")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{raw}: expected a readable table, came an error ({reason}); correct the file"
        ) from error


def _ids(table: pl.LazyFrame, column: str) -> pl.Expr:
    """Read a column of any type as text; what is not a number is missing."""
    ids = pl.col(column)
    is_float = table.collect_schema()[column].is_float()
    return (ids.fill_nan(None) if is_float else ids).cast(pl.String)


def _scan(raw: Path) -> pl.LazyFrame:
    suffix = raw.suffix.lower()
    if suffix == ".parquet":
        return pl.scan_parquet(raw, glob=False)
    return pl.scan_csv(raw, separator=_SEPARATORS[suffix], infer_schema=False, glob=False)
