"""Launches of several processes by torchrun: what they leave, and how they end when one fails."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import ROOT, Launch, Store
from .conftest import launch as launch_here

# No eight users are all this unlike each other, so drawing goes on until it is told to stop.
ENDLESS = [
    "families.divergent.compositions=[[8]]",
    "thresholds.divergent.value=0.1",
    "sampling.max_restarts=1000000000",
    "threads=1",
]
UNFILLABLE = [*ENDLESS[:2], "sampling.max_restarts=20"]


@pytest.fixture(scope="module")
def place(copied_demo) -> tuple[Store, str]:
    """A store with a parent, and the groups that one process drew from it."""
    store, launch = copied_demo()
    return store, launch.last_id


@pytest.fixture(scope="module")
def store(place) -> Store:
    return place[0]


def ranked(n_ranks: int, *arguments: str, entry_point: str = "generate") -> list[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n_ranks)]
    return [*command, "-m", f"elsa_groups.cli.{entry_point}", *arguments]


def launch(store: Store, command: list[str]) -> Launch:
    environment = store.environment | {"PYTHONPATH": str(ROOT / "src")}
    return store._launch(command, environment, timeout=120)


def newest(store: Store):
    return store.client.search_runs(["0"], order_by=["attributes.start_time DESC"])[0]


def n_runs(store: Store) -> int:
    return len(store.client.search_runs(["0"]))


def test_two_ranks_log_one_run_with_the_bytes_of_one_process(place, tmp_path):
    store, alone = place
    before = n_runs(store)
    done = launch(store, ranked(2, "dataset=Demo"))

    assert done.code == 0, done.err
    assert n_runs(store) == before + 1
    run = store.client.get_run(done.last_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == store.client.get_run(alone).data.tags["mlflow.parentRunId"]
    assert (done.out.count("groups run:"), done.err.count("thresholds over")) == (1, 1)
    files = [store.artifact(run_id, "groups", tmp_path / run_id) for run_id in (alone, done.last_id)]
    names = [sorted(path.name for path in folder.glob("*.npy")) for folder in files]
    assert names[0] == names[1]
    assert len(names[0]) == 16
    for name in names[0]:
        assert (files[0] / name).read_bytes() == (files[1] / name).read_bytes(), name
    assert [store.client.get_run(r).data.metrics["threshold/similar"] for r in (alone, done.last_id)] == [
        run.data.metrics["threshold/similar"]
    ] * 2


def test_a_family_that_cannot_be_filled_fails_everywhere_with_one_diagnosis(store):
    done = launch(store, ranked(2, "dataset=Demo", *UNFILLABLE))

    assert done.code != 0
    assert done.err.count("a group could not be completed in 21 attempts") == 1
    assert "Traceback" not in done.err.partition("error: divergent_8")[0]
    assert newest(store).info.status == "FAILED"
    assert store.running() == []


def test_a_parent_that_is_not_there_is_reported_once(store):
    before = n_runs(store)
    done = launch(store, ranked(2, "dataset=Demo", "parent=0123456789abcdef"))

    assert done.code != 0
    assert done.err.count("error: parent: no run '0123456789abcdef'") == 1
    assert n_runs(store) == before


@pytest.mark.parametrize(
    ("entry_point", "arguments", "message"),
    [
        ("main", [], "only generate works with several processes, got main"),
        ("generate", ["-m", "seed=1,2"], "expected one job, got a multirun"),
    ],
)
def test_what_ranks_cannot_do_is_refused_before_any_work(store, monkeypatch, entry_point, arguments, message):
    names = ("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK")
    for name, value in zip(names, "10220", strict=True):
        monkeypatch.setenv(name, value)
    before = n_runs(store)
    done = launch_here(store, entry_point, "dataset=Demo", *arguments)

    assert done.code == 1
    assert message in done.err
    assert n_runs(store) == before


def ranks_of(launcher: int) -> dict[int, int]:
    """Process ids of a launcher's ranks."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(parent) == launcher:
            found |= {int(v[5:]): int(entry.name) for v in variables if v.startswith(b"RANK=")}
    return found


@pytest.mark.parametrize(
    ("victim", "number"),
    [(0, signal.SIGKILL), (1, signal.SIGKILL), (None, signal.SIGTERM)],
    ids=["first killed", "second killed", "launcher terminated"],
)
def test_a_rank_that_is_killed_ends_the_others_and_the_run(store, victim, number):
    process = subprocess.Popen(
        ranked(2, "dataset=Demo", *ENDLESS), cwd=store.folder,
        env=store.environment | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert any("thresholds over" in line for line in process.stdout), "ended before it began to draw"
        time.sleep(1)
        ranks = ranks_of(process.pid)
        assert sorted(ranks) == [0, 1]
        os.kill(process.pid if victim is None else ranks[victim], number)
        process.stdout.read()
        assert process.wait(60) != 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert newest(store).info.status in ("FAILED", "KILLED")
    assert store.running() == []
    assert not [pid for pid in ranks.values() if Path(f"/proc/{pid}").exists()]
