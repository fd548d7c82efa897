"""Damage the files of a store at random: nothing but errors of one line, and verdicts, may come of it.

``python -m benchmarks.fuzz --minutes 10 --seed 1`` draws groups of Demo in a store of its own. Then it
damages up to four files of the groups run and of its parent at once, again and again, as
:mod:`benchmarks.damage` has it, and loads and reproduces the groups. What it looks for: a traceback, a call
that does not end in two minutes or takes more than some gigabytes, groups that load although their files are
other ones, the verdict *identical* although they are, and ``strict=true`` that passes anything of the run.
The same groups as a published folder are damaged too, with every checksum renewed, as a forger would; of
these only a traceback, a hang and memory count.
"""

import argparse
import contextlib
import faulthandler
import io
import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mlflow
import numpy as np
from matplotlib.figure import Figure
from mlflow import MlflowClient

from benchmarks.damage import changes_of
from elsa_groups import load_groups
from elsa_groups.base.checksums import write_sums
from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.export.publication import write_publication
from elsa_groups.commands.generate import files
from elsa_groups.commands.main import run as run_main
from elsa_groups.commands.reproduce import run as run_reproduce
from elsa_groups.measures.statistics import Result
from elsa_groups.record.group_files import published_name
from elsa_groups.report.figures import run as figures
from elsa_groups.report.figures.counting import count_similarities
from elsa_groups.report.figures.data import Histogram
from elsa_groups.similarity.limits import Thresholds
from elsa_groups.similarity.users import Users
from elsa_groups.tracking.load import open_record

_FEW = (
    *("dataset=Demo", "n_groups=5", "evidence.halves=2", "baseline.n_groups=5", "model.epochs=1"),
    *("~families.divergent", "~families.opposing"),
)  # Seconds that a call may take, and bytes beyond those that libraries take.
_TOO_LONG = 120
_TOO_MUCH = 6 << 30


class Hang(BaseException):
    """A call did not end in time."""


@dataclass(frozen=True)
class Target:
    """A groups run whose files are damaged, and what they were."""

    run_id: str
    folders: tuple[Path, ...]
    whole: dict[str, bytes]
    record: Any

    def changed(self) -> set[str]:
        """Return the files of the run that are not what they were; of the record, its content counts."""
        now = _files_in(self.folders[0])
        names = {name for name in {*self.whole, *now} if self.whole.get(name) != now.get(name)}
        if "lineage.json" in names and _content(now.get("lineage.json")) == self.record:
            names.remove("lineage.json")
        return names


def _files_in(folder: Path) -> dict[str, bytes]:
    there = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in there}


def _content(text: bytes | None) -> Any:
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        return json.loads(text or b"")
    return None


def _only_histograms(_: Users, results: list[Result], thresholds: Thresholds, **__: Any) -> list[Histogram]:
    return count_similarities(results, similar=thresholds.similar, divergent=thresholds.divergent)


@contextlib.contextmanager
def undrawn() -> Iterator[None]:
    """Leave out pictures, which take most of the time, when groups are drawn and drawn again."""
    with (
        patch.object(files, "figures_of", _only_histograms),
        patch.object(figures, "draw_histogram", lambda _: Figure()),
        patch.object(figures, "save_png", lambda _, path: path.write_bytes(b"")),
    ):
        yield


