"""Where compiled kernels are kept: a folder for each state of the package's sources.

numba keeps compiled code on disk until the file of a kernel changes. That a kernel in another file, which
this one calls, has changed it does not see, and would go on drawing by the old code. So each state of the
sources that kernels call has a folder of its own.
"""

import hashlib
import logging
import os
import shutil
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from elsa_groups.base.temporary import folder_until_exit

log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).resolve().parents[1]
_PREFIX = "kernels-"
_WEEK = 7 * 24 * 3600
# A file that says that what draws and measures groups is compiled, as far as made-up users need it.
REHEARSED = "rehearsed"
# Where what kernels call and the constants that they hold are defined.
CALLED_ROOMS = ("base", "data", "groups", "measures", "model", "similarity")


@cache
def kernel_folder() -> Path:
    """Return the folder of these sources: beside them, or in the user's cache if that is not writable.

    ``NUMBA_CACHE_DIR`` names another one to have it in.
    """
    digest = hashlib.sha256()
    for path in sorted(path for room in CALLED_ROOMS for path in (_PACKAGE / room).rglob("*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + path.read_bytes())
    name = f"{_PREFIX}{digest.hexdigest()[:16]}"
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given, name)
    if not os.access(_PACKAGE, os.W_OK):
        return folder_outside(name)
    folder = _PACKAGE / "__pycache__" / name
    if not folder.exists():
        _forget_old(folder.parent)
    return folder


def lacks_rehearsal() -> bool:
    """Whether other processes could use what is compiled, and not all that draws and measures groups is."""
    folder = kernel_folder()
    return folder.name.startswith(_PREFIX) and not (folder / REHEARSED).exists()


def folder_outside(name: str) -> Path:
    """Return a folder in the user's cache; one for this process alone where nothing there can be written."""
    folder = Path.home() / ".cache" / "elsa-groups" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    # Not one that others could find first: compiled code is read from it.
    own = folder_until_exit()
    log.warning(
        "neither %s nor %s can be written: each process compiles the code again, which takes ten seconds or"
        " more; set NUMBA_CACHE_DIR to a folder that can be", _PACKAGE, folder,
    )  # fmt: skip
    return own


def _forget_old(parent: Path) -> None:
    """Remove folders that nobody has written to for a week; a running process may still need newer ones."""
    for old in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _WEEK:
                shutil.rmtree(old, ignore_errors=True)
