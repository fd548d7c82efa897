"""Where a raw file comes from: the data folder, an archive in it, or the network."""

import logging
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError
from elsa_groups.base.files import replacing
from elsa_groups.data.download import download

log = logging.getLogger(__name__)

# Nothing that is published comes near (the largest has 2.5 GB), and an archive of a few kB can say more.
_MOST_UNPACKED = 1 << 34
_ARCHIVE_ENDINGS = (".zip", ".tar.gz", ".tgz")
# RuntimeError is what zipfile says of a password, and of a method that it lacks.
_UNREADABLE = (
    *(OSError, EOFError, RuntimeError, ValueError, tarfile.TarError, zipfile.BadZipFile),
    *(zlib.error, lzma.LZMAError),
)


@dataclass(frozen=True)
class Published:
    """A raw file as its publisher offers it.

    Attributes
    ----------
    archive : str
        File name of the archive (``.zip``, ``.tar.gz`` or ``.tgz``).
    member : str
        Path of the raw file in it.
    urls : sequence of str
        Where the archive can be had, tried in order.
    archive_md5, member_md5 : str or None
        Checksums (32 hex digits), where they are known.
    beside : tuple of str
        Base names of other members to extract too, where the archive has them.
    """

    archive: str
    member: str
    urls: Sequence[str] = ()
    archive_md5: str | None = None
    member_md5: str | None = None
    beside: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Base name of the raw file."""
        return Path(self.member).name


def find_raw(folder: Path, published: Published, path: str | Path | None = None) -> Path:
    """Find a raw file, by extracting or downloading it if need be.

    Parameters
    ----------
    folder : Path
        Holds the raw file under its base name or its path in the archive, or else the archive; what is
        extracted and downloaded goes there. A raw file that is already there is used as it is.
    published : Published
        What to look for.
    path : str, Path or None
        A raw file or an archive to use instead.

    Returns
    -------
    Path
        The raw file, complete.

    Raises
    ------
    InputError
        It is nowhere to be had; says what to put where.
    """
    if path is not None:
        return find_given(folder, path, (published.name,), published.beside)
    for raw in (folder / published.member, folder / published.name):
        if raw.is_file():
            return raw
    archive = folder / published.archive
    if not archive.is_file():
        download(published.urls, archive, md5=published.archive_md5, instead=published.name)
    raw = folder / published.member
    targets = {published.name: raw, **{name: raw.with_name(name) for name in published.beside}}
    extract(archive, targets, required=(published.name,), md5s=_trusted_md5s(archive, published))
    return raw


def find_given(folder: Path, path: str | Path, names: Sequence[str], beside: Sequence[str] = ()) -> Path:
    """Return a raw file that the user named, or extract it from an archive that the user named.

    Parameters
    ----------
    folder : Path
        Members are extracted to a folder of this one, named by the archive's MD5.
    path : str or Path
        A raw file of any name, or an archive.
    names : sequence of str
        Base names of the member to extract: the archive must have one of them.
    beside : sequence of str
        Base names of other members to extract too, where the archive has them.

    Returns
    -------
    Path
        The raw file.

    Raises
    ------
    InputError
        There is no such file, or the archive has none of the members.
    """
    given = Path(path).expanduser()
    if not given.is_file():
        raise InputError(
            f"path: expected a raw file or an archive, got {given}, which is no file; correct it"
        )
    if not given.name.endswith(_ARCHIVE_ENDINGS):
        return given
    home = folder / file_digest(given, "md5")
    for name in names:
        if (home / name).is_file():
            return home / name
    found = extract(given, {name: home / name for name in (*names, *beside)}, required=names)
    return home / next(name for name in names if name in found)


def extract(
    archive: Path,
    targets: Mapping[str, Path],
    *,
    required: Sequence[str],
    md5s: Mapping[str, str] | None = None,
) -> frozenset[str]:
    """Extract single members, each appearing under its final name only when all are complete.

    Parameters
    ----------
    archive : Path
        A zip or gzipped tar file; members that are not asked for are never written.
    targets : mapping of str to Path
        Where to put the first member of each base name.
    required : sequence of str
        Base names of which at least one must be in the archive.
    md5s : mapping of str to str
        Checksums by base name (32 hex digits), where they are known.

    Returns
    -------
    frozenset of str
        Base names that were found.

    Raises
    ------
    InputError
        The archive is damaged, has none of the required members, or a checksum differs.
    """
    log.info("extracting from %s", archive)
    found: set[str] = set()
    try:
        with ExitStack() as names:
            for name, member in _members(archive):
                if name in targets and name not in found:
                    part = names.enter_context(replacing(targets[name]))
                    _copy(member, part, archive, name, (md5s or {}).get(name))
                    found.add(name)
                if len(found) == len(targets):
                    break
            if not found.intersection(required):
                raise InputError(
                    f"{archive}: expected a member {' or '.join(required)}, got none; replace it"
                )
    except _UNREADABLE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{archive}: cannot extract {' or '.join(required)} ({str(error) or type(error).__name__}); "
            f"replace it, or extract by hand to {targets[required[0]]}"
        ) from error
    return frozenset(found)


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield base names and open contents of regular members, in one pass from front to back."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if not info.is_dir():
                    with zipped.open(info) as member:
                        yield Path(info.filename).name, member
        return
    with tarfile.open(archive, "r|gz") as tar:
        for entry in tar:
            content = tar.extractfile(entry) if entry.isfile() else None
            if content is not None:
                yield Path(entry.name).name, content


def _copy(member: IO[bytes], part: Path, archive: Path, name: str, md5: str | None) -> None:
    with part.open("xb") as out:
        size = 0
        while chunk := member.read(1 << 20):
            size += len(chunk)
            if size > _MOST_UNPACKED:
                raise InputError(
                    f"{archive}: expected {name} of at most {_MOST_UNPACKED >> 30} GiB, got more; extract"
                    " it by hand, and give it as path=... or where it is looked for"
                )
            out.write(chunk)
    if md5 is not None and (came := file_digest(part, "md5")) != md5:
        raise InputError(f"{archive}: expected {name} with md5 {md5}, got {came}; replace the archive")


def _trusted_md5s(archive: Path, published: Published) -> dict[str, str]:
    """Return the member's checksum, unless the archive is known to be another one: a user's own sample."""
    if published.member_md5 is None:
        return {}
    if published.archive_md5 is not None and file_digest(archive, "md5") != published.archive_md5:
        log.warning("%s is not the published archive; its member is used as it is", archive)
        return {}
    return {published.name: published.member_md5}
