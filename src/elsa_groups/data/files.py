"""Digest files, and write them so that they are never seen half-written."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elsa_groups.base.errors import InputError


def hex_digest(path: Path, algorithm: str) -> str:
    """Return the digest of a file's bytes, streamed.

    Parameters
    ----------
    path : Path
        The file.
    algorithm : str
        ``sha256`` or ``md5``.

    Returns
    -------
    str
        Hex digits.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise InputError(
            f"{path}: expected a readable file, came an error ({error.strerror}); check it and its rights"
        ) from error


def temporary_name(target: Path) -> Path:
    """Return a name beside `target` that no other process or thread will choose."""
    return target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary name to write to, which becomes `target` at the end, or is removed on an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = temporary_name(target)
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
