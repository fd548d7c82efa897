"""Many settings in one command: whose runs they are, what fails and what does not, and how they end."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import mlflow
import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.cli import lifecycle
from elsa_groups.commands import train
from elsa_groups.commands.compare import compare as comparing
from elsa_groups.commands.generate import drawing, generate
from elsa_groups.tracking.run import tracked_run

from ..launches import kept_process
from .conftest import ROOT, Launch, Store

SMALL = (
    "dataset=Demo", "dataset.n_users=300", "dataset.n_items=400", "n_groups=3", "baseline.n_groups=20",
    "families.similar.compositions=[[3]]", "~families.opposing", "~families.divergent", "~families.random",
)  # fmt: skip
MODEL = ("model.factors=16", "model.epochs=1")
# The second is below the divergent threshold, which is known only once all pairs are compared.
VALUES = "thresholds.similar.value=null,0.2,0.9"


@dataclass
class Place:
    """A store, sweeps started into it in this process, and the runs that they had compared."""

    store: Store
    compared: list[list[str]] = field(default_factory=list)

    def sweep(
        self, entry_point: str, *overrides: str, compare: Callable[[list[str]], str] | None = None
    ) -> Launch:
        stand_in = compare or (lambda run_ids: self.compared.append(list(run_ids)) or "0123")
        task = import_module(f"elsa_groups.cli.{entry_point}").main
        out, err, code = io.StringIO(), io.StringIO(), 0
        with pytest.MonkeyPatch.context() as patch, kept_process():
            patch.chdir(self.store.folder)
            patch.setattr(comparing, "compare_runs", stand_in)
            # Nobody looks at the figures.
            patch.setattr(lifecycle, "helping", lambda *_, **__: contextlib.nullcontext())
            patch.setattr(sys, "argv", [entry_point, "-m", *overrides])
            mlflow.set_tracking_uri(self.store.uri)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    task()
                except SystemExit as end:
                    code = int(end.code or 0)
            mlflow.set_tracking_uri(None)
        return Launch(code, out.getvalue(), err.getvalue())

    def runs(self, condition: str) -> list:
        experiments = [each.experiment_id for each in self.store.client.search_experiments()]
        return self.store.client.search_runs(experiments, condition)

    def jobs(self, launch: Launch) -> list:
        """The runs of a sweep's jobs, in their order."""
        found = self.runs(f"tags.`elsa_groups.sweep` = '{self.sweep_of(launch).info.run_id}'")
        return sorted(found, key=lambda run: int(run.data.tags["elsa_groups.job"]))

    def sweep_of(self, launch: Launch):
        return self.store.client.get_run(launch.last_id)


@pytest.fixture(scope="module")
def place(new_store: Callable[[], Store]) -> Place:
    return Place(new_store())


@pytest.fixture(scope="module")
def trained(place: Place) -> tuple[Launch, list]:
    """A sweep of train, and the two ELSA runs that it made."""
    before = len(place.compared)
    launch = place.sweep("train", *SMALL[:3], MODEL[0], "model.epochs=1,2")
    assert launch.code == 0, launch.err
    assert len(place.compared) == before
    return launch, place.jobs(launch)


def test_a_sweep_of_train_leaves_runs_of_their_own_that_nobody_compares(place, trained):
    launch, runs = trained
    assert [run.data.params["conf.model.epochs"] for run in runs] == ["1", "2"]
    assert all("mlflow.parentRunId" not in run.data.tags for run in (*runs, place.sweep_of(launch)))


@pytest.mark.parametrize(
    ("asked", "by_hydra"), [((), False), (("hydra.verbose=true",), False), (("hydra.sweep.dir=out",), True)]
)
def test_hydra_runs_jobs_only_where_it_is_asked_for_more_than_to_compose_them(
    place, monkeypatch, asked, by_hydra
):
    done, hydra_main = [], lifecycle.hydra.main

    def main(**options):
        done.append("by Hydra")
        return hydra_main(**options)

    monkeypatch.setattr(lifecycle.hydra, "main", main)
    monkeypatch.setattr(train, "run", lambda settings, overrides: done.append((settings.seed, overrides)))
    place.sweep("train", *SMALL[:3], "seed=1,2", *asked)
    jobs = [(seed, [f"seed={seed}", *SMALL[:3]]) for seed in (1, 2)]
    assert done == (["by Hydra"] if by_hydra else []) + jobs


