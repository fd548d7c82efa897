"""Start a module of this package as a process of its own."""

import sys
from pathlib import Path
from subprocess import PIPE, Popen

_SOURCES = Path(__file__).resolve().parents[2]

# What a module may say once it has imported what it needs.
READY = b"ready"


def start_module(name: str, *, stdout: int, stderr: int | None = None) -> Popen[bytes]:
    """Start a module, to which things are said by its stdin; when that ends, so should the module.

    Parameters
    ----------
    name : str
        The module.
    stdout, stderr : int or None
        As :class:`subprocess.Popen` takes them.
    """
    # Nothing in the folder that a user is in, or beside this package, must be taken for one of Python's own.
    run = f"runpy.run_module({name!r}, run_name='__main__')"
    # Ctrl-C is for this process, which then ends the other one.
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    code = f"{deaf}; import runpy, sys; sys.path.append({str(_SOURCES)!r}); {run}"
    return Popen([sys.executable, "-P", "-c", code], stdin=PIPE, stdout=stdout, stderr=stderr)
