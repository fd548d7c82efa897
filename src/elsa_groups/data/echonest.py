"""Echo Nest Taste Profile: who played which song (Million Song Dataset; McFee et al., 2012)."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from elsa_groups.base.errors import InputError
from elsa_groups.data.archive import Published, find_raw
from elsa_groups.data.pairs import Pairs, Reading, source_of
from elsa_groups.data.text import read_tabbed

ARCHIVE = "train_triplets.txt.zip"
MEMBER = "train_triplets.txt"
VERSION = 2
# user, song, count
_N_FIELDS = 3
_PLACES = {"user": 0, "item": 1}
_NAMES = {"user": ("userid", "user"), "item": ("songid", "song", "itemid", "item")}


def read_echonest(
    folder: Path,
    *,
    path: str | Path | None = None,
    exclude_mismatches: str | Path | None = None,
    urls: Sequence[str] = (),
    archive_md5: str | None = None,
    member_md5: str | None = None,
) -> Reading:
    """Find the (user, song, count) triplets; the count is not used.

    Parameters
    ----------
    folder : Path
        Where the file or its archive is looked for, and downloaded to.
    path : str, Path or None
        A raw file or an archive to use instead.
    exclude_mismatches : str, Path or None
        The list ``sid_mismatches.txt`` of songs matched to a wrong track, to leave those out.
    urls : sequence of str
        Where the archive is published, tried in order.
    archive_md5, member_md5 : str or None
        Checksums of what is published (32 hex digits), if any.

    Returns
    -------
    Reading
        Lines without exactly 2 tabs are dropped and counted, and so are mismatched songs if asked for.

    Raises
    ------
    InputError
        No file was found and none could be downloaded, or the list of mismatches is not one.
    """
    songs = () if exclude_mismatches is None else mismatched_songs(Path(exclude_mismatches).expanduser())
    raw = find_raw(folder, Published(ARCHIVE, MEMBER, urls, archive_md5, member_md5), path)
    excluded = hashlib.sha256("\n".join(songs).encode()).hexdigest()
    return Reading(
        lambda: source_of(raw), lambda: _read(raw, songs), {"version": VERSION, "excluded": excluded}
    )


def mismatched_songs(path: Path) -> tuple[str, ...]:
    """Return the distinct song ids of a ``sid_mismatches.txt``, sorted.

    Raises
    ------
    InputError
        The file cannot be read or has no line like ``ERROR: <SO... TR...> ...``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(
            f"exclude_mismatches: expected the file sid_mismatches.txt, got {path} ({error.strerror}); "
            "give its path, or null to keep all songs"
        ) from error
    songs = sorted(set(re.findall(r"^ERROR: <(SO\w+) TR\w+>", text, flags=re.MULTILINE)))
    if not songs:
        raise InputError(
            f"exclude_mismatches: expected lines like 'ERROR: <SO... TR...> ...', got none in {path}; "
            "give the path of sid_mismatches.txt, or null to keep all songs"
        )
    return tuple(songs)


def _read(raw: Path, songs: Sequence[str]) -> Pairs:
    drop = {"mismatched_song": pl.col("item").is_in(list(songs))} if songs else {}
    return read_tabbed(raw, n_fields=_N_FIELDS, places=_PLACES, names=_NAMES, drop=drop)
