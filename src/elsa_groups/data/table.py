"""Any other data: a table with a column of users and a column of items."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from elsa_groups.base.errors import InputError
from elsa_groups.data.encoding import brief
from elsa_groups.data.pairs import Pairs, Reading, collect_pairs, source_of
from elsa_groups.data.text import Text, collect_rows, look_at, read_rows, scan_rows, shown

VERSION = 2
_TOO_WIDE = "too_many_fields"
_MATRIX = 100
_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_table(
    folder: Path,
    *,
    path: str | Path | None = None,
    user_column: str = "user",
    item_column: str = "item",
) -> Reading:
    """Find a CSV, TSV or Parquet file, told apart by suffix.

    In a CSV a quote at the start of a field quotes it, and is a letter elsewhere; in a TSV it is a letter.

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
        There is no such file or column, or a row has more fields than the header.
    """
    expected = "expected a .csv, .tsv or .parquet file"
    if path is None:
        raise InputError(f"path: {expected}, got null; set path to your file")
    raw = Path(path).expanduser()
    if not raw.is_file() or raw.suffix.lower() not in (*_SEPARATORS, ".parquet"):
        reason = f"with the suffix {raw.suffix!r}" if raw.is_file() else "which is no file"
        raise InputError(f"path: {expected}, got {raw}, {reason}; correct the path")
    if user_column == item_column:
        raise InputError(
            f"user_column and item_column: expected two columns, got {user_column!r} twice; correct one"
        )
    depends = {"version": VERSION, "suffix": raw.suffix.lower(), "columns": [user_column, item_column]}
    return Reading(lambda: source_of(raw), lambda: _read(raw, user_column, item_column), depends)


def _read(raw: Path, user_column: str, item_column: str) -> Pairs:
    asked = {"user": user_column, "item": item_column}
    if raw.suffix.lower() == ".parquet":
        return _read_parquet(raw, asked)
    separator = _SEPARATORS[raw.suffix.lower()]
    text = look_at(raw, separator, quotes=separator == ",")
    header = text.first()
    _check_columns(raw, header, asked, _advice(header, separator))
    places = {what: header.index(column) for what, column in asked.items()}
    too_wide = pl.col("n_fields") > len(header)
    pairs = collect_rows(text, scan_rows(text, places, header=True), {_TOO_WIDE: too_wide}, unit="rows")
    counts = dict(pairs.counts)
    if n_rows := counts.pop(f"dropped/{_TOO_WIDE}"):
        raise _too_wide(text, header, n_rows)
    return replace(pairs, counts=counts)


def _read_parquet(raw: Path, asked: Mapping[str, str]) -> Pairs:
    try:
        table = pl.scan_parquet(raw, glob=False)
        _check_columns(raw, table.collect_schema().names(), asked, "correct it")
        ids = {what: _ids(table, column) for what, column in asked.items()}
        return collect_pairs(table.select(**ids), {}, unit="rows")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"{raw}: expected a readable table, got an error ({brief(error)}); correct the file"
        ) from error


def _ids(table: pl.LazyFrame, column: str) -> pl.Expr:
    """Read a column of any type as text; what is not a number is missing."""
    ids = pl.col(column)
    is_float = table.collect_schema()[column].is_float()
    return (ids.fill_nan(None) if is_float else ids).cast(pl.String)


def _check_columns(raw: Path, header: Sequence[str], asked: Mapping[str, str], advice: str) -> None:
    if header == [""]:
        raise InputError(f"{raw}: expected a header and rows, got an empty first line; correct the file")
    for what, column in asked.items():
        if (n_found := header.count(column)) != 1:
            got = "none" if not n_found else f"{n_found} of them"
            raise InputError(
                f"{what}_column: expected one column {column!r} in {raw}, got {got} among "
                f"{shown(header)}; {advice}"
            )


def _advice(header: Sequence[str], separator: str) -> str:
    """Say what to do about a header without the column, by what the file seems to be."""
    line = separator.join(header)
    other = next((letter for letter in ";\t|," if letter != separator and letter in line), None)
    if len(header) == 1 and other:
        return f"its fields seem to be separated by {other!r}: write {separator!r} instead"
    if separator == "\t" and all(name[:1] == name[-1:] == '"' for name in header):
        return "in a .tsv a quote is a letter: write it without quotes, or as a .csv"
    if len(header) > _MATRIX:
        return "it seems to be a matrix of users by items: write one row for each user and item instead"
    return "name one of these, or put a header first if these are no names"


def _too_wide(text: Text, header: Sequence[str], n_rows: int) -> InputError:
    line, row = next((line, row) for line, row in read_rows(text) if len(row) > len(header))
    return InputError(
        f"{text.path}: expected rows of {len(header)} fields as the header has ({shown(header)}), got "
        f"{len(row)} in line {line} ({shown(row)}) and more than {len(header)} in {n_rows:,} rows; correct "
        "the file: name every column in the header, also an index before the others, and quote a field "
        "of a .csv that has commas"
    )
