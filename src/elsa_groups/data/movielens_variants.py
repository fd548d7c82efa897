"""Which MovieLens is in the data folder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from elsa_groups.base.errors import InputError
from elsa_groups.data.archive import Published

DEFAULT_VARIANT = "1m"
MEMBERS = {
    "100k": "ml-100k/u.data",
    "1m": "ml-1m/ratings.dat",
    "10m": "ml-10M100K/ratings.dat",
    "20m": "ml-20m/ratings.csv",
    "25m": "ml-25m/ratings.csv",
    "32m": "ml-32m/ratings.csv",
    "latest-small": "ml-latest-small/ratings.csv",
    "latest": "ml-latest/ratings.csv",
}
TITLES = {".data": "u.item", ".dat": "movies.dat", ".csv": "movies.csv"}

_ARCHIVES = re.compile(r"\.(zip|tgz|gz|bz2|xz|7z|rar|tar)$", re.IGNORECASE)
_TEXTS = re.compile(r"(ratings|u\.data|u\d?\.).*$|.*\.(csv|tsv|dat|data|inter)$", re.IGNORECASE)
# a folder that members of an archive given by its path were extracted to
_EXTRACTED = re.compile(r"[0-9a-f]{32}$")


def published(variant: str, urls: Mapping[str, Sequence[str]], md5s: Mapping[str, str]) -> Published:
    """Return what the publisher offers of a variant: its ratings, and the titles beside them."""
    member = MEMBERS[variant]
    titles = TITLES[Path(member).suffix]
    return Published(f"ml-{variant}.zip", member, urls.get(variant, ()), md5s.get(variant), None, (titles,))


def find_variant(folder: Path) -> str:
    """Return the one variant whose files are in the folder; `DEFAULT_VARIANT` if nothing like it is.

    Raises
    ------
    InputError
        Several are there, or something that may be one and has another name, here or beside the folder:
        another variant is then not downloaded in its place.
    """
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
            f"variant: expected one MovieLens in {folder}, got {', '.join(there)}; set variant to one of "
            f"{', '.join(MEMBERS)}, or path to the file"
        )
    if not there and (unknown := _unrecognised(folder)):
        names = ", ".join(str(path) for path in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise InputError(
            f"variant: expected ml-NAME.zip, or its unpacked folder with the ratings in it, in {folder}, with"
            f" NAME one of {', '.join(MEMBERS)}, got {names}; rename it, set path to the file of ratings or"
            f" the archive, or set variant={DEFAULT_VARIANT} to have that downloaded"
        )
    return next(iter(there.values()), DEFAULT_VARIANT)


def _unrecognised(folder: Path) -> list[Path]:
    """List what may be a MovieLens under another name: in the folder, or named ml-... beside it."""
    beside = [path for path in _entries(folder.parent) if path.name.lower().startswith("ml-")]
    return [path for path in (*_entries(folder), *beside) if _may_be_one(path)]


def _entries(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.iterdir()) if folder.is_dir() else ()


def _may_be_one(path: Path) -> bool:
    if path.name.startswith(".") or path.name == "cache" or _EXTRACTED.match(path.name):
        return False
    if path.is_dir():
        return any(_TEXTS.match(name) for name in _names_in(path))
    return bool(_ARCHIVES.search(path.name) or _TEXTS.match(path.name))


def _names_in(folder: Path) -> Iterator[str]:
    """Yield names of files in a folder and in the folders in it."""
    for pattern in ("*", "*/*"):
        yield from (path.name for path in folder.glob(pattern) if path.is_file())
