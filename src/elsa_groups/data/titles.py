"""Titles of films, from the file of them beside the ratings of MovieLens."""

import csv
import io
import re
from pathlib import Path

from elsa_groups.base.errors import InputError
from elsa_groups.data.encoding import brief
from elsa_groups.data.text import find_named

_SEPARATORS = {".item": "|", ".dat": "::"}
_NAMES = {"item": ("movieid", "movie", "itemid", "item"), "title": ("title",)}


def read_titles(path: Path) -> dict[str, str]:
    """Return the title of each film by its id.

    Parameters
    ----------
    path : Path
        ``movies.csv``, ``movies.dat`` or ``u.item``: UTF-8, or else Latin-1, as the older ones are.

    Returns
    -------
    dict of str to str
        Titles by id.

    Raises
    ------
    InputError
        It cannot be read as CSV.
    """
    text = _decode(path.read_bytes())
    separator = _SEPARATORS.get(path.suffix.lower())
    if separator is not None:
        rows = [line.split(separator) for line in re.split(r"\r\n|\n|\r", text)]
    else:
        try:
            rows = list(csv.reader(io.StringIO(text, newline="")))
        except csv.Error as error:
            raise InputError(
                f"{path}: expected the titles of films as CSV, got an error ({brief(error)}); correct or "
                "remove it"
            ) from error
    places = find_named(rows[0], _NAMES) if rows else None
    item, title = (places["item"], places["title"]) if places else (0, 1)
    return {row[item]: row[title] for row in rows if len(row) > max(item, title)}


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
