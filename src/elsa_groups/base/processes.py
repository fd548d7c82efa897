"""Processes of this machine: which one this is, its environment, and whether another is gone."""

import hashlib
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_UNKNOWN = "0"
# Linux gives the processes that are in no container this one.
_FIRST_SPACE = "pid:[4026531836]"


def this_process() -> str:
    """Return what names this process among those of all machines, now and later.

    Its parts are host, machine with its space of process numbers (each container has one of its own; ``0``
    where the system tells of none), number and start.
    """
    return f"{socket.gethostname()}_{_machine()}_{os.getpid()}_{_start(os.getpid()) or 0}"


def is_gone(process: str) -> bool:
    """Return whether a process, by the name it gave itself, was one of this machine and is no longer there.

    Of one that another container, another machine of this name or an older release named, nobody here knows.

    >>> is_gone(this_process()), is_gone("elsewhere_1_1_1"), is_gone("what?")
    (False, False, False)
    """
    host, machine, number, start = process.rsplit("_", 3) if process.count("_") >= 3 else ("", "", "", "")
    here = _machine()
    if (host, machine) != (socket.gethostname(), here) or here == _UNKNOWN:
        return False
    if not number.isdecimal() or not start.isdecimal():
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


@cache
def _machine() -> str:
    """Return what tells machines, and containers on them, from each other, as 12 hex digits."""
    try:
        space = os.readlink("/proc/self/ns/pid")
        # A container's file may be that of its image, and it does not outlive the start of its machine.
        names = ["/proc/sys/kernel/random/boot_id"]
        if space == _FIRST_SPACE:
            names.insert(0, "/etc/machine-id")
        told = next(filter(None, map(_text, names)), "")
    except OSError:
        return _UNKNOWN
    return hashlib.sha256(f"{told} {space}".encode()).hexdigest()[:12] if told else _UNKNOWN


def _text(name: str) -> str:
    path = Path(name)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _start(number: int) -> int | None:
    """Return when a process began, in ticks since the machine did; None where the system does not tell."""
    try:
        # Behind its name, which may hold anything, in brackets.
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return int(fields.split()[19])
    except (OSError, IndexError, ValueError):
        return None


@contextmanager
def changed_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment, which have their values of before again in the end."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
