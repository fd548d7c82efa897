"""Processes of this machine: which one this is, and whether another is gone."""

import os
import socket
from pathlib import Path


def this_process() -> str:
    """Return what names this process among those of all machines, now and later: host, number and start."""
    return f"{socket.gethostname()}_{os.getpid()}_{_start(os.getpid()) or 0}"


def is_gone(process: str) -> bool:
    """Return whether a process, by the name it gave itself, was one of this machine and is no longer there.

    >>> is_gone(this_process()), is_gone("elsewhere_1_1"), is_gone("what?")
    (False, False, False)
    """
    host, _, rest = process.rpartition("_")[0].rpartition("_")
    number, start = rest, process.rpartition("_")[2]
    if host != socket.gethostname() or not number.isdecimal() or not start.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    # Numbers are given again.
    now = _start(int(number))
    return now is not None and int(start) != 0 and now != int(start)


def _start(number: int) -> int | None:
    """Return when a process began, in ticks since the machine did; None where the system does not tell."""
    try:
        # Behind its name, which may hold anything, in brackets.
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return int(fields.split()[19])
    except (OSError, IndexError, ValueError):
        return None
