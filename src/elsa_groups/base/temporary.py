"""Temporary folders: named after the process that makes them, so that those of killed ones can be removed."""

import atexit
import glob
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from elsa_groups.base.errors import InputError
from elsa_groups.base.processes import is_gone, this_process

_OURS = "elsa-groups-"


def make_folder(prefix: str = _OURS, beside: Path | None = None) -> Path:
    """Make a folder that only this user can read, and that :func:`remove_left` knows again.

    Parameters
    ----------
    prefix : str
        How its name begins; the process and what makes it unique follow.
    beside : Path, optional
        The folder to make it in; by default that of the system, as TMPDIR says.

    Raises
    ------
    InputError
        If the system's cannot be written to.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=f"{prefix}{this_process()}-", dir=beside))
    except OSError as error:
        if beside is not None:
            raise
        raise InputError(
            f"TMPDIR: expected a folder that can be written, got none ({error.strerror or error}); set it to"
            " one with room"
        ) from error


def folder_until_exit() -> Path:
    """Make a folder that is there as long as this process."""
    folder = make_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is removed in the end."""
    folder = make_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left(prefix: str = _OURS, beside: Path | None = None) -> None:
    """Remove folders, named as above, of processes of this machine that were killed before they could."""
    with suppress(OSError):
        for folder in Path(beside or tempfile.gettempdir()).glob(f"{glob.escape(prefix)}*"):
            if is_gone(folder.name.removeprefix(prefix).rpartition("-")[0]):
                shutil.rmtree(folder, ignore_errors=True)
