import signal
import threading
import time

import numpy as np
import pytest

from elsa_groups.base.threads import SharedTasks, available_threads, run_workers


class Failure(Exception):
    pass


def test_at_least_one_thread_is_available():
    assert available_threads() >= 1


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_task_goes_to_exactly_one_worker(threads):
    def worker(tasks):
        mine = []
        for task in tasks:
            time.sleep(0)
            mine.append(task)
        return mine

    parts = run_workers(worker, range(500), threads=threads)

    assert len(parts) == threads
    assert sorted(task for part in parts for task in part) == list(range(500))


def test_workers_without_tasks_return_too():
    assert run_workers(lambda tasks: list(tasks), [], threads=3) == [[], [], []]


def test_closed_tasks_are_exhausted_though_some_are_left():
    tasks = SharedTasks(range(10))

    assert next(tasks) == 0
    tasks.close()

    assert list(tasks) == []


def test_an_exception_of_the_only_worker_is_raised_and_sets_the_stop_flag():
    stop = np.zeros(1, np.int64)

    def worker(tasks):
        raise Failure("the only one")

    with pytest.raises(Failure, match="the only one"):
        run_workers(worker, range(10), threads=1, stop=stop)
    assert stop[0] == 1


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_exception_in_any_worker_stops_the_others(failing):
    """Whichever worker fails, the first submitted or the last, the others get no further tasks."""
    stop = np.zeros(1, np.int64)
    turns = iter(range(3))
    lock = threading.Lock()
    everyone = threading.Barrier(3)
    done = []

    def worker(tasks):
        with lock:
            me = next(turns)
        everyone.wait(10)
        if me == failing:
            raise Failure
        for task in tasks:
            time.sleep(0.005)
            done.append(task)

    with pytest.raises(Failure):
        run_workers(worker, range(300), threads=3, stop=stop)

    assert stop[0] == 1
    # Without being stopped, two workers go on for 0.75 s.
    assert len(done) < 100


def test_compiled_loops_are_told_to_stop_when_another_worker_fails():
    """A worker that looks at nothing but the flag, as compiled code does, ends as well."""
    stop = np.zeros(1, np.int64)
    turns = iter(range(2))
    lock = threading.Lock()
    told = []

    def worker(tasks):
        with lock:
            me = next(turns)
        if me == 1:
            time.sleep(0.05)
            raise Failure
        give_up = time.monotonic() + 3.0
        while not stop[0] and time.monotonic() < give_up:
            time.sleep(0.001)
        told.append(int(stop[0]))

    with pytest.raises(Failure):
        run_workers(worker, range(2), threads=2, stop=stop)
    assert told == [1]


def test_an_exception_of_the_tasks_themselves_is_raised():
    def tasks():
        yield 1
        raise Failure("no more")

    with pytest.raises(Failure, match="no more"):
        run_workers(list, tasks(), threads=2)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals of single threads")
def test_an_interrupt_of_the_caller_stops_the_workers_at_once():
    main = threading.main_thread()
    if threading.current_thread() is not main:
        pytest.skip("only the main thread is interrupted")
    stop = np.zeros(1, np.int64)
    told = []

    def worker(tasks):
        if next(tasks) == 0:
            time.sleep(0.2)
            signal.pthread_kill(main.ident, signal.SIGINT)
        give_up = time.monotonic() + 5.0
        while not stop[0] and time.monotonic() < give_up:
            time.sleep(0.001)
        told.append(int(stop[0]))

    with pytest.raises(KeyboardInterrupt):
        run_workers(worker, range(2), threads=2, stop=stop)

    assert told == [1, 1]
