"""Text files of one row a line, as people have them: one reader for all sources.

A file is UTF-8 with or without a byte order mark; its lines end with LF or CRLF, or all with a bare CR. In a
format with quotes (CSV) a quote opens only at the start of a field, and is a letter elsewhere; in the others
it is a letter everywhere. Lines without quotes are cut by polars, and so is a CSV in which every line is a
whole row with each quote in its place, which is checked first. What is left, such as quotes that are letters,
fields of several lines, or bare CR, is read by Python's csv module: exact, but some three times slower.
"""

import csv
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from elsa_groups.base.errors import InputError
from elsa_groups.data.encoding import MARK, brief, first_undecodable, refuse_other_than_text
from elsa_groups.data.pairs import Pairs, collect_pairs

log = logging.getLogger(__name__)

_HEAD = 1 << 20
_BATCH = 1 << 16
_MOST_CHECKED = 50


@dataclass(frozen=True)
class Text:
    """A text file that was looked at.

    Attributes
    ----------
    path : Path
        The file.
    separator : str
        Between fields.
    quotes : bool
        Whether fields may be quoted.
    marked : bool
        Whether it begins with a byte order mark, which is no part of the first field.
    bare_cr : bool
        Whether its lines end with a CR alone.
    """

    path: Path
    separator: str
    quotes: bool
    marked: bool
    bare_cr: bool

    def first(self) -> list[str]:
        """Return the fields of the first row; one empty field where there is none."""
        try:
            return next((row for _, row in read_rows(self)), [""])
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(self.path, error) from error


