"""What goes wrong, how the run then ends, and what its user is told."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from elsa_groups import find_groups, load_groups
from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError, Killed
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate.drawing import draw_all
from elsa_groups.commands.generate.generate import run as _generate
from elsa_groups.commands.train import run as _train
from elsa_groups.record.schema import record_digest
from elsa_groups.tracking.store import check_store

from ..launches import leave_undrawn
from .conftest import ROOT, Store, free_port, served

TASKS = {"generate": _generate, "train": _train}
DATA = ("dataset=Demo", "dataset.n_users=300", "dataset.n_items=400", "data_dir=data")
FITTED = ("model.factors=16", "model.epochs=15", "model.patience=15")
SMALL = (
    "n_groups=4", "baseline.n_groups=20", "families.similar.compositions=[[3]]", "~families.opposing",
    "~families.divergent", "~families.random", "evidence.halves=null",
)  # fmt: skip


def run(entry_point: str, *overrides: str) -> None:
    """Do in this process what an entry point does between its command line and its exit code."""
    data = [] if any(part.startswith("dataset=") for part in overrides) else DATA
    settings = compose_settings(entry_point, [*data, *overrides])
    check_store()
    TASKS[entry_point](settings, [])


@pytest.fixture(scope="module")
def trained(filled_store) -> Store:
    """A store with an ELSA run of little data in it."""

    def fill(store: Store) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(store.folder)
            mlflow.set_tracking_uri(store.uri)
            run("train", *FITTED)
        mlflow.set_tracking_uri(None)

    return filled_store("trained", fill)[0]


@dataclass(frozen=True)
class Place:
    """A copy of the store, the working folder in it, and its ELSA run."""

    client: MlflowClient
    folder: Path
    parent: str

    @property
    def checkpoint(self) -> Path:
        return self.folder / "mlruns" / "0" / self.parent / "artifacts" / "checkpoint.ckpt"

    def groups_runs(self) -> list[Any]:
        return self.client.search_runs(["0"], "tags.`elsa_groups.kind` = 'groups'")


@pytest.fixture
def place(trained: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    store = trained.copied_to(tmp_path / "store")
    monkeypatch.chdir(store.folder)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")
    mlflow.set_tracking_uri(store.uri)
    client = MlflowClient()
    (parent,) = client.search_runs(["0"], "tags.`elsa_groups.kind` = 'elsa'")
    yield Place(client, store.folder, parent.info.run_id)
    mlflow.end_run()
    mlflow.set_tracking_uri(None)


Arrange = Callable[[Place, pytest.MonkeyPatch], list[str]]


def unknown_parent(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    return ["parent=0123456789abcdef"]


def deleted_parent(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    place.client.delete_run(place.parent)
    return [f"parent={place.parent}"]


def running_parent(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    place.client.update_run(place.parent, status="RUNNING")
    return [f"parent={place.parent}"]


def groups_as_parent(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    tags = {"elsa_groups.kind": "groups", "elsa_groups.parent": place.parent}
    other = place.client.create_run("0", tags=tags)
    place.client.set_terminated(other.info.run_id)
    return [f"parent={other.info.run_id}"]


def incomplete_parent(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    place.checkpoint.with_name("lineage.json").unlink()
    return [f"parent={place.parent}"]


def parent_of_other_data(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    return [f"parent={place.parent}", "dataset.min_user_interactions=40"]


def no_parent_of_these_data(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    return ["dataset.min_user_interactions=40"]


def no_checkpoint(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    place.checkpoint.unlink()
    return []


def flipped_byte(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    content = bytearray(place.checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    place.checkpoint.write_bytes(content)
    return []


def save_unrecorded(place: Place, content: Any) -> None:
    """Put another checkpoint in the place of one, and its digest on record."""
    torch.save(content, place.checkpoint)
    lineage = json.loads(place.checkpoint.with_name("lineage.json").read_text())
    lineage["artifacts"]["checkpoint.ckpt"] = file_digest(place.checkpoint)
    place.checkpoint.with_name("lineage.json").write_text(json.dumps(lineage))
    place.client.set_tag(place.parent, "elsa_groups.record", record_digest(lineage))


def changed_record(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    path = place.checkpoint.with_name("lineage.json")
    path.write_text(path.read_text().replace('"epochs": 15', '"epochs": 16'))
    return []


def damaged_record(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    place.checkpoint.with_name("lineage.json").write_text('{"kind": "elsa", "schema_version": 1}')
    return []


def code_in_the_checkpoint(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    save_unrecorded(place, {"model_state_dict": print})
    return []


def weights_that_are_no_numbers(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    encoder = torch.load(place.checkpoint, weights_only=True)["model_state_dict"]["encoder"]
    encoder[3, 2] = np.nan
    save_unrecorded(place, {"model_state_dict": {"encoder": encoder}})
    return []


def items_in_another_order(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    items = place.checkpoint.with_name("items.json")
    items.write_text(json.dumps(json.loads(items.read_text())[::-1]))
    return []


def no_data(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    return ["dataset=Custom", "dataset.path=nowhere.csv"]


def impossible_family(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    return [
        "families.similar.compositions=[[9]]",
        "thresholds.similar.value=0.9999",
        "sampling.max_restarts=5",
    ]


def thresholds_upside_down(place: Place, _: pytest.MonkeyPatch) -> list[str]:
    return ["thresholds.similar.value=0.2"]


def deleted_experiment(place: Place, patch: pytest.MonkeyPatch) -> list[str]:
    place.client.delete_experiment(place.client.create_experiment("old"))
    patch.setenv("MLFLOW_EXPERIMENT_NAME", "old")
    return []


def no_memory(place: Place, patch: pytest.MonkeyPatch) -> list[str]:
    return raising(
        patch,
        "elsa_groups.commands.generate.drawing.draw_kept_groups",
        MemoryError("Unable to allocate 74 GiB"),
    )


def terminated(place: Place, patch: pytest.MonkeyPatch) -> list[str]:
    return raising(patch, "elsa_groups.commands.generate.drawing.draw_kept_groups", Killed(143))


def broken_code(place: Place, patch: pytest.MonkeyPatch) -> list[str]:
    return raising(patch, "elsa_groups.report.figures.run.draw_histogram", ZeroDivisionError("of mine"))


def full_disk(place: Place, patch: pytest.MonkeyPatch) -> list[str]:
    return raising(patch, "pathlib.Path.write_bytes", OSError(errno.ENOSPC, "No space left on device"))


def full_artifact_store(place: Place, patch: pytest.MonkeyPatch) -> list[str]:
    error = OSError(errno.ENOSPC, "No space left on device")
    return raising(
        patch, f"{LocalArtifactRepository.__module__}.LocalArtifactRepository.log_artifacts", error
    )


def refused_metrics(place: Place, patch: pytest.MonkeyPatch) -> list[str]:
    original = MlflowClient.log_batch

    def log_batch(self: MlflowClient, run_id: str, *args: Any, metrics: Any = (), **kwargs: Any) -> Any:
        if metrics:
            raise MlflowException("the store is read-only")
        return original(self, run_id, *args, **kwargs)

    patch.setattr(MlflowClient, "log_batch", log_batch)
    return []


def raising(patch: pytest.MonkeyPatch, target: str, error: BaseException) -> list[str]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    patch.setattr(target, fail)
    return []


NOT_BEGUN, FAILED, KILLED = None, "FAILED", "KILLED"

# Fault, how the groups run ends (if one was begun), error, what its message says.
FAULTS: list[tuple[Arrange, str | None, type[BaseException], str]] = [
    (unknown_parent, NOT_BEGUN, InputError, "parent: no run '0123456789abcdef' in "),
    (deleted_parent, NOT_BEGUN, InputError, "is deleted; `mlflow runs restore --run-id "),
    (running_parent, NOT_BEGUN, InputError, "is RUNNING; wait until it has finished"),
    (groups_as_parent, NOT_BEGUN, InputError, "holds groups; its parent is "),
    (incomplete_parent, NOT_BEGUN, InputError, "has no artifact lineage.json under "),
    (parent_of_other_data, NOT_BEGUN, InputError, " was trained on data with digest "),
    (no_parent_of_these_data, NOT_BEGUN, InputError, "parent=newest: no finished ELSA run of dataset Demo"),
    (no_checkpoint, NOT_BEGUN, InputError, "has no artifact checkpoint.ckpt under "),
    (flipped_byte, NOT_BEGUN, InputError, "is not the one that was logged (recorded sha256 "),
    (damaged_record, NOT_BEGUN, InputError, "is a required property; restore it, or train again"),
    (changed_record, NOT_BEGUN, InputError, "is not what was logged (tag elsa_groups.record is "),
    (code_in_the_checkpoint, NOT_BEGUN, InputError, "got one that needs pickle, which can run code"),
    (weights_that_are_no_numbers, NOT_BEGUN, InputError, "finite"),
    (items_in_another_order, NOT_BEGUN, InputError, "items.json of run "),
    (no_data, NOT_BEGUN, InputError, "nowhere.csv"),
    (deleted_experiment, NOT_BEGUN, InputError, "experiment old: is deleted; `mlflow experiments restore"),
    (impossible_family, FAILED, InputError, "similar_9: a group could not be completed in 6 attempts"),
    (thresholds_upside_down, FAILED, InputError, "thresholds: expected similar >= divergent, got similar "),
    (no_memory, FAILED, MemoryError, "Unable to allocate 74 GiB"),
    (terminated, KILLED, Killed, "143"),
    (broken_code, FAILED, ZeroDivisionError, "of mine"),
    (full_disk, FAILED, InputError, "could not be written (No space left on device); set TMPDIR to a"),
    (
        full_artifact_store,
        FAILED,
        InputError,
        "([Errno 28] No space left on device); its groups are kept in ",
    ),
    (refused_metrics, FAILED, InputError, "(the store is read-only); its groups are kept in "),
]


@pytest.mark.parametrize(
    ("arrange", "status", "error", "message"), FAULTS, ids=[arrange.__name__ for arrange, *_ in FAULTS]
)
def test_a_fault_ends_the_run_as_what_happened_and_says_so(
    place, monkeypatch, arrange, status, error, message
):
    with pytest.MonkeyPatch.context() as patch:
        leave_undrawn(patch)
        overrides = arrange(place, patch)
        before = {each.info.run_id for each in place.groups_runs()}
        with pytest.raises(error) as raised:
            run("generate", *SMALL, *overrides)
    assert message in str(raised.value)
    begun = [each for each in place.groups_runs() if each.info.run_id not in before]
    assert [each.info.status for each in begun] == ([] if status is None else [status])
    assert find_groups() == []
    for each in begun:
        with pytest.raises(InputError, match=f"ended {status}"):
            load_groups(each.info.run_id)


@pytest.mark.parametrize("arrange", [full_artifact_store, refused_metrics])
def test_groups_that_the_store_does_not_take_are_kept_whole(place, arrange, monkeypatch):
    leave_undrawn(monkeypatch)
    with pytest.MonkeyPatch.context() as patch:
        arrange(place, patch)
        with pytest.raises(InputError) as raised:
            run("generate", *SMALL)
    (begun,) = place.groups_runs()
    kept = place.folder / f"groups-{begun.info.run_id}"
    assert f"its groups are kept in {kept}." in str(raised.value)
    lineage = json.loads((kept / "lineage.json").read_text())
    assert lineage["run_id"] == begun.info.run_id
    assert all((kept / path).is_file() for path in lineage["artifacts"])

    run("generate", *SMALL)
    (complete,) = find_groups()
    again = load_groups(complete.run_id)
    np.testing.assert_array_equal(np.load(kept / "groups" / "similar_3.npy"), again["similar_3"].members)


def environment(place: Place) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{place.folder}/mlflow.db"}
    return clean | store | {"PYTHONPATH": str(ROOT / "src")}


def test_a_run_killed_between_its_files_is_taken_for_none(place):
    code = (
        "import os, signal, sys\n"
        "from elsa_groups.tracking.run import RunHandle\n"
        "RunHandle.mark_tables = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from elsa_groups.cli.generate import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, *DATA, *SMALL]
    done = subprocess.run(command, env=environment(place), capture_output=True, text=True, check=False)

    assert done.returncode == -signal.SIGKILL, done.stderr
    (begun,) = place.groups_runs()
    assert begun.info.status == "RUNNING"
    assert place.client.list_artifacts(begun.info.run_id, "groups") != []
    assert find_groups() == []
    with pytest.raises(InputError, match="is RUNNING"):
        load_groups(begun.info.run_id)
    # Whatever somebody sets its status to, the record is not there.
    place.client.set_terminated(begun.info.run_id, "FINISHED")
    assert find_groups() == []
    with pytest.raises(InputError, match=r"no artifact lineage\.json"):
        load_groups(begun.info.run_id)


def test_two_processes_generate_at_once_into_one_store_and_fill_one_cache(place):
    rng = np.random.default_rng(5)
    pairs = np.unique(rng.integers((120, 90), size=(6000, 2)), axis=0)
    rows = "".join(f"u{user},i{item}\n" for user, item in pairs.tolist())
    (place.folder / "listens.csv").write_text(f"user,item\n{rows}")
    data = ("dataset=Custom", "dataset.path=listens.csv")
    run("train", *data, "model.factors=8", "model.epochs=2", "model.batch_size=32")
    shutil.rmtree(place.folder / "data" / "Custom" / "cache")

    command = [sys.executable, "-m", "elsa_groups.cli.generate", *data, *SMALL]
    both = [
        subprocess.Popen(
            command, env=environment(place), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    texts = [process.communicate(timeout=300) for process in both]

    assert [process.returncode for process in both] == [0, 0], texts
    runs = [load_groups(out.split()[-1]) for out, _ in texts]
    assert runs[0].run_id != runs[1].run_id
    assert runs[0].digest == runs[1].digest
    assert len(list((place.folder / "data" / "Custom" / "cache").iterdir())) == 1


@pytest.fixture
def outage(new_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Store]]:
    """A function that ends a server once groups are drawn, and may bring it back after so many seconds."""
    store, port, threads = new_store(), free_port(), []
    monkeypatch.chdir(store.folder)
    leave_undrawn(monkeypatch)
    server = ExitStack()
    remote = server.enter_context(served(store, store.uri, port))
    mlflow.set_tracking_uri(remote.uri)
    run("train", *FITTED)

    def come_back(after: float) -> None:
        time.sleep(after)
        server.enter_context(served(store, store.uri, port))

    def go_after_drawing(for_seconds: float | None = None) -> Store:
        def draw(*arguments: Any) -> Any:
            drawn = draw_all(*arguments)
            server.close()
            if for_seconds is not None:
                threads.append(threading.Thread(target=come_back, args=(for_seconds,)))
                threads[0].start()
            return drawn

        monkeypatch.setattr("elsa_groups.commands.generate.generate.draw_all", draw)
        return remote

    yield go_after_drawing
    for thread in threads:
        thread.join()
    server.close()
    mlflow.set_tracking_uri(None)


def test_a_server_that_is_away_for_twenty_seconds_is_waited_for(outage):
    remote = outage(for_seconds=20)
    run("generate", *SMALL)
    (found,) = find_groups()
    assert remote.client.get_run(found.run_id).info.status == "FINISHED"
    assert load_groups(found.run_id)["similar_3"].members.shape == (4, 3)
    assert not list(remote.folder.glob("groups-*"))


def test_of_a_server_that_stays_away_the_groups_are_kept_here(outage, monkeypatch):
    remote = outage()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with pytest.raises(InputError) as raised:
        run("generate", *SMALL)
    (kept,) = remote.folder.glob("groups-*")
    assert f"not logged to {remote.uri} (" in str(raised.value)
    assert f"its groups are kept in {kept}. It is incomplete" in str(raised.value)
    assert np.load(kept / "groups" / "similar_3.npy").shape == (4, 3)
