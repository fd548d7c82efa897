"""Steps of a command: one line each when it is done, whatever it is read by."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger("elsa_groups.cli")


@dataclass
class Work:
    """What a step has done, for its line: 0 where nothing is worth counting."""

    count: int = 0


@contextmanager
def stage(name: str, unit: str = "") -> Iterator[Work]:
    """Log how long a step took and, if its work is counted, how fast it was; nothing if it fails.

    Parameters
    ----------
    name : str
        The step.
    unit : str
        What its ``count`` counts, in the plural.
    """
    started, work = time.perf_counter(), Work()
    yield work
    log.info("%s: %s", name, _describe(work.count, unit, time.perf_counter() - started))


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
