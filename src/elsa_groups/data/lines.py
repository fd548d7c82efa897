"""Text files of one event a line, where a quote is just another character."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from elsa_groups.base.errors import InputError
from elsa_groups.data.pairs import Pairs, collect_pairs


def split_lines(path: Path, separator: str, n_fields: int, columns: Mapping[str, int]) -> pl.LazyFrame:
    """Scan a file line by line and cut the fields that are needed.

    Parameters
    ----------
    path : Path
        UTF-8 text; LF or CRLF; the last line may lack its end.
    separator : str
        Between fields; there is no quoting.
    n_fields : int
        Fields in a good line.
    columns : mapping of str to int
        Names of the columns wanted and their places, from 0.

    Returns
    -------
    LazyFrame
        ``line``, boolean ``malformed`` (the line has another number of fields) and the columns, as strings.
    """
    # whole lines: a CSV parser would fill in or cut a line of the wrong width without saying so
    fields = pl.col("fields").struct
    return (
        pl.scan_lines(path, glob=False)
        .with_columns(
            malformed=pl.col("line").str.count_matches(separator, literal=True) != n_fields - 1,
            fields=pl.col("line").str.splitn(separator, n_fields),
        )
        .select("line", "malformed", *[fields.field(f"field_{at}").alias(c) for c, at in columns.items()])
    )


def read_lines(path: Path, events: pl.LazyFrame, drop: Mapping[str, pl.Expr]) -> Pairs:
    """Collect pairs from the lines of a file, malformed ones dropped first.

    Raises
    ------
    InputError
        The file cannot be read or is not UTF-8; says which line.
    """
    try:
        return collect_pairs(events, {"malformed_line": pl.col("malformed"), **drop})
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = _first_undecodable(path) or str(error)
        raise InputError(
            f"{path}: expected UTF-8 text, came {reason}; convert or replace the file"
        ) from error


def _first_undecodable(path: Path) -> str | None:
    with path.open("rb") as raw:
        for number, line in enumerate(raw, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return f"byte 0x{line[error.start]:02x} in line {number}"
    return None