def look_at(path: Path, separator: str, *, quotes: bool = False) -> Text:
    """Find out how a text file is written, from how it begins.

    Parameters
    ----------
    path : Path
        The file.
    separator : str
        Between fields; a single character where there are quotes.
    quotes : bool
        Whether fields may be quoted.

    Returns
    -------
    Text
        The file and how to read it.

    Raises
    ------
    InputError
        It cannot be read, is no UTF-8 text, or has no line end in its first MiB.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise _unreadable(path, error) from error
    refuse_other_than_text(path, head)
    has_end = b"\n" in head or b"\r" in head
    if len(head) == _HEAD and not has_end:
        raise InputError(
            f"{path}: expected lines of text, got no line end in the first {_HEAD:,} bytes; replace the file"
        )
    bare_cr = head.count(b"\r") - head.count(b"\r\n") > head.count(b"\n")
    return Text(path, separator, quotes, head.startswith(MARK), bare_cr)


def scan_rows(text: Text, columns: Mapping[str, int], *, header: bool) -> pl.LazyFrame:
    """Scan a file row by row and take the fields that are needed.

    Parameters
    ----------
    text : Text
        The file.
    columns : mapping of str to int
        Names of the columns wanted and their places, from 0.
    header : bool
        Whether the first row is none.

    Returns
    -------
    LazyFrame
        ``n_fields``, by which the caller knows a row of the wrong width (a CSV parser would fill it in or
        cut it without saying so), and the columns, as strings: null where a row ends before.
    """
    if text.bare_cr:
        return _scan_by_python(text, columns, header)
    if not text.quotes or not _has_quote(text.path):
        return _scan_lines(text, columns, header)
    n_fields = len(text.first())
    if _every_line_is_a_row(text, n_fields):
        return _scan_csv(text, columns, n_fields, header)
    return _scan_by_python(text, columns, header)


def collect_rows(
    text: Text, events: pl.LazyFrame, drop: Mapping[str, pl.Expr], *, unit: str = "lines"
) -> Pairs:
    """Collect pairs from the scanned rows of a file, as `collect_pairs` does.

    Raises
    ------
    InputError
        The file cannot be read or is not UTF-8; says which line.
    """
    try:
        return collect_pairs(events, drop, unit=unit)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise _unreadable(text.path, error) from error


def read_tabbed(
    path: Path,
    *,
    n_fields: int,
    places: Mapping[str, int],
    names: Mapping[str, Sequence[str]],
    drop: Mapping[str, pl.Expr] | None = None,
) -> Pairs:
    """Read a file of lines with tabs between their fields.

    Parameters
    ----------
    path : Path
        The file.
    n_fields : int
        Fields of a line; others are dropped and counted. If the first line is a header, as many as it has.
    places : mapping of str to int
        Where the columns are, from 0, if there is no header.
    names : mapping of str to sequence of str
        By which names a header has them; see :func:`find_named`.
    drop : mapping of str to Expr, optional
        Further lines to drop, by the reason.

    Raises
    ------
    InputError
        The file cannot be read or is not UTF-8.
    """
    text = look_at(path, "\t")
    first = text.first()
    named = find_named(first, names)
    malformed = pl.col("n_fields") != (len(first) if named else n_fields)
    events = scan_rows(text, named or places, header=named is not None)
    return collect_rows(text, events, {"malformed_line": malformed, **(drop or {})})


def read_rows(text: Text) -> Iterator[tuple[int, list[str]]]:
    """Yield the line that each row begins in, from 1, and its fields; a blank line has one empty field."""
    with text.path.open(encoding="utf-8-sig", newline="" if text.bare_cr else "\n") as file:
        if text.quotes:
            yield from _quoted_rows(text, file)
            return
        for number, line in enumerate(file, start=1):
            yield number, line.removesuffix("\n").removesuffix("\r").split(text.separator)


def find_named(header: Sequence[str], names: Mapping[str, Sequence[str]]) -> dict[str, int] | None:
    """Find columns by what they are usually called, whatever their case and order.

    Parameters
    ----------
    header : sequence of str
        Fields of a first row.
    names : mapping of str to sequence of str
        For each column wanted, its possible names, of lower-case letters alone.

    Returns
    -------
    dict of str to int, or None
        The place of each; None unless each is there exactly once, as in a first row that is no header.
    """
    letters = [re.sub(r"[^a-z]", "", field.lower()) for field in header]
    places = {
        column: [at for at, name in enumerate(letters) if name in possible]
        for column, possible in names.items()
    }
    if any(len(found) != 1 for found in places.values()):
        return None
    return {column: found[0] for column, found in places.items()}


def shown(fields: Sequence[str]) -> str:
    """Return how many fields there are and the first few, cut: a line of a message whatever the file is."""
    few = [repr(field if len(field) <= 30 else f"{field[:30]}...") for field in fields[:8]]
    more = ", ..." if len(fields) > len(few) else ""
    return f"{len(fields):,} column{'s' if len(fields) != 1 else ''}: {', '.join(few)}{more}"


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, OSError):
        return InputError(f"{path}: expected a readable file, got an error ({brief(error)}); check it")
    reason = first_undecodable(path) or brief(error)
    return InputError(f"{path}: expected UTF-8 text, got {reason}; convert or replace the file")


def _has_quote(path: Path) -> bool:
    with path.open("rb") as file:
        return any(b'"' in block for block in iter(lambda: file.read(_HEAD), b""))


def _scan_lines(text: Text, columns: Mapping[str, int], header: bool) -> pl.LazyFrame:
    line = pl.col("line")
    if header or not text.marked:
        lines = pl.scan_lines(text.path, glob=False).slice(int(header))
    else:
        unmarked = pl.when(pl.col("index") == 0).then(line.str.strip_prefix("\ufeff")).otherwise(line)
        lines = pl.scan_lines(text.path, glob=False, row_index_name="index").with_columns(line=unmarked)
    fields = pl.col("fields").struct
    # what follows the last field wanted stays in one piece
    return lines.with_columns(
        n_fields=line.str.count_matches(text.separator, literal=True) + 1,
        fields=line.str.splitn(text.separator, max(columns.values()) + 2),
    ).select("n_fields", *[fields.field(f"field_{at}").alias(name) for name, at in columns.items()])


def _every_line_is_a_row(text: Text, n_fields: int) -> bool:
    """Say whether each line has as many fields as the first, each wholly quoted or without a quote."""
    if n_fields > _MOST_CHECKED:
        return False
    separator = re.escape(text.separator)
    field = rf'(?:"(?:[^"]|"")*"|[^"\r{separator}]*)'
    row = rf"^\x{{feff}}?{field}(?:{separator}{field}){{{n_fields - 1}}}$"
    others = pl.scan_lines(text.path, glob=False).filter(~pl.col("line").str.contains(row)).head(1)
    try:
        return others.collect(engine="streaming").is_empty()
    except pl.exceptions.PolarsError:
        return False


def _scan_csv(text: Text, columns: Mapping[str, int], n_fields: int, header: bool) -> pl.LazyFrame:
    schema = {f"field_{at}": pl.String for at in range(n_fields)}
    rows = pl.scan_csv(
        text.path,
        separator=text.separator,
        has_header=False,
        skip_lines=int(header),
        schema=schema,
        glob=False,
    )
    wanted = [pl.col(f"field_{at}").alias(name) for name, at in columns.items()]
    return rows.select(pl.lit(n_fields, pl.UInt32).alias("n_fields"), *wanted)


def _scan_by_python(text: Text, columns: Mapping[str, int], header: bool) -> pl.LazyFrame:
    schema = {"n_fields": pl.UInt32, **dict.fromkeys(columns, pl.String)}

    def batches(
        wanted: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        rows = islice(read_rows(text), int(header), None if n_rows is None else n_rows + int(header))
        while len(frame := pl.DataFrame(_take(islice(rows, _BATCH), columns), schema=schema)):
            frame = frame if predicate is None else frame.filter(predicate)
            yield frame if wanted is None else frame.select(wanted)

    return register_io_source(batches, schema=schema)


def _take(rows: Iterable[tuple[int, Sequence[str]]], columns: Mapping[str, int]) -> dict[str, list[Any]]:
    """Collect the fields wanted; no row is kept, as a garbage collector that sees many takes most time."""
    sizes: list[int] = []
    taken: dict[str, list[str | None]] = {name: [] for name in columns}
    places = [(at, taken[name].append) for name, at in columns.items()]
    for _, row in rows:
        size = len(row)
        sizes.append(size)
        for at, append in places:
            append(row[at] if at < size else None)
    return {"n_fields": sizes, **taken}


def _quoted_rows(text: Text, file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Parse CSV; a quote that is never closed is an error, not a long field."""
    ended = False

    def lines() -> Iterator[str]:
        nonlocal ended
        yield from file
        ended = True
        yield text.separator  # a row of two empty fields, unless a quote is still open

    reader = csv.reader(lines(), delimiter=text.separator)
    start, swallowed = 1, _Swallowed(text)
    try:
        for row in reader:
            if ended:
                break
            if reader.line_num > start:
                swallowed.look(start, row)
            yield start, row or [""]
            start = reader.line_num + 1
    except csv.Error as error:
        stray = "new-line character" in str(error)
        reason = "a CR that neither ends the line nor is quoted" if stray else brief(error)
        raise _unparsed(text, start, reason) from error
    if row != ["", ""]:
        raise _unparsed(text, start, "a quote that opens there and is not closed")
    swallowed.tell()


def _unparsed(text: Text, line: int, reason: str) -> InputError:
    return InputError(
        f"{text.path}: expected rows of fields, a quote at the start of a field closed at its end, got in "
        f"line {line} {reason}; double each quote that is a letter and quote that field, or write a .tsv, "
        "where a quote is a letter"
    )


class _Swallowed:
    """Lines inside quoted fields that look like rows: right in a CSV, but perhaps not what was meant."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._first = 0
        self._lines = 0

    def look(self, start: int, row: Sequence[str]) -> None:
        """Count the lines in a row of several that would be rows by themselves."""
        inner = [line for field in row for line in re.split(r"\r\n|\r|\n", field)[1:]]
        found = sum(len(line.split(self._text.separator)) == len(row) for line in inner)
        self._lines += found
        self._first = self._first or (start if found else 0)

    def tell(self) -> None:
        """Say how many there were."""
        if self._lines:
            log.warning(
                "%s: %d lines are inside quoted fields and look like rows, the first in the row of line %d; "
                "if they are rows, a quote there is a letter: double it and quote that field",
                self._text.path,
                self._lines,
                self._first,
            )
