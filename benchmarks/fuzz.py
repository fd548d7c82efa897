"""Change the files of a store at random: nothing but errors of one line, and verdicts, may come of it.

``python -m benchmarks.fuzz --minutes 10 --seed 1`` draws groups of Demo in a store of its own. Then it
changes a file of the groups run or of its parent, again and again: flips bits, cuts, repeats, nests, or
edits an entry of JSON. After each change it loads and reproduces the groups. What it looks for: a
traceback, a call that takes longer than a minute, groups that load although their members differ, and
the verdict *identical* where members in the store differ.
"""

import argparse
import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient

from elsa_groups import load_groups
from elsa_groups.base.errors import InputError
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.main import run as run_main
from elsa_groups.commands.reproduce import run as run_reproduce

_FEW = (
    *("dataset=Demo", "n_groups=5", "evidence.halves=2", "baseline.n_groups=5", "model.epochs=1"),
    *("~families.divergent", "~families.opposing"),
)
_TOO_LONG = 60.0


def flip(content: bytes, dice: random.Random) -> bytes:
    """Flip some bits."""
    changed = bytearray(content or b"\0")
    for _ in range(dice.choice((1, 1, 3, 50))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(content: bytes, dice: random.Random) -> bytes:
    """Keep the beginning."""
    return content[: dice.randrange(len(content) + 1)]


def repeat(content: bytes, dice: random.Random) -> bytes:
    """Repeat a stretch."""
    start = dice.randrange(len(content) + 1)
    return content[:start] + content[start : start + 200] * dice.randrange(2, 50) + content[start:]


def nest(content: bytes, dice: random.Random) -> bytes:
    """Open brackets that nobody closes, or that somebody does."""
    opened, closed = dice.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"- ", b"")))
    depth = dice.choice((10, 1_000, 100_000))
    return opened * depth + dice.choice((b"", b"1")) + closed * depth


def alias(_: bytes, dice: random.Random) -> bytes:
    """Write YAML of which little makes much."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, dice.randrange(2, 12))]
    return "\n".join(lines).encode()


def edit(content: bytes, dice: random.Random) -> bytes:
    """Give an entry of JSON another value, or take it away."""
    try:
        place = whole = json.loads(content)
    except (ValueError, RecursionError):
        return flip(content, dice)
    while isinstance(place, dict | list) and place:
        name = dice.choice(list(place) if isinstance(place, dict) else range(len(place)))
        inner = place[name]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.1:
            _replace(place, name, dice)
            break
        place = inner
    return json.dumps(whole).encode()


def _replace(place: Any, name: Any, dice: random.Random) -> None:
    values: tuple[Any, ...] = (
        None,
        True,
        -1,
        0,
        2**63,
        1e308,
        "",
        "x" * 1000,
        "${oc.env:HOME}",
        "../../x",
        [],
        {},
        [[1]],
        {"a": {}},
    )
    if dice.random() < 0.2:
        del place[name]
    else:
        place[name] = dice.choice(values)


CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, cut, repeat, nest, alias, edit, edit)


def members_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the members by group type, as they are in a folder of artifacts."""
    return {path.stem: path.read_bytes() for path in sorted((folder / "groups").glob("*[0-9].npy"))}


def quietly(call: Callable[[], Any]) -> tuple[Any, BaseException | None, float]:
    """Return what a call gives, or raises, and the seconds it takes; what it prints is dropped."""
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return call(), None, time.perf_counter() - began
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return None, error, time.perf_counter() - began


def fuzz(minutes: float, seed: int) -> int:
    """Change, load and reproduce for so many minutes; print what came of it, return the number of faults."""
    dice, ends, faults = random.Random(seed), Counter[str](), 0
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        mlflow.set_tracking_uri(f"sqlite:///{name}/mlflow.db")
        quietly(lambda: run_main(compose_settings("main", [*_FEW]), []))
        client = MlflowClient()
        (run,) = client.search_runs(["0"], "tags.`elsa_groups.kind` = 'groups'")
        folders = [
            Path(client.get_run(run_id).info.artifact_uri)
            for run_id in (run.info.run_id, run.data.tags["elsa_groups.parent"])
        ]
        whole = members_of(folders[0])
        again = compose_settings("reproduce", [f"groups_run_id={run.info.run_id}"])
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            folder = dice.choice((folders[0], folders[0], folders[1]))
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            file, change = dice.choice(files), dice.choice(CHANGES)
            kept = file.read_bytes()
            file.write_bytes(change(kept, dice))
            same = members_of(folders[0]) == whole
            for what, call in (
                ("load", lambda: load_groups(run.info.run_id)),
                ("reproduce", lambda: run_reproduce(again, [])),
            ):
                _, error, seconds = quietly(call)
                expected = error is None or (isinstance(error, InputError) and "\n" not in str(error))
                passed = error is None and not same
                ends[f"{what}: {type(error).__name__ if error else 'no error'}"] += 1
                if not expected or passed or seconds > _TOO_LONG:
                    faults += 1
                    print(f"{what} after {change.__name__} of {file.name}: {seconds:.0f} s, {error!r:.300}")
                    if error is not None and not expected:
                        print("".join(traceback.format_exception(error)[-3:]))
            file.write_bytes(kept)
            _forget_verdicts(client, Path(name), run.info.run_id)
    for what, count in sorted(ends.items()):
        print(f"{what}: {count:,}")
    print(f"faults: {faults}")
    return faults


def _forget_verdicts(client: MlflowClient, folder: Path, run_id: str) -> None:
    """Delete the files of verdicts, which would fill the disk."""
    for verdict in client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{run_id}'", max_results=50):
        shutil.rmtree(folder / "mlruns" / "0" / verdict.info.run_id, ignore_errors=True)
        client.delete_run(verdict.info.run_id)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    np.seterr(all="ignore")
    sys.exit(fuzz(options.minutes, options.seed) > 0)
