"""Who helps a command: processes that draw figures, and one that compiles on a fresh installation."""

import os
import signal
from types import SimpleNamespace

import pytest

from elsa_groups.base.distributed import ONE, Ranks
from elsa_groups.base.module_process import start_module
from elsa_groups.cli import helping as module
from elsa_groups.cli.commands import COMMANDS
from elsa_groups.cli.helping import helping
from elsa_groups.report import figure_processes

from ..launches import wait_for_processes

FIGURES = "elsa_groups.report.figures.process"
REHEARSAL = "elsa_groups.commands.generate.rehearsal"
SETTINGS = SimpleNamespace(threads=2)


@pytest.fixture
def started(monkeypatch):
    """Names of the modules that were started, of which none may outlive the command."""
    names, numbers = [], []

    def noted(name, **options):
        process = start_module(name, **options)
        names.append(name)
        numbers.append(process.pid)
        return process

    for where in (module, figure_processes):
        monkeypatch.setattr(where, "start_module", noted)
    yield names
    for number in numbers:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


@pytest.mark.parametrize(
    ("compiled", "names"), [(False, [REHEARSAL, FIGURES, FIGURES]), (True, [FIGURES, FIGURES])]
)
def test_figures_and_what_is_not_yet_compiled_are_left_to_others(started, monkeypatch, compiled, names):
    monkeypatch.setattr(module, "lacks_rehearsal", lambda: not compiled)
    with helping(COMMANDS["generate"], SETTINGS, ONE):
        wait_for_processes(len(names), started)
    assert started == names


def test_what_draws_starts_after_what_compiles_which_ends_with_the_command(started, monkeypatch):
    given, original = [], figure_processes.figure_processes

    def noted(count, after):
        given.append((count, after))
        return original(count, after)

    monkeypatch.setattr(figure_processes, "figure_processes", noted)
    monkeypatch.setattr(module, "lacks_rehearsal", lambda: True)
    with helping(COMMANDS["generate"], SETTINGS, ONE):
        assert started == [REHEARSAL]
    ((count, compiling),) = given
    assert count == 2
    assert REHEARSAL in compiling.args[-1]
    assert compiling.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("command", "threads", "ranks"),
    [("compare", 2, ONE), ("generate", 1, ONE), ("generate", 2, Ranks(1, 2))],
)
def test_commands_without_groups_a_single_core_and_other_ranks_have_no_help(started, command, threads, ranks):
    with helping(COMMANDS[command], SimpleNamespace(threads=threads), ranks):
        assert started == []


def test_a_machine_without_room_for_another_process_goes_on(monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError("no more processes")

    for where in (module, figure_processes):
        monkeypatch.setattr(where, "start_module", refuse)
    monkeypatch.setattr(module, "lacks_rehearsal", lambda: True)
    with helping(COMMANDS["generate"], SETTINGS, ONE):
        pass
