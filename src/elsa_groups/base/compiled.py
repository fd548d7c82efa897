"""Compile kernels, once for each state of the sources."""

import gc
import logging
from collections.abc import Callable
from typing import Any

import numba
from numba.core.event import Event, Listener, register

from elsa_groups.base.kernel_folder import kernel_folder

log = logging.getLogger(__name__)

_CONFIG: Any = numba.config


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
        _CONFIG.CACHE_DIR = str(kernel_folder())
        try:
            return numba.njit(cache=True, nogil=True, **options)(kernel)
        finally:
            _CONFIG.CACHE_DIR = before

    return decorate
