"""Processes that help a command: they draw figures and, on a fresh installation, compile what it needs."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

from elsa_groups.base.distributed import Ranks
from elsa_groups.base.kernel_folder import lacks_rehearsal
from elsa_groups.base.module_process import start_module
from elsa_groups.cli.commands import Command


@contextmanager
def helping(command: Command, settings: Any, ranks: Ranks) -> Iterator[None]:
    """Start the processes that help a command which makes groups, and end them with it.

    Parameters
    ----------
    command : Command
        The command.
    settings : object
        Its settings; with ``threads=1`` it has no help.
    ranks : Ranks
        This process among others; the first one has help.
    """
    if not command.draws_groups or ranks.rank:
        yield
        return
    # Both import numpy, which a command that is refused at once does without.
    from elsa_groups.base.threads import available_threads
    from elsa_groups.report.figure_processes import figure_processes

    threads = settings.threads or available_threads() // ranks.on_machine
    if threads < 2:
        yield
        return
    # After the one that compiles, which needs a core for itself until there is something to draw.
    with figure_processes(threads, after=_start_compiling(settings) if lacks_rehearsal() else None):
        yield


def _start_compiling(settings: Any) -> Popen[bytes] | None:
    """Let a process compile what draws and measures groups by settings; if it cannot, nothing is lost."""
    with suppress(OSError):
        process = start_module("elsa_groups.commands.generate.rehearsal", stdout=PIPE, stderr=DEVNULL)
        assert process.stdin
        # It ends when this process does: its input stays open as long.
        with suppress(OSError):
            pickle.dump(settings, process.stdin)
            process.stdin.flush()
        return process
    return None
