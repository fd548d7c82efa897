"""MovieLens: who liked which film (Harper and Konstan, 2015)."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from elsa_groups.base.errors import InputError
from elsa_groups.data.archive import find_given, find_raw
from elsa_groups.data.movielens_variants import MEMBERS, TITLES, find_variant, published
from elsa_groups.data.pairs import Pairs, Reading, source_of
from elsa_groups.data.text import Text, collect_rows, find_named, look_at, scan_rows, shown
from elsa_groups.data.titles import read_titles

log = logging.getLogger(__name__)

VERSION = 2

_SEPARATORS = {".data": "\t", ".dat": "::", ".csv": ","}
_PLACES = {"user": 0, "item": 1, "rating": 2}
_NAMES = {
    "user": ("userid", "user"),
    "item": ("movieid", "movie", "itemid", "item"),
    "rating": ("rating",),
}
_WIDTHS = (3, 4)  # with a timestamp or without


@dataclass(frozen=True)
class _Layout:
    """Where the columns of a file of ratings are."""

    places: Mapping[str, int]
    n_fields: int
    header: bool


def read_movielens(
    folder: Path,
    *,
    path: str | Path | None = None,
    variant: str | None = None,
    min_rating: float = 4.0,
    urls: Mapping[str, Sequence[str]] | None = None,
    archive_md5: Mapping[str, str] | None = None,
) -> Reading:
    """Find the ratings; a pair is one rating of at least `min_rating`.

    Parameters
    ----------
    folder : Path
        Where the file or its archive is looked for, and downloaded to.
    path : str, Path or None
        A raw file (``u.data``, ``ratings.dat``, ``ratings.csv``) or an archive to use instead.
    variant : str or None
        A name in `MEMBERS`, such as ``1m``; None takes the one that is there, or else ``1m``.
    min_rating : float
        Lowest rating that counts, in stars (0.5 to 5).
    urls : mapping of str to sequence of str, or None
        Where each variant's archive is published, tried in order.
    archive_md5 : mapping of str to str, or None
        Checksums of the archives (32 hex digits).

    Returns
    -------
    Reading
        Films are named by their title where the file of titles is beside the ratings.

    Raises
    ------
    InputError
        Several variants are there, or one that is not recognised; none was found and none could be
        downloaded; or an option is wrong.
    """
    _check_options(variant, min_rating)
    if path is not None:
        names = tuple(dict.fromkeys(Path(member).name for member in MEMBERS.values()))
        raw = find_given(folder, path, names, tuple(TITLES.values()))
    else:
        raw = find_raw(folder, published(variant or find_variant(folder), urls or {}, archive_md5 or {}))
    suffix = raw.suffix.lower()
    if suffix not in _SEPARATORS:
        raise InputError(f"path: expected a file *{', *'.join(_SEPARATORS)}, got {raw}; rename or replace it")
    titles = raw.with_name(TITLES[suffix])
    depends = {
        "version": VERSION,
        "min_rating": float(min_rating),
        "titles": source_of(titles).sha256 if titles.is_file() else None,
    }
    return Reading(lambda: source_of(raw), lambda: _read(raw, titles, min_rating), depends)


def _check_options(variant: str | None, min_rating: float) -> None:
    is_number = isinstance(min_rating, (int, float)) and not isinstance(min_rating, bool)
    if not is_number or not math.isfinite(min_rating):
        raise InputError(
            f"min_rating: expected a number of stars such as 4.0, got {min_rating!r}; correct it"
        )
    if variant is not None and variant not in MEMBERS:
        raise InputError(
            f"variant: expected one of {', '.join(MEMBERS)} or null, got {variant!r}; choose one of them"
        )


def _read(raw: Path, titles: Path, min_rating: float) -> Pairs:
    separator = _SEPARATORS[raw.suffix.lower()]
    text = look_at(raw, separator, quotes=separator == ",")
    layout = _find_layout(text)
    rating = pl.col("rating").cast(pl.Float64, strict=False)
    drop = {
        "malformed_line": pl.col("n_fields") != layout.n_fields,
        "unreadable_rating": rating.is_null() | rating.is_nan(),
        "low_rating": rating < min_rating,
    }
    pairs = collect_rows(text, scan_rows(text, layout.places, header=layout.header), drop)
    if not titles.is_file():
        log.info("no %s beside %s: films go by their ids", titles.name, raw)
        return pairs
    title_of = read_titles(titles)
    return replace(pairs, item_names=tuple(title_of.get(item) or item for item in pairs.item_ids))


def _find_layout(text: Text) -> _Layout:
    """Go by the names of a header; where the format has none, by the place, if these look like ratings."""
    first = text.first()
    named = find_named(first, _NAMES)
    if named is not None:
        return _Layout(named, len(first), header=True)
    wrong = _other_file(text, first)
    if text.separator != "," and not wrong and len(first) in _WIDTHS and _is_number(first[2]):
        return _Layout(_PLACES, len(first), header=False)
    if wrong:
        raise InputError(
            f"{text.path}: expected ratings, got what seems to be a file of {wrong} ({shown(first)}); give "
            f"{Path(text.path).with_name('ratings' + text.path.suffix).name} or u.data"
        )
    raise InputError(
        f"{text.path}: expected {_expected(text)}, got {shown(first)} in its first line; correct the file, "
        "or read it with dataset=Custom"
    )


def _expected(text: Text) -> str:
    if text.separator == ",":
        return "a header with userId, movieId and rating"
    return f"lines of user, film, rating and timestamp separated by {text.separator!r}"


def _other_file(text: Text, first: Sequence[str]) -> str | None:
    """Say what else of MovieLens this is, by its name or its header."""
    by_name = next((kind for kind in _OTHERS if text.path.stem.lower().startswith(kind)), None)
    by_column = next((kind for kind, column in _OTHERS.items() if column in [f.lower() for f in first]), None)
    return by_column or by_name


_OTHERS = {
    "tags": "tag",
    "movies": "title",
    "links": "imdbid",
    "genome": "relevance",
    "users": "gender",
}


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
