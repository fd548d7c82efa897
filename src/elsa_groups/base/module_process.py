"""Start a module of this package as a process of its own."""

import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen

_SOURCES = Path(__file__).resolve().parents[2]


def start_module(name: str, *, stdout: int, stderr: int | None = None) -> Popen[bytes]:
    """Start a module, to which things are said by its stdin; when that ends, so should the module.

    Parameters
    ----------
    name : str
        The module.
    stdout, stderr : int or None
        As :class:`subprocess.Popen` takes them.
    """
    # Nothing in the folder that a user is in must be taken for one of Python's own modules.
    command = [sys.executable, "-P", "-m", name]
    paths = [str(_SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return Popen(command, stdin=PIPE, stdout=stdout, stderr=stderr, env=environment)
