"""Figures drawn by other processes: the same files as drawn here, whatever becomes of those."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from elsa_groups.base.module_process import start_module
from elsa_groups.report import figure_processes as module
from elsa_groups.report.figure_processes import begin_figures, figure_processes
from elsa_groups.report.figures.counting import count_similarities, similarity_rows
from elsa_groups.report.figures.data import FigureData, Similarities

from ..launches import wait_for_processes
from .conftest import make_result

LIMITS = {"similar": 0.75, "divergent": 0.45}
KEYS = ("similar_3", "divergent_5", "opposing_2_1")


@pytest.fixture
def shown() -> list[FigureData]:
    results = [make_result(key) for key in KEYS]
    return [Similarities(similarity_rows(results), **LIMITS), *count_similarities(results, **LIMITS)]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Numbers of the processes that were started."""
    numbers: list[int] = []

    def noted(*args, **options):
        process = start_module(*args, **options)
        numbers.append(process.pid)
        return process

    monkeypatch.setattr(module, "start_module", noted)
    yield numbers
    for number in numbers:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def _folder(path: Path) -> Path:
    for name in ("figures", "histograms"):
        (path / name).mkdir(parents=True)
    return path


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def _draw_here(folder: Path, shown: list[FigureData]) -> list:
    return list(begin_figures(_folder(folder), shown).pictures())


@pytest.mark.parametrize(("asked", "count"), [(1, 1), (2, 2), (63, 3)])
def test_files_and_pictures_are_those_drawn_here(tmp_path, shown, started, asked, count):
    here = _draw_here(tmp_path / "here", shown)

    with figure_processes(asked):
        wait_for_processes(count, started)
        there = list(begin_figures(_folder(tmp_path / "there"), shown).pictures())

    assert len(started) == count
    assert [picture.name for picture in there] == ["similarity", *KEYS]
    assert there == here
    assert _files(tmp_path / "there") == _files(tmp_path / "here")


def test_what_a_killed_process_leaves_is_drawn_here(tmp_path, shown, started):
    with figure_processes(1):
        wait_for_processes(1, started)
        os.kill(started[0], signal.SIGKILL)
        there = list(begin_figures(_folder(tmp_path / "there"), shown).pictures())

    assert there == _draw_here(tmp_path / "here", shown)
    assert _files(tmp_path / "there") == _files(tmp_path / "here")


def test_what_is_left_by_a_process_that_was_killed_is_drawn_by_the_other(
    tmp_path, shown, started, monkeypatch
):
    here, drawn, draw_here = _draw_here(tmp_path / "here", shown), [], module._draw_here

    def noted(folder, figure):
        drawn.append(figure)
        return draw_here(folder, figure)

    monkeypatch.setattr(module, "_draw_here", noted)
    with figure_processes(2):
        wait_for_processes(2, started)
        os.kill(started[0], signal.SIGKILL)
        there = list(begin_figures(_folder(tmp_path / "there"), shown).pictures())

    assert there == here
    assert len(drawn) <= 1


def test_what_a_process_is_killed_while_it_tells_of_is_drawn_here(tmp_path, shown, monkeypatch):
    half = (
        "import sys; say = sys.stdout.buffer; say.write(b'ready'); say.flush(); sys.stdin.buffer.read(1)"
        "; say.write(b'\\x80\\x04\\x95\\xff'); say.flush()"
    )
    monkeypatch.setattr(
        module, "start_module", lambda *_, **__: Popen([sys.executable, "-c", half], stdin=PIPE, stdout=PIPE)
    )
    with figure_processes(1):
        there = list(begin_figures(_folder(tmp_path / "there"), shown).pictures())

    assert there == _draw_here(tmp_path / "here", shown)


def _sleeping(*_: object, **__: object) -> Popen[bytes]:
    """A process that says nothing."""
    return Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdin=PIPE, stdout=PIPE)


def test_processes_that_are_left_before_they_are_ready_end(monkeypatch):
    begun: list[Popen[bytes]] = []
    monkeypatch.setattr(module, "start_module", lambda *_, **__: begun.append(_sleeping()) or begun[-1])
    with figure_processes(3):
        wait_for_processes(1, begun)

    assert [process.returncode for process in begun] == [-signal.SIGKILL]


def test_processes_start_when_the_output_of_the_one_before_has_ended(started):
    with _sleeping() as before, figure_processes(2, after=before):
        time.sleep(0.3)
        assert started == []
        before.kill()
        wait_for_processes(2, started)


def test_figures_do_not_wait_for_the_process_before_to_end_by_itself(tmp_path, shown, started):
    with _sleeping() as before, figure_processes(2, after=before):
        there = list(begin_figures(_folder(tmp_path / "there"), shown).pictures())

    assert before.returncode == -signal.SIGKILL
    assert len(started) > 0
    assert there == _draw_here(tmp_path / "here", shown)


def test_what_is_left_before_anything_is_drawn_ends_the_process_before(started):
    with _sleeping() as before, figure_processes(2, after=before):
        pass

    assert before.returncode == -signal.SIGKILL
    assert started == []


def test_a_process_that_is_missing_leaves_the_figures_to_the_others(tmp_path, shown, monkeypatch):
    begun: list[Popen[bytes]] = []

    def only_one(*args, **options):
        if begun:
            raise BlockingIOError("no more processes")
        begun.append(start_module(*args, **options))
        return begun[0]

    def draw_here(*_):
        raise AssertionError("a figure was not left to the process that is there")

    here = _draw_here(tmp_path / "here", shown)
    monkeypatch.setattr(module, "start_module", only_one)
    monkeypatch.setattr(module, "_draw_here", draw_here)
    with figure_processes(3):
        assert list(begin_figures(_folder(tmp_path / "there"), shown).pictures()) == here


def test_where_no_process_can_be_started_figures_are_drawn_here(tmp_path, shown, monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(module, "start_module", refuse)
    with figure_processes(2):
        there = list(begin_figures(_folder(tmp_path / "there"), shown).pictures())

    assert there == _draw_here(tmp_path / "here", shown)


def test_what_fails_there_is_raised_here(tmp_path, shown, started, capfd):
    with figure_processes(1), pytest.raises(FileNotFoundError, match=r"similarity\.png"):
        list(begin_figures(tmp_path / "nowhere", shown).pictures())

    assert capfd.readouterr().err == ""


def test_an_interrupted_command_leaves_no_process(tmp_path, shown, started):
    def interrupted() -> None:
        with figure_processes(2):
            begin_figures(_folder(tmp_path), shown)
            wait_for_processes(2, started)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert len(started) == 2
