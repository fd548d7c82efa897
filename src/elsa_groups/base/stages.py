"""Steps of a command: one line each when it is done, whatever it is read by."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger("elsa_groups.cli")

# Seconds after which one wants to know what is taking so long.
SILENCE = 3.0
_QUICK = 0.01


@dataclass
class Work:
    """What a step has done, for its line: 0 where nothing is worth counting."""

    count: int = 0


@contextmanager
def said_if_slow(name: str, what: str = "under way") -> Iterator[None]:
    """Log what is being done, once it has taken three seconds.

    Parameters
    ----------
    name : str
        The step.
    what : str
        What is to be said of it.
    """
    word = threading.Timer(SILENCE, log.info, ("%s: %s", name, what))
    word.daemon = True
    word.start()
    try:
        yield
    finally:
        word.cancel()


@contextmanager
def stage(name: str, unit: str = "") -> Iterator[Work]:
    """Log how long a step took and, if its work is counted, how fast it was; nothing more if it fails.

    One that takes long is said to be under way; one whose work was done before, as by another job of a sweep,
    is not worth a line.

    Parameters
    ----------
    name : str
        The step.
    unit : str
        What its ``count`` counts, in the plural.
    """
    started, work = time.perf_counter(), Work()
    with said_if_slow(name):
        yield work
    seconds = time.perf_counter() - started
    if work.count or seconds >= _QUICK:
        log.info("%s: %s", name, _describe(work.count, unit, seconds))


def _describe(count: int, unit: str, seconds: float) -> str:
    """Say what was done in which time.

    >>> _describe(600, "groups", 0.5)
    '600 groups in 0.50 s, 1,200 a second'
    >>> _describe(0, "", 12.345)
    '12.35 s'
    """
    if not count:
        return f"{seconds:.2f} s"
    return f"{count:,} {unit} in {seconds:.2f} s, {count / seconds:,.0f} a second"
