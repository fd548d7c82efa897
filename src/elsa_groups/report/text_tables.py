"""Plain tables for the terminal, and texts cut to fit them."""

from collections.abc import Mapping, Sequence
from typing import Any

_WIDTH = 80


def aligned(lines: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """Return lines of text from lines of cells: columns line up, with two spaces between them.

    Parameters
    ----------
    lines : sequence of sequence of str
        The cells, equally many in each line.
    left : sequence of int
        Columns that line up on the left, all others do on the right.

    >>> aligned([["type", "groups"], ["similar_3", "75"]])
    ['type       groups', 'similar_3      75']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def closing_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str, str, str]]) -> str:
    """Return a row for each group type as a table, at most 80 columns wide.

    A dash stands where a value is undefined; names of types too long for the width lose their middle.

    Parameters
    ----------
    rows : sequence of mapping
        One for each group type.
    columns : sequence of (str, str, str, str)
        Title in two lines, name in the row, format.
    """
    cells = [
        [above, title, *("-" if row.get(name) is None else form.format(row[name]) for row in rows)]
        for above, title, name, form in columns
    ]
    room = _WIDTH - sum(2 + max(map(len, column)) for column in cells)
    keys = ["group", "type", *(shorten(row["key"], room) for row in rows)]
    return "\n".join(aligned([*zip(keys, *cells, strict=True)]))


def shorten(text: str, width: int) -> str:
    """Cut the middle out of a text, as group types tell families at their start and sizes at their end.

    >>> shorten("opposing_with_a_long_name_3_2", 15)
    'opposin…ame_3_2'
    """
    half = (width - 1) // 2
    return text if len(text) <= width else f"{text[: width - 1 - half]}…{text[-half:]}"
