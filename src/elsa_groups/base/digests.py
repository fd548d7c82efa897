"""Digests of files and arrays."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.errors import InputError


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the digest of a file's bytes, as hex digits, read in pieces.

    Parameters
    ----------
    path : Path
        The file.
    algorithm : str
        ``sha256`` or ``md5``.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise InputError(
            f"{path}: expected a readable file, got an error ({error.strerror}); check it and its rights"
        ) from error


def folder_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file under a folder by its path there, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}


def array_digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's type, shape and little-endian values (64 hex digits).

    >>> array_digest(np.arange(3)) == array_digest(np.arange(3).astype(">i8"))
    True
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.str} {little.shape} ".encode())
    digest.update(little.data)
    return digest.hexdigest()
