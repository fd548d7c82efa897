"""Figures drawn by processes of their own, beside whatever the command does meanwhile."""

import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE, Popen
from threading import Lock

from elsa_groups.base.module_process import READY, start_module
from elsa_groups.report.figures.data import FigureData
from elsa_groups.report.pictures import Picture

# Each takes 100 MB, and a run has a dozen figures.
_MOST_PROCESSES = 3


class _Processes:
    """Processes that draw, each a figure at a time, and the one that they are started after."""

    def __init__(self, count: int, after: Popen[bytes] | None) -> None:
        self._after = after
        self._all = [after] if after else []
        self._lock, self._starting, self._ended = Lock(), Lock(), False
        self._threads, self._usable = ThreadPoolExecutor(count), count
        # None where no process is left.
        self._idle: SimpleQueue[Popen[bytes] | None] = SimpleQueue()

    def start(self) -> None:
        """Let threads start the processes."""
        for _ in range(self._usable):
            self._threads.submit(self._start)

    def _start(self) -> None:
        """Start a process once the one before is ready: importing matplotlib must not take all cores."""
        process = None
        try:
            with self._starting:
                process = self._new_process()
        finally:
            if process is None:
                self._lose_one()
            else:
                self._idle.put(process)

    def _new_process(self) -> Popen[bytes] | None:
        if self._after:
            assert self._after.stdout
            self._after.stdout.read()
        if self._ended:
            return None
        try:
            process = start_module("elsa_groups.report.figures.process", stdout=PIPE)
        except OSError:
            # A machine that has no room for another one is no reason to stop.
            return None
        self._all.append(process)
        if self._ended:
            process.kill()
        assert process.stdout
        return process if process.stdout.read(len(READY)) == READY else None

    def _lose_one(self) -> None:
        """Go on with the others; without any, let those who wait for one know."""
        with self._lock:
            self._usable -= 1
            if not self._usable:
                self._idle.put(None)

    def begin(self, folder: Path, shown: FigureData) -> "Future[Picture]":
        """Have a figure drawn by the next process that is idle."""
        if self._after:
            # What is not compiled by now is not needed before the figures are.
            self._after.kill()
        return self._threads.submit(self._ask, folder, shown)

    def _ask(self, folder: Path, shown: FigureData) -> Picture:
        process = self._idle.get()
        if process is None:
            self._idle.put(None)
            raise OSError("no process to draw a figure")
        try:
            assert process.stdin
            assert process.stdout
            pickle.dump((folder, shown), process.stdin)
            process.stdin.flush()
            picture: Picture = pickle.load(process.stdout)
        except BaseException:
            self._lose_one()
            raise
        self._idle.put(process)
        return picture

    def end(self) -> None:
        """Let go of them, whatever they are at."""
        # One that is added after this is killed by who adds it.
        self._ended = True
        for process in tuple(self._all):
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._all:
            process.communicate()


_PROCESSES: ContextVar[_Processes | None] = ContextVar("processes", default=None)


@contextmanager
def figure_processes(count: int, after: Popen[bytes] | None = None) -> Iterator[None]:
    """Have figures drawn by processes of their own.

    They start at once, one after the other, as importing matplotlib takes each of them a second.

    Parameters
    ----------
    count : int
        How many, at least 1, of which there are three at most.
    after : Popen, optional
        A process, its output a pipe, which they are started after. It is ended when the first figure is
        begun, or with them.
    """
    processes = _Processes(min(count, _MOST_PROCESSES), after)
    token = _PROCESSES.set(processes)
    try:
        processes.start()
        yield
    finally:
        _PROCESSES.reset(token)
        processes.end()


@dataclass(frozen=True)
class BegunFigures:
    """Figures that are being drawn, or will be when they are asked for.

    Attributes
    ----------
    folder : Path
        With the folders ``figures`` and ``histograms``.
    figures : sequence of FigureData
        What they show.
    begun : tuple of Future
        One for each, where other processes draw them.
    """

    folder: Path
    figures: Sequence[FigureData]
    begun: "tuple[Future[Picture], ...]"

    def pictures(self) -> Iterator[Picture]:
        """Yield the figures in their order, each when it is there."""
        for number, shown in enumerate(self.figures):
            yield self._drawn_there(number) or _draw_here(self.folder, shown)

    def _drawn_there(self, number: int) -> Picture | None:
        try:
            return self.begun[number].result() if self.begun else None
        except (OSError, EOFError, pickle.UnpicklingError):
            # That process has gone: whatever was wrong there comes up here, or does not.
            return None


def begin_figures(folder: Path, figures: Sequence[FigureData]) -> BegunFigures:
    """Begin to draw figures, where :func:`figure_processes` are there."""
    processes = _PROCESSES.get()
    begun = [processes.begin(folder, shown) for shown in figures] if processes else []
    return BegunFigures(folder, figures, tuple(begun))


def _draw_here(folder: Path, shown: FigureData) -> Picture:
    # matplotlib takes a second to import, which a command whose figures are drawn elsewhere does without.
    from elsa_groups.report.figures.run import save_shown

    return save_shown(folder, shown)
