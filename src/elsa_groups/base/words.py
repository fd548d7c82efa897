"""Short texts."""

import re
from collections.abc import Sequence


def say_numbers(numbers: Sequence[int]) -> str:
    """Write increasing numbers, neighbours as a range.

    >>> say_numbers([1, 2, 3, 5])
    '1–3, 5'
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in ranges)


def some_of(names: Sequence[str], most: int = 3) -> str:
    """Name the first of some, as Python writes texts.

    >>> some_of(["ann", "bob", "eve", "zoe"])
    "'ann', 'bob', 'eve' and others"
    """
    return ", ".join(map(repr, names[:most])) + (" and others" if len(names) > most else "")


def in_markdown(text: str) -> str:
    """Return a text of anybody's as Markdown that shows it as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~()&])", r"\\\1", " ".join(text.split()))


def without_password(text: str) -> str:
    """Hide who logs in, and with what, in the addresses of a text.

    >>> without_password("no answer from http://ann:secret@host:5000/")
    'no answer from http://***@host:5000/'
    """
    # Up to the last one: a password may hold the sign, too.
    return re.sub(r"//[^\s\"'<>]*@", "//***@", text)


def first_line(error: BaseException) -> str:
    """Return what an error says first, without the passwords of addresses."""
    return without_password((str(error) or type(error).__name__).splitlines()[0])


def as_cell(text: str) -> str:
    """Return a text of anybody's for a cell of CSV: what a spreadsheet takes for a formula is quoted.

    >>> as_cell("=1+1"), as_cell("-0.5"), as_cell("ELSA")
    ("'=1+1", '-0.5', 'ELSA')
    """
    if not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
