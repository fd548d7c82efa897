"""Measure cases, each in a process of its own, and print them as one table.

A case is a function of the options that returns rows; a module of cases has a ``main`` that runs them.
"""

import argparse
import gc
import operator
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

Call = Callable[[], object]

_COLUMNS = ("measure", "ours", "against", "ratio", "asked", "", "peak memory")
_PACKAGES = ("numpy", "torch", "numba", "polars")


class Absent(Exception):
    """What a case compares with is not here: says what, and how to get it."""


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes
    ----------
    quick : bool
        Smaller sizes and fewer repeats.
    data_dir : Path
        Folder with LastFM1k in it.
    """

    quick: bool
    data_dir: Path


@dataclass(frozen=True)
class Row:
    """One line of the table; texts are as they are to be printed.

    Attributes
    ----------
    measure, ours, against : str
        What was measured, and both figures.
    ratio : float or None
        As asked: a cost of ours over theirs, a speed, or a difference of quality.
    at_most, at_least : float or None
        What is asked of the ratio.
    peak : float or None
        Bytes resident at most while ours ran.
    peak_at_most : float or None
        What is asked of the peak.
    """

    measure: str
    ours: str
    against: str
    ratio: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    peak: float | None = None
    peak_at_most: float | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the columns."""
        asked, met = "", ""
        for limit, sign, holds in (
            (self.at_most, "<=", operator.le),
            (self.at_least, ">=", operator.ge),
        ):
            if limit is not None:
                asked = f"{sign} {limit:g}"
                met = "" if self.ratio is None else "met" if holds(self.ratio, limit) else "MISSED"
        ratio = "" if self.ratio is None else f"{self.ratio:.3g}" if self.ratio < 100 else f"{self.ratio:.0f}"
        return self.measure, self.ours, self.against, ratio, asked, met, self._peak_cell()

    def _peak_cell(self) -> str:
        if self.peak is None:
            return ""
        text = f"{self.peak / 2**20:,.0f} MiB"
        if self.peak_at_most is None:
            return text
        met = "met" if self.peak <= self.peak_at_most else "MISSED"
        return f"{text}, <= {self.peak_at_most / 2**20:,.0f} {met}"


@dataclass(frozen=True)
class Timing:
    """Median seconds of both sides, and the peak of resident bytes while ours ran alone."""

    ours: float
    against: float
    peak: float


Case = Callable[[Options], Sequence[Row]]


def seconds(value: float) -> str:
    """Return a duration with three digits.

    >>> seconds(0.01234), seconds(75.0)
    ('12.3 ms', '75 s')
    """
    units = ("s", 1.0), ("ms", 1e3), ("us", 1e6)
    unit, scale = next((pair for pair in units if value * pair[1] >= 1.0), units[-1])
    return f"{value * scale:.3g} {unit}" if value * scale < 999.5 else f"{value * scale:.0f} {unit}"


def clock(call: Call) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def alternate(ours: Call, against: Call, *, rounds: int) -> Timing:
    """Time both sides in turn; the peak is that of our first call, before the other side has run."""
    gc.collect()
    forget_peak()
    mine = [clock(ours)]
    peak = peak_memory()
    theirs = [clock(against)]
    for _ in range(rounds - 1):
        mine.append(clock(ours))
        theirs.append(clock(against))
    return Timing(statistics.median(mine), statistics.median(theirs), peak)


def peak_memory() -> float:
    """Return the most bytes that this process had resident since it began or since it was told to forget.

    Unlike ``ru_maxrss``, this does not begin with what the parent process had when it forked.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024.0 * int(line.split()[1])
    raise RuntimeError("/proc/self/status: expected a line VmHWM")


def forget_peak() -> None:
    """Let the peak start again from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def main(*cases: Case) -> None:
    """Run cases as the command line says, one process each, and print the table."""
    options = _parse()
    rows: list[Row] = []
    for case in cases:
        started = time.perf_counter()
        rows += _run_alone(case, options)
        name = f"{case.__module__}.{case.__name__}"
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print(f"{machine()}{'; quick' if options.quick else ''}\n\n{table(rows)}")


def _parse() -> Options:
    parser = argparse.ArgumentParser(description="Measure, and print a table.")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer repeats")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="folder with LastFM1k in it")
    return Options(**vars(parser.parse_args()))


def _run_alone(case: Case, options: Options) -> Sequence[Row]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(case, options).result()
        except Absent as reason:
            return [Row(case.__name__.replace("_", " "), "not measured", str(reason))]
        except BrokenProcessPool:
            return [Row(case.__name__.replace("_", " "), "killed", "out of memory?")]


def table(rows: Sequence[Row]) -> str:
    """Align rows as a Markdown table."""
    lines = [_COLUMNS, *(row.cells() for row in rows)]
    widths = [max(3, *(len(line[k]) for line in lines)) for k in range(len(_COLUMNS))]
    texts = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    texts.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in texts)


def machine() -> str:
    """Describe the processor, the memory and the packages that decide how fast things are."""
    cpu = next((line.split(":")[1].strip() for line in _lines("cpuinfo") if "model name" in line), "")
    kilobytes = int(next(line.split()[1] for line in _lines("meminfo") if line.startswith("MemTotal:")))
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    cores = len(os.sched_getaffinity(0))
    processor = cpu or platform.machine()
    return (
        f"{cores} cores of {processor}, {kilobytes / 2**20:.0f} GiB; Linux {platform.release()}, "
        f"Python {platform.python_version()}, {packages}"
    )


def _lines(name: str) -> list[str]:
    return Path("/proc", name).read_text().splitlines()
