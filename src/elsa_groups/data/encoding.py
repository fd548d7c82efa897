"""What a file seems to be, by its first bytes: text that can be read, or something else with a name."""

import re
from pathlib import Path

from elsa_groups.base.errors import InputError

MARK = b"\xef\xbb\xbf"

_BEGINNINGS = {
    b"\xff\xfe\x00\x00": "UTF-32 text",
    b"\x00\x00\xfe\xff": "UTF-32 text",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PK\x03\x04": "a zip archive or an Excel file",
    b"\xd0\xcf\x11\xe0": "an Excel file",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"(\xb5/\xfd": "a Zstandard file",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF file",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself",
}
_MOST_NULLS = 0.05


def refuse_other_than_text(path: Path, head: bytes) -> None:
    """Refuse a file that does not begin as UTF-8 text.

    Parameters
    ----------
    path : Path
        The file, for the message.
    head : bytes
        How it begins.

    Raises
    ------
    InputError
        It is of another kind; says of which, and what to do.
    """
    seems = _seems(head)
    if seems is None:
        return
    instead = "unpack or replace it"
    if seems.startswith("UTF"):
        instead = f"convert it, as by: iconv -f {seems.split()[0]} -t UTF-8 '{path}' > converted"
    raise InputError(f"{path}: expected UTF-8 text, got what seems to be {seems}; {instead}")


def brief(error: BaseException) -> str:
    """Return the first line of an error, printable and never long: some quote the whole file."""
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    printable = "".join(letter if letter.isprintable() else "?" for letter in line[:201])
    return printable if len(printable) <= 200 else f"{printable[:200]}..."


def first_undecodable(path: Path) -> str | None:
    """Say which byte of which line is not UTF-8; None where all are."""
    with path.open("rb") as raw:
        for number, line in enumerate(raw, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return f"byte 0x{line[error.start]:02x} in line {number}"
    return None


def _seems(head: bytes) -> str | None:
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    if re.match(rb"\s*<(!doctype|html|\?xml)", head, flags=re.IGNORECASE):
        return "a web page or XML"
    if head.count(0) > _MOST_NULLS * len(head):
        # letters of two bytes: in most languages one of the two is 0, which one says the order
        at_even = head[::2].count(0)
        order = "BE" if at_even > head.count(0) - at_even else "LE"
        return f"UTF-16{order} text" if at_even in (0, head.count(0)) else "UTF-16 text, or no text at all"
    return None
