"""The checksums of a folder's files, as ``sha256sum -c`` reads them."""

import os
import re
from pathlib import Path

from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError
from elsa_groups.base.files import write_text

SUMS = "SHA256SUMS"
# Names alone, so that nobody is led out of the folder.
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\\\0\n]+)")
# Ten thousand files.
_LARGEST = 1 << 20


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of every file of a folder without folders, sorted by name, to ``SHA256SUMS``."""
    paths = sorted(path for path in folder.iterdir() if path.name != SUMS)
    write_text(folder / SUMS, "".join(f"{file_digest(path)}  {path.name}\n" for path in paths))


def check_sums(folder: Path) -> frozenset[str]:
    """Return the names of the files that ``SHA256SUMS`` lists, all of which are there and unchanged.

    Files that it does not list are not looked at.

    Raises
    ------
    InputError
        If a file is missing, is a link or has other bytes, which is named, or if the list is none.
    """
    sums = read_sums(folder / SUMS)
    for name, expected in sums.items():
        if not is_plain_file(folder / name):
            raise InputError(f"{folder}: {name:.80} is missing, which {SUMS} lists; get the folder anew")
        if (found := file_digest(folder / name)) != expected:
            raise InputError(
                f"{folder / name}: expected SHA-256 {expected}, as {SUMS} lists it, got {found}; the file was"
                " changed, get it anew"
            )
    return frozenset(sums)


def is_plain_file(path: Path) -> bool:
    """Whether a path is a file itself: no link, which may lead out of its folder, and no device or pipe."""
    return os.path.isfile(path) and not os.path.islink(path)


def read_sums(path: Path) -> dict[str, str]:
    """Return the digests that a list of checksums has, by the names of its files.

    Raises
    ------
    InputError
        If it is not there or is no such list.
    """
    try:
        # A pipe would be waited for, and a device may never end.
        if path.exists() and not is_plain_file(path):
            raise InputError(f"{path}: expected a list of checksums, got a link or no file; get it anew")
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        lines = content.decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise InputError(f"{path}: expected a list of checksums, got an error ({reason})") from error
    if len(content) > _LARGEST:
        raise InputError(f"{path}: expected a list of checksums, got a file of more than {_LARGEST:,} bytes")
    found = [_LINE.fullmatch(line) for line in lines]
    for number, (line, match) in enumerate(zip(lines, found, strict=True), start=1):
        if match is None or match[2] in (".", ".."):
            raise InputError(
                f"{path}: line {number}: expected a SHA-256 and the name of a file, got {line:.80}"
            )
    return {match[2]: match[1] for match in found if match is not None}
