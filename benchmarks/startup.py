"""Seconds until a command says its first words, beside the imports that it cannot do without."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Options, Row, alternate, main, seconds

_ROOT = Path(__file__).resolve().parents[1]
_GENERATE = ("-m", "elsa_groups.cli.generate")
# What is measured, what Python is given, and what its stderr then says; nothing: until it ends.
_MEASURES = (
    ("import elsa_groups", ("-c", "import elsa_groups"), ""),
    ("error of a mistyped key", (*_GENERATE, "sed=1"), "error: sed"),
    ("first log line of generate", _GENERATE, "generate dataset=Demo"),
    ("import torch alone", ("-c", "import torch"), ""),
    ("generate until the store is checked and Demo loaded", _GENERATE, "Demo: generated:Demo"),
)
_AGAINST = ("-c", "import mlflow"), ""


def startup(options: Options) -> list[Row]:
    rounds = 1 if options.quick else 5
    rows = []
    with TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/mlflow.db"
        start = partial(until, store)
        for name, arguments, words in _MEASURES:
            start(arguments, words)
            timing = alternate(partial(start, arguments, words), partial(start, *_AGAINST), rounds=rounds)
            against = f"{seconds(timing.against)}, import mlflow alone"
            rows.append(Row(name, seconds(timing.ours), against, timing.ours / timing.against))
    return rows


def until(store: str, arguments: tuple[str, ...], words: str) -> None:
    """Run Python until its stderr holds some words, or to its end where there are none to wait for."""
    environment = os.environ | {"PYTHONPATH": str(_ROOT / "src"), "MLFLOW_TRACKING_URI": store}
    command = [sys.executable, *arguments]
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        said = ""
        for line in process.stderr or ():
            said += line
            if words and words in line:
                process.kill()
                return
    if words or process.returncode:
        raise AssertionError(f"{command}: expected {words!r}, got {said}")


CASES = (startup,)

if __name__ == "__main__":
    main(*CASES)