def test_each_parent_of_a_sweep_is_resolved_once_and_gets_its_own_children(place, trained, monkeypatch):
    ids = [run.info.run_id for run in trained[1]]
    resolved: list[str] = []
    original = generate.resolve_parent

    def resolve(reference, interactions, *, seed):
        resolved.append(reference)
        return original(reference, interactions, seed=seed)

    monkeypatch.setattr(generate, "resolve_parent", resolve)
    # What the jobs ask for is drawn by a stand-in: only where it goes is looked at here.
    drawn: list[tuple[str, int]] = []
    monkeypatch.setattr(
        generate,
        "generate_child",
        lambda settings, _, parent, *__, **___: drawn.append((parent.run_id, settings.seed)),
    )
    place.sweep("generate", *SMALL, f"parent={ids[0]},newest", "seed=1,2")
    assert drawn == [(ids[0], 1), (ids[0], 2), (ids[1], 1), (ids[1], 2)]
    # Two before any job; a job is given an id, and loads that.
    assert resolved == [ids[0], "newest", ids[0], ids[0], ids[1], ids[1]]


@pytest.fixture(scope="module")
def failing(place: Place, trained: tuple[Launch, list]) -> Launch:
    """A sweep of main that trains a parent and whose second job of three fails."""
    return place.sweep("main", *SMALL, "model.factors=8", "model.epochs=1", VALUES)


def test_a_failing_job_loses_no_other_and_is_told_at_the_end(place, failing):
    first, second, third = place.jobs(failing)
    assert failing.code == 1
    assert [run.info.status for run in (first, second, third)] == ["FINISHED", "FAILED", "FINISHED"]
    lines = failing.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split() == ["job", "status", "run", "settings"])
    told = [line.split(maxsplit=3) for line in lines[start + 1 : start + 3]]
    assert told == [
        ["1", "FINISHED", first.info.run_id, "thresholds.similar.value=null"],
        ["2", "FAILED", second.info.run_id, "thresholds.similar.value=0.2"],
    ]
    reason = "thresholds: expected similar >= divergent, got similar 0.200000"
    assert lines[start + 3].strip().startswith(reason)
    assert lines[start + 4].split()[:3] == ["3", "FINISHED", third.info.run_id]
    assert "Traceback" not in failing.err
    assert "job 3 of 3: thresholds.similar.value=0.9" in failing.err
    assert failing.err.splitlines()[-1] == (
        f"error: sweep {failing.last_id}: 1 of 3 jobs did not finish, see above: job 2"
    )


def test_the_jobs_that_succeeded_are_compared(place, failing):
    first, _, third = place.jobs(failing)
    assert place.compared[-1] == [first.info.run_id, third.info.run_id]
    assert place.sweep_of(failing).data.tags["elsa_groups.comparison"] == "0123"


def test_a_comparison_that_fails_hides_nothing_of_the_jobs(place, failing, monkeypatch):
    def refuse(_):
        raise InputError("groups: a run is gone")

    def draw(settings, _, parent, *__, **___):
        if settings.seed == 2:
            raise InputError("seed: expected another")
        with tracked_run(f"seed {settings.seed}", adopt=False):
            pass

    monkeypatch.setattr(generate, "generate_child", draw)
    launch = place.sweep("generate", *SMALL, "seed=1,2,3", compare=refuse)
    assert launch.code == 1
    assert launch.out.splitlines()[-1] == f"sweep run: {launch.last_id}"
    assert "seed: expected another" in launch.out
    assert launch.err.splitlines()[-1] == (
        f"error: sweep {launch.last_id}: 1 of 3 jobs did not finish, see above: job 2; the jobs' runs"
        " could not be compared (groups: a run is gone)"
    )
    assert [run.info.status for run in place.jobs(launch)] == ["FINISHED"] * 2


def test_main_trains_one_parent_for_all_jobs_below_which_the_sweep_is_shown(place, failing):
    sweep = place.sweep_of(failing)
    (parent,) = place.runs("params.factors = '8'")
    children = [*place.jobs(failing), sweep]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.data.params["conf.parent"] for run in children[:-1]} == {parent.info.run_id}
    assert (sweep.info.status, sweep.data.tags["elsa_groups.kind"]) == ("FAILED", "sweep")
    assert sweep.info.run_name == "sweep of 3: thresholds.similar.value"
    assert "- `thresholds.similar.value=0.2`: FAILED, run `" in sweep.data.tags["mlflow.note.content"]


