"""MovieLens: who liked which film (Harper and Konstan, 2015)."""

import csv
import io
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from elsa_groups.base.errors import InputError
from elsa_groups.data.archive import Published, find_given, find_raw
from elsa_groups.data.lines import read_lines, split_lines
from elsa_groups.data.pairs import Pairs, Reading, source_of

log = logging.getLogger(__name__)

VERSION = 1
DEFAULT_VARIANT = "1m"
MEMBERS = {
    "100k": "ml-100k/u.data",
    "1m": "ml-1m/ratings.dat",
    "20m": "ml-20m/ratings.csv",
    "25m": "ml-25m/ratings.csv",
    "32m": "ml-32m/ratings.csv",
}


@dataclass(frozen=True)
class _Layout:
    """How the files of a variant are written."""

    separator: str
    titles: str
    titles_separator: str
    titles_encoding: str
    header: str  # empty where there is none; a file with a header is CSV, with quoted titles


_LAYOUTS = {
    ".data": _Layout("\t", "u.item", "|", "latin-1", ""),
    ".dat": _Layout("::", "movies.dat", "::", "latin-1", ""),
    ".csv": _Layout(",", "movies.csv", ",", "utf-8", "userId,movieId,rating,timestamp"),
}


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
        ``100k``, ``1m``, ``20m``, ``25m`` or ``32m``; None takes the one that is there, or else ``1m``.
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
        Several variants are there, none was found and none could be downloaded, or an option is wrong.
    """
    if (
        isinstance(min_rating, bool)
        or not isinstance(min_rating, (int, float))
        or not math.isfinite(min_rating)
    ):
        raise InputError(f"min_rating: expected a number of stars such as 4.0, came {min_rating!r}")
    if variant is not None and variant not in MEMBERS:
        raise InputError(f"variant: expected one of {', '.join(MEMBERS)} or null, came {variant!r}")
    if path is not None:
        names = tuple(dict.fromkeys(Path(member).name for member in MEMBERS.values()))
        raw = find_given(folder, path, names, [layout.titles for layout in _LAYOUTS.values()])
    else:
        raw = find_raw(folder, _published(variant or _variant_there(folder), urls or {}, archive_md5 or {}))
    layout = _LAYOUTS.get(raw.suffix)
    if layout is None:
        raise InputError(f"path: expected a file *{', *'.join(_LAYOUTS)}, came {raw}; rename or replace it")
    titles = raw.with_name(layout.titles)
    depends = {
        "version": VERSION,
        "min_rating": float(min_rating),
        "titles": source_of(titles).sha256 if titles.is_file() else None,
    }
    return Reading(lambda: source_of(raw), lambda: _read(raw, layout, titles, min_rating), depends)


def _published(variant: str, urls: Mapping[str, Sequence[str]], md5s: Mapping[str, str]) -> Published:
    member = MEMBERS[variant]
    titles = _LAYOUTS[Path(member).suffix].titles
    return Published(f"ml-{variant}.zip", member, urls.get(variant, ()), md5s.get(variant), None, (titles,))


def _variant_there(folder: Path) -> str:
    """Return the one variant whose files are in the folder; `DEFAULT_VARIANT` if there is none."""
    there: dict[str, str] = {}
    for variant, member in MEMBERS.items():
        bare = Path(member).name
        if (folder / member).is_file() or (folder / f"ml-{variant}.zip").is_file():
            there[f"ml-{variant}"] = variant
        elif (folder / bare).is_file():
            # ratings.csv alone does not say which variant it is, and need not: they are read alike
            there.setdefault(bare, variant)
    if len(there) > 1:
        raise InputError(
            f"variant: expected one MovieLens in {folder}, came {', '.join(there)}; set variant to one of "
            f"{', '.join(MEMBERS)}, or path to the file"
        )
    return next(iter(there.values()), DEFAULT_VARIANT)


def _read(raw: Path, layout: _Layout, titles: Path, min_rating: float) -> Pairs:
    rating = pl.col("rating").cast(pl.Float64, strict=False)
    events = split_lines(raw, layout.separator, 4, {"user": 0, "item": 1, "rating": 2})
    if layout.header:
        events = events.filter(pl.col("line") != layout.header)
    drop = {"unreadable_rating": rating.is_null() | rating.is_nan(), "low_rating": rating < min_rating}
    pairs = read_lines(raw, events, drop)
    if not titles.is_file():
        log.info("no %s beside %s: films go by their ids", titles.name, raw)
        return pairs
    title_of = _titles(titles, layout)
    return replace(pairs, item_names=tuple(title_of.get(item) or item for item in pairs.item_ids))


def _titles(path: Path, layout: _Layout) -> dict[str, str]:
    text = path.read_text(encoding=layout.titles_encoding, errors="replace")
    if layout.header:
        rows = list(csv.reader(io.StringIO(text)))
    else:
        rows = [line.split(layout.titles_separator) for line in text.split("\n")]
    return {row[0]: row[1] for row in rows if len(row) > 1}
