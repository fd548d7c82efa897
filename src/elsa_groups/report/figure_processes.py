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
    """Processes that draw, each a figure at a time, and one that they come after."""

    def __init__(self, count: int, after: Popen[bytes] | None) -> None:
        self._after = after
        self._all = [] if after is None else [after]
        self._starting, self._ended = Lock(), False
        # None for one that could not be started.
        self._idle: SimpleQueue[Popen[bytes] | None] = SimpleQueue()
        self._threads = ThreadPoolExecutor(count)
        for _ in range(count):
            self._threads.submit(self._start)

    def _start(self) -> None:
        """Start a process once the one before has what it needs: importing it must not take all cores."""
        process = None
        with self._starting:
            try:
                if self._after:
                    assert self._after.stdout
                    self._after.stdout.read()
                if not self._ended:
                    process = start_module("elsa_groups.report.figures.process", stdout=PIPE)
                    self._all.append(process)
                    assert process.stdout
                    process.stdout.read(len(READY))
            finally:
                self._idle.put(process)

    def begin(self, folder: Path, shown: FigureData) -> "Future[Picture]":
        """Have a figure drawn by the next process that is idle."""
        return self._threads.submit(self._ask, folder, shown)

    def _ask(self, folder: Path, shown: FigureData) -> Picture:
        process = self._idle.get()
        try:
            if process is None:
                raise OSError("no process to draw a figure")
            assert process.stdin
            assert process.stdout
            pickle.dump((folder, shown), process.stdin)
            process.stdin.flush()
            picture: Picture = pickle.load(process.stdout)
            return picture
        finally:
            self._idle.put(process)

    def end(self) -> None:
        """Let go of them, whatever they are at."""
        self._ended = True
        for process in self._all:
            process.kill()
        # One may have been started meanwhile; it says that it is ready in a second.
        self._threads.shutdown(cancel_futures=True)
        for process in self._all:
            process.kill()
            process.communicate()


_PROCESSES: ContextVar[_Processes | None] = ContextVar("processes", default=None)


@contextmanager
def figure_processes(count: int, after: Popen[bytes] | None = None) -> Iterator[None]:
    """Have figures drawn by processes of their own.

    They begin at once with what they need, one after the other, as importing it takes a second.

    Parameters
    ----------
    count : int
        How many, of which there are three at most; with none this process draws by itself.
    after : Popen, optional
        A process whose output must have ended before they begin. It is ended with them.
    """
    count = min(count, _MOST_PROCESSES)
    if count < 1:
        yield
        return
    processes = _Processes(count, after)
    token = _PROCESSES.set(processes)
    try:
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
