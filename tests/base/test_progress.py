"""Bars are for a terminal."""

import io

import pytest

from elsa_groups.base import progress as module
from elsa_groups.base.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(module, "_DELAY_SECONDS", 1e-9)


def count_to(n: int, **options) -> None:
    with progress(label="drawing", unit="group", total=n, **options) as bar:
        bar.mininterval = 0
        for _ in range(n):
            bar.update()


def test_a_terminal_sees_how_far_and_how_fast_and_nothing_in_the_end(monkeypatch, at_once):
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    count_to(3)
    shown = terminal.getvalue()
    assert "drawing:" in shown
    assert "2/3" in shown
    assert "group/s]" in shown
    assert shown.rpartition("\r")[0].rpartition("\r")[2].strip() == ""


def test_a_large_count_is_shown_in_thousands(monkeypatch, at_once):
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    count_to(2000)
    assert "/2.00k [" in terminal.getvalue()


@pytest.mark.parametrize("hidden", [True, False])
def test_a_pipe_sees_no_bar_and_a_hidden_one_is_not_seen_anywhere(monkeypatch, at_once, hidden):
    monkeypatch.setattr("sys.stderr", output := Terminal() if hidden else io.StringIO())
    count_to(3, hidden=hidden)
    assert output.getvalue() == ""


def test_what_is_handed_out_is_all_of_it():
    assert list(progress([3, 1, 2], label="measuring", unit="key")) == [3, 1, 2]
