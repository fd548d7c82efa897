"""Compile kernels once for each state of the package's sources.

numba keeps compiled code on disk until the file of a kernel changes. That a kernel in another file, which
this one calls, has changed it does not see, and would go on drawing by the old code. So each state of the
sources that kernels call has a folder of its own.
"""

import gc
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.event import Event, Listener, register

from elsa_groups.base.temporary import folder_until_exit

log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).resolve().parents[1]
_CONFIG: Any = numba.config
_WEEK = 7 * 24 * 3600
# Where what kernels call and the constants that they hold are defined.
CALLED_ROOMS = ("base", "data", "groups", "measures", "model", "similarity")


class _Compilations(Listener):
    """Says so when the first function is compiled, instead of being read from the folder of these sources.

    Python's search for garbage, which takes a sixth of the time, rests meanwhile: a compiler leaves little.
    """

    def __init__(self) -> None:
        self._said = False
        # A function may call others that are compiled with it.
        self._under_way = 0
        self._collects = True

    def on_start(self, event: Event) -> None:
        """Hear that a function begins to be compiled."""
        if not self._said:
            self._said = True
            log.info("compiling, once for this installation")
        if not self._under_way:
            self._collects = gc.isenabled()
            gc.disable()
        self._under_way += 1

    def on_end(self, event: Event) -> None:
        """Hear that it has been."""
        self._under_way -= 1
        if not self._under_way and self._collects:
            gc.enable()


register("numba:compile", _Compilations())


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return numba's decorator for a kernel that is kept on disk and runs without the interpreter lock.

    Parameters
    ----------
    **options
        Further options of :func:`numba.njit`.
    """

    def decorate(kernel: Callable[..., Any]) -> Any:
        before = _CONFIG.CACHE_DIR
        _CONFIG.CACHE_DIR = str(_cache_folder())
        try:
            return numba.njit(cache=True, nogil=True, **options)(kernel)
        finally:
            _CONFIG.CACHE_DIR = before

    return decorate


@cache
def _cache_folder() -> Path:
    """Return the folder of these sources: beside them, or in the user's cache if that is not writable."""
    digest = hashlib.sha256()
    for path in sorted(path for room in CALLED_ROOMS for path in (_PACKAGE / room).rglob("*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + path.read_bytes())
    name = f"kernels-{digest.hexdigest()[:16]}"
    if _CONFIG.CACHE_DIR:
        return Path(_CONFIG.CACHE_DIR, name)
    if not os.access(_PACKAGE, os.W_OK):
        return folder_outside(name)
    folder = _PACKAGE / "__pycache__" / name
    if not folder.exists():
        _forget_old(folder.parent)
    return folder


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
        "neither %s nor %s can be written: code is compiled again by each process, which takes half a minute;"
        " set NUMBA_CACHE_DIR to a folder that can be", _PACKAGE, folder,
    )  # fmt: skip
    return own


def _forget_old(parent: Path) -> None:
    """Remove folders that nobody has written to for a week; a running process may still need newer ones."""
    for old in parent.glob("kernels-*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _WEEK:
                shutil.rmtree(old, ignore_errors=True)
