"""Share tasks among worker threads whose numerical code runs without the interpreter lock."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

# A library may have signals restart a wait instead of interrupting it (polars does so for SIGINT): then
# they are seen when the wait ends.
_WAKE_SECONDS = 0.25

T = TypeVar("T")
R = TypeVar("R")


def available_threads() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class SharedTasks(Generic[T]):
    """An iterator that several threads may draw from, until it is exhausted or closed."""

    def __init__(self, tasks: Iterable[T]) -> None:
        self._tasks = iter(tasks)
        self._lock = threading.Lock()
        self._open = True

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._lock:
            if not self._open:
                raise StopIteration
            return next(self._tasks)

    def close(self) -> None:
        """Let every thread find the iterator exhausted."""
        self._open = False


def run_workers(
    worker: Callable[[SharedTasks[T]], R],
    tasks: Iterable[T],
    *,
    threads: int,
    stop: NDArray[np.int64] | None = None,
) -> list[R]:
    """Run ``threads`` workers over one shared iterator of tasks; return what each returned.

    The calling thread only waits, so signals are handled soon; where a worker of others asks for a single
    one, it does the work itself. An exception there or in a worker closes the iterator, sets ``stop[0]`` for
    compiled code to see, waits for the calls under way and is raised.
    """
    shared = SharedTasks(tasks)
    if threads == 1 and threading.current_thread() is not threading.main_thread():
        return [worker(shared)]
    with ThreadPoolExecutor(threads) as pool:
        try:
            futures = [pool.submit(worker, shared) for _ in range(threads)]
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, timeout=_WAKE_SECONDS, return_when=FIRST_EXCEPTION)
                # The first to fail must stop the others, whichever it is.
                for future in done:
                    future.result()
            return [future.result() for future in futures]
        except BaseException:
            shared.close()
            if stop is not None:
                stop[0] = 1
            raise
