"""LastFM-1K: who listened to which artist (Celma, 2010)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from elsa_groups.data.archive import Published, find_raw
from elsa_groups.data.pairs import Reading, source_of
from elsa_groups.data.text import read_tabbed

ARCHIVE = "lastfm-dataset-1K.tar.gz"
MEMBER = "lastfm-dataset-1K/userid-timestamp-artid-artname-traid-traname.tsv"
VERSION = 2
# user, time, artist id, artist name, track id, track name
_N_FIELDS = 6
_PLACES = {"user": 0, "item": 2, "name": 3}
_NAMES = {
    "user": ("userid", "user"),
    "item": ("artid", "artistid", "musicbrainzartistid"),
    "name": ("artname", "artistname"),
}


def read_lastfm1k(
    folder: Path,
    *,
    path: str | Path | None = None,
    urls: Sequence[str] = (),
    archive_md5: str | None = None,
    member_md5: str | None = None,
) -> Reading:
    """Find the listening events; items are artists, named by the name they came with most often.

    Parameters
    ----------
    folder : Path
        Where the file or its archive is looked for, and downloaded to.
    path : str, Path or None
        A raw file or an archive to use instead.
    urls : sequence of str
        Where the archive is published, tried in order.
    archive_md5, member_md5 : str or None
        Checksums of what is published (32 hex digits).

    Returns
    -------
    Reading
        Lines without exactly 5 tabs and events without an artist id are dropped and counted.

    Raises
    ------
    InputError
        No file was found and none could be downloaded.
    """
    published = Published(ARCHIVE, MEMBER, urls, archive_md5, member_md5)
    raw = find_raw(folder, published, path)
    read = partial(read_tabbed, raw, n_fields=_N_FIELDS, places=_PLACES, names=_NAMES)
    return Reading(lambda: source_of(raw), read, {"version": VERSION})