def test_a_value_that_no_job_can_use_is_refused_before_a_parent_is_trained(place, failing):
    before = len(place.runs(""))
    launch = place.sweep("main", *SMALL, "model.factors=4", "thresholds.similar.quantile=0.9,1.5")
    assert launch.code == 1
    assert "1.5" in launch.err.splitlines()[-1]
    assert len(place.runs("")) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_job_and_the_sweep_and_starts_no_other(place, failing, monkeypatch, number):
    client = place.store.client
    launched = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", launched)
    monkeypatch.setattr(drawing, "draw_kept_groups", lambda *_, **__: os.kill(os.getpid(), number))
    n_compared = len(place.compared)
    launch = place.sweep("generate", *SMALL, "seed=1,2,3")
    assert launch.code == 128 + number
    # The run that `mlflow run` launched is the sweep's; every job has one of its own, the first, too.
    (job,) = place.runs(f"tags.`elsa_groups.sweep` = '{launched}'")
    assert [client.get_run(run_id).info.status for run_id in (job.info.run_id, launched)] == ["KILLED"] * 2
    assert [line.split()[:3] for line in launch.out.splitlines() if line.lstrip()[:1].isdigit()] == [
        ["1", "KILLED", job.info.run_id],
        ["2", "not", "begun"],
        ["3", "not", "begun"],
    ]
    assert f"ended by {number.name}" in launch.out
    assert len(place.compared) == n_compared
    assert place.store.running() == []


def test_what_a_killed_job_leaves_running_is_ended(place, failing, monkeypatch):
    client = place.store.client
    left: list[str] = []

    def vanish(settings, interactions, parent, *_, **__):
        from mlflow.tracking.context.registry import resolve_tags

        left.append(client.create_run("0", tags=resolve_tags()).info.run_id)

    monkeypatch.setattr(generate, "generate_child", vanish)
    launch = place.sweep("generate", *SMALL, "seed=1,2")
    assert launch.code == 1
    assert [client.get_run(run_id).info.status for run_id in left] == ["FAILED"] * 2
    assert launch.out.count("its process was killed") == 2


def submitted(session: int) -> list[int]:
    """The processes of a session that submitit does its jobs in, the first job's first."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if b"submitit.core._submit" in command and os.getsid(int(entry.name)) == session:
                found.append(
                    (int((entry / "stat").read_text().rpartition(")")[2].split()[19]), int(entry.name))
                )
    return [pid for _, pid in sorted(found)]


@pytest.mark.slow
def test_a_job_that_submitit_takes_its_time_from_is_killed_and_the_other_is_done(place, trained):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="hydra-submitit-launcher is absent")
    folder = place.store.folder / "jobs"
    # Groups of which there are none, and random ones.
    endless = "{compositions: [[8]], within: divergent, n_groups: 1}"
    command = [
        *(sys.executable, "-m", "elsa_groups.cli.generate", "-m", *SMALL, f"hydra.sweep.dir={folder}"),
        *(
            "hydra/launcher=submitit_local",
            "thresholds.divergent.value=0.01",
            "sampling.max_restarts=1000000000",
        ),
        *("threads=1", f"+families.others={endless},{{compositions: [[2]]}}"),
    ]
    environment = place.store.environment | {"PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        command, cwd=place.store.folder, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        for _ in range(3000):
            if process.poll() is not None or any("thresholds over" in text for text in logs_of_first(folder)):
                break
            time.sleep(0.1)
        assert process.poll() is None, process.communicate()
        time.sleep(1)
        os.kill(submitted(process.pid)[0], signal.SIGUSR2)
        out, err = process.communicate(timeout=300)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    launch = Launch(process.returncode, out, err)
    assert launch.code == 1
    assert [run.info.status for run in place.jobs(launch)] == ["KILLED", "FINISHED"]
    assert "ended by SIGUSR2" in out
    assert place.store.running() == []


def logs_of_first(folder: Path) -> list[str]:
    return [text for path in folder.rglob("*_log.err") if "job 1 of 2" in (text := path.read_text())]
