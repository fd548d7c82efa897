"""Processes that help a command: they draw figures and, on a fresh installation, compile what it needs."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import DEVNULL
from typing import Any

from elsa_groups.base.distributed import Ranks
from elsa_groups.base.kernel_folder import kernel_folder
from elsa_groups.base.module_process import start_module
from elsa_groups.cli.commands import Command


@contextmanager
def helped(command: Command, settings: Any, ranks: Ranks, own: int = 1) -> Iterator[None]:
    """Have a command that makes groups helped, from before its libraries are imported to its end.

    Parameters
    ----------
    command : Command
        The command.
    settings : object
        Its settings.
    ranks : Ranks
        This process among others; the first one has help.
    own : int
        Cores that are busy with the command itself while figures are drawn.
    """
    if not command.draws_groups or ranks.rank:
        yield
        return
    # Both need numpy, which nobody waits for whose command line is refused.
    from elsa_groups.base.threads import available_threads
    from elsa_groups.report.drawing import drawing_processes

    threads = settings.threads or available_threads() // ranks.on_machine
    with drawing_processes(threads - own), _compiling(settings):
        yield


@contextmanager
def _compiling(settings: Any) -> Iterator[None]:
    """Let a process compile what draws and measures groups, where nothing is compiled yet."""
    if kernel_folder().exists():
        yield
        return
    process = start_module("elsa_groups.commands.generate.rehearsal", stdout=DEVNULL, stderr=DEVNULL)
    try:
        with process.stdin:  # type: ignore[union-attr]
            pickle.dump(settings, process.stdin)  # type: ignore[arg-type]
        yield
    finally:
        process.kill()
        process.wait()
