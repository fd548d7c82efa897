"""Figures drawn by processes of their own, beside whatever the command does meanwhile."""

import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE, Popen

from elsa_groups.base.module_process import start_module
from elsa_groups.report.figures.data import FigureData
from elsa_groups.report.pictures import Picture

# Each takes 100 MB, and a run has a dozen figures.
_MOST_PROCESSES = 3


class _Processes:
    """Processes that draw, each a figure at a time."""

    def __init__(self, count: int) -> None:
        self._all: list[Popen[bytes]] = []
        # A machine that has no room for another one is no reason to stop.
        with suppress(OSError):
            for _ in range(count):
                self._all.append(start_module("elsa_groups.report.figures.process", stdout=PIPE))
        self._idle: SimpleQueue[Popen[bytes]] = SimpleQueue()
        for process in self._all:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(count)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all)

    def begin(self, folder: Path, shown: FigureData) -> "Future[Picture]":
        """Have a figure drawn by the next process that is idle."""
        return self._threads.submit(self._ask, folder, shown)

    def _ask(self, folder: Path, shown: FigureData) -> Picture:
        process = self._idle.get()
        try:
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
        for process in self._all:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._all:
            process.communicate()


_PROCESSES: ContextVar[_Processes | None] = ContextVar("processes", default=None)


@contextmanager
def figure_processes(count: int) -> Iterator[None]:
    """Have figures drawn by processes of their own.

    They begin at once with what they need, as importing it takes a second.

    Parameters
    ----------
    count : int
        How many, of which there are three at most; with none this process draws by itself.
    """
    count = min(count, _MOST_PROCESSES)
    if count < 1:
        yield
        return
    processes = _Processes(count)
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
    # None, or none that could be started.
    begun = [processes.begin(folder, shown) for shown in figures] if processes else []
    return BegunFigures(folder, figures, tuple(begun))


def _draw_here(folder: Path, shown: FigureData) -> Picture:
    # matplotlib takes a second to import, which a command whose figures are drawn elsewhere does without.
    from elsa_groups.report.figures.run import save_shown

    return save_shown(folder, shown)