def make_target() -> Target:
    """Train a small parent, and draw a few groups of it."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        run_main(compose_settings("main", [*_FEW]), [])
    client = MlflowClient()
    (run,) = client.search_runs(["0"], "tags.`elsa_groups.kind` = 'groups'")
    ids = run.info.run_id, run.data.tags["elsa_groups.parent"]
    folders = tuple(Path(client.get_run(run_id).info.artifact_uri) for run_id in ids)
    whole = _files_in(folders[0])
    return Target(run.info.run_id, folders, whole, json.loads(whole["lineage.json"]))


def publish(run_id: str, folder: Path) -> Target:
    """Write the groups to a folder to be published."""
    folder.mkdir()
    write_publication(folder, open_record(run_id))
    whole = _files_in(folder)
    return Target(run_id, (folder, folder), whole, json.loads(whole["lineage.json"]))


def renew_digests(folder: Path) -> None:
    """Give the record, if it can still be read, and the list of checksums the digests that files have now."""
    record = _content((folder / "lineage.json").read_bytes())
    if isinstance(record, dict) and isinstance(record.get("artifacts"), dict):
        for path in record["artifacts"]:
            file = folder / published_name(path)
            if file.is_file():
                record["artifacts"][path] = file_digest(file)
        (folder / "lineage.json").write_text(json.dumps(record))
    write_sums(folder)


@contextlib.contextmanager
def forged(published: Target, dice: random.Random) -> Iterator[list[str]]:
    """Damage a published folder and renew its checksums; restore it in the end."""
    folder = published.folders[0]
    try:
        with damaged(published, dice) as done:
            if (folder / "lineage.json").exists():
                renew_digests(folder)
            yield done
    finally:
        for name, content in published.whole.items():
            (folder / name).write_bytes(content)


@contextlib.contextmanager
def damaged(target: Target, dice: random.Random) -> Iterator[list[str]]:
    """Damage some files, as the names given say, and restore them in the end."""
    kept: dict[Path, bytes] = {}
    done: list[str] = []
    for _ in range(dice.choice((1, 1, 2, 4))):
        folder = dice.choice((target.folders[0], target.folders[0], target.folders[1]))
        # Pictures are as many as all others, and nobody reads them.
        read = [
            path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix not in (".png", ".svg")
        ]
        file = dice.choice(read)
        kept.setdefault(file, file.read_bytes())
        if dice.random() < 0.05:
            file.unlink()
            done.append(f"delete {file.name}")
            continue
        change = dice.choice(changes_of(file.name))
        file.write_bytes(change(file.read_bytes(), dice))
        done.append(f"{change.__name__} {file.name}")
    try:
        yield done
    finally:
        for file, content in kept.items():
            file.write_bytes(content)


def quietly(call: Callable[[], Any]) -> tuple[BaseException | None, str]:
    """Return what a call raises, if it does, and what it says; one that does not end is ended."""

    def end(*_: object) -> None:
        raise Hang

    said = io.StringIO()
    signal.signal(signal.SIGALRM, end)
    signal.alarm(_TOO_LONG)
    # What never comes back to Python hears no signal.
    faulthandler.dump_traceback_later(2 * _TOO_LONG, exit=True)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            call()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return error, said.getvalue()
        finally:
            signal.alarm(0)
            faulthandler.cancel_dump_traceback_later()
    return None, said.getvalue()


def _fault(what: str, error: BaseException | None, changed: set[str]) -> str | None:
    """Say what is wrong with how a call ended, if anything is."""
    if error is not None:
        meant = isinstance(error, InputError) and "\n" not in str(error)
        return None if meant else "".join(traceback.format_exception(error)[-4:])
    of_members = {
        name for name in changed if name.startswith("groups/") and name.endswith((".npy", ".parquet"))
    }
    if what == "load":
        # Arrays of ids are for who reads them without this program.
        of_members = {name for name in of_members if not name.endswith(("_ids.npy", "_measures.parquet"))}
    elif what == "reproduce":
        of_members = {name for name in of_members if not name.endswith("_measures.parquet")}
    passed = changed if what == "reproduce strict" else of_members
    return f"passed {', '.join(sorted(passed))}" if passed else None


def fuzz(minutes: float, seed: int) -> int:
    """Damage, load and reproduce for so many minutes; print what came of it, return the number of faults."""
    dice, tries, ends, faults = random.Random(seed), Counter[str](), Counter[str](), 0
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name), undrawn():
        mlflow.set_tracking_uri(f"sqlite:///{name}/mlflow.db")
        target = make_target()
        published = publish(target.run_id, Path(name) / "published")
        again = [f"groups_run_id={target.run_id}"]
        calls: dict[str, Callable[[], Any]] = {
            "load": lambda: load_groups(target.run_id),
            "reproduce": lambda: run_reproduce(compose_settings("reproduce", again), []),
            "reproduce strict": lambda: run_reproduce(
                compose_settings("reproduce", [*again, "strict=true"]), []
            ),
        }
        if error := quietly(calls["reproduce strict"])[0]:
            raise error
        _bound_memory()
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            with damaged(target, dice) as done:
                changed = target.changed()
                tries.update(done)
                for what in ("load", dice.choice(("reproduce", "reproduce strict"))):
                    faults += _try(what, calls[what], changed, ends, done)
            with forged(published, dice) as done:
                faults += _try("load folder", lambda: load_groups(published.folders[0]), set(), ends, done)
            _forget_verdicts(Path(name), target.run_id)
    _tell(tries, ends)
    print(f"faults: {faults}")
    return faults


def _try(what: str, call: Callable[[], Any], changed: set[str], ends: Counter[str], done: list[str]) -> bool:
    """Call, count how it ended, and print what is wrong with that; return whether anything is."""
    error, said = quietly(call)
    ends[f"{what}: {type(error).__name__ if error else 'no error'}"] += 1
    fault = _fault(what, error, changed)
    if fault is None and "Traceback" in said:
        fault = said
    if fault is not None:
        print(f"FAULT {what} after {'; '.join(done)}: {fault}", flush=True)
    return fault is not None


def _tell(tries: Counter[str], ends: Counter[str]) -> None:
    kinds, names = Counter[str](), Counter[str]()
    for tried, count in tries.items():
        kind, _, file = tried.partition(" ")
        kinds[kind] += count
        names[file] += count
    for counted in (kinds, names, ends):
        print("; ".join(f"{what} {count:,}" for what, count in sorted(counted.items())))


def _bound_memory() -> None:
    """Let an allocation that a damaged file asks for fail, where it is far more than all files have."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + _TOO_MUCH
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))


def _forget_verdicts(folder: Path, run_id: str) -> None:
    """Delete the files of verdicts, which would fill the disk."""
    client = MlflowClient()
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
