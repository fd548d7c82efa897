"""Figures drawn by other processes: the same files as drawn here, whatever becomes of those."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from elsa_groups.report import drawing
from elsa_groups.report.drawing import begin_drawing, drawing_processes
from elsa_groups.report.figures.counting import count_similarities, similarity_rows
from elsa_groups.report.figures.data import Shown, Similarities

from .conftest import make_result

LIMITS = {"similar": 0.75, "divergent": 0.45}
KEYS = ("similar_3", "divergent_5", "opposing_2_1")


@pytest.fixture
def shown() -> list[Shown]:
    results = [make_result(key) for key in KEYS]
    return [Similarities(similarity_rows(results), **LIMITS), *count_similarities(results, **LIMITS)]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Numbers of the processes that were started."""
    numbers: list[int] = []

    class Noted(drawing.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            numbers.append(self.pid)

    monkeypatch.setattr(drawing, "Popen", Noted)
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


def _draw_here(folder: Path, shown: list[Shown]) -> list:
    return list(begin_drawing(_folder(folder), shown).pictures())


@pytest.mark.parametrize(("asked", "count"), [(0, 0), (1, 1), (2, 2), (63, 3)])
def test_files_and_pictures_are_those_drawn_here(tmp_path, shown, started, asked, count):
    here = _draw_here(tmp_path / "here", shown)

    with drawing_processes(asked):
        there = list(begin_drawing(_folder(tmp_path / "there"), shown).pictures())

    assert len(started) == count
    assert [picture.name for picture in there] == ["similarity", *KEYS]
    assert there == here
    assert _files(tmp_path / "there") == _files(tmp_path / "here")


def test_what_a_killed_process_leaves_is_drawn_here(tmp_path, shown, started):
    with drawing_processes(1):
        os.kill(started[0], signal.SIGKILL)
        there = list(begin_drawing(_folder(tmp_path / "there"), shown).pictures())

    assert there == _draw_here(tmp_path / "here", shown)
    assert _files(tmp_path / "there") == _files(tmp_path / "here")


def test_what_fails_there_is_raised_here(tmp_path, shown, started, capfd):
    with drawing_processes(1), pytest.raises(FileNotFoundError, match=r"similarity\.png"):
        list(begin_drawing(tmp_path / "nowhere", shown).pictures())

    assert capfd.readouterr().err == ""


def test_an_interrupted_command_leaves_no_process(tmp_path, shown, started):
    def interrupted() -> None:
        with drawing_processes(2):
            begin_drawing(_folder(tmp_path), shown)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert len(started) == 2
