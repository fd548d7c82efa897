"""How the project is launched, and how launches end."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow.entities import Run

from elsa_groups import load_groups
from elsa_groups.cli.arguments import hydra_arguments
from elsa_groups.cli.commands import COMMANDS
from elsa_groups.cli.composing import compose_jobs

from .conftest import ROOT, Store, launch

KEYS = ("similar_3", "similar_5", "divergent_3", "divergent_5", "opposing_2_1", "opposing_3_2", "random_3")
# No eight users are all this unlike each other, so drawing goes on until it is told to stop.
ENDLESS = [
    "families.divergent.compositions=[[8]]",
    "thresholds.divergent.value=0.1",
    "sampling.max_restarts=1000000000",
    "threads=1",
]


def groups_of(store: Store, run_id: str, to: Path) -> Path:
    return store.artifact(run_id, "groups", to)


def newest(store: Store) -> Run:
    return store.client.search_runs(["0"], order_by=["attributes.start_time DESC"], max_results=1)[0]


@pytest.fixture(scope="session")
def first(demo, tmp_path_factory) -> Path:
    return groups_of(demo[0], demo[1].last_id, tmp_path_factory.mktemp("first"))


def test_more_groups_and_families_change_no_earlier_group(demo, first, tmp_path):
    family = "+families.camps={compositions: [[2,2,2]], within: similar, across: divergent}"
    more_groups = ("n_groups=1000", "families.opposing.n_groups=80", "evidence.halves=null")
    done = launch(demo[0], "generate", "dataset=Demo", *more_groups, family)
    assert done.code == 0, done.err
    more = groups_of(demo[0], done.last_id, tmp_path)
    assert np.load(more / "camps_2_2_2.npy").shape == (1000, 6)
    for key in KEYS:
        groups = np.load(more / f"{key}.npy")
        assert len(groups) == (80 if key.startswith("opposing") else 1000)
        np.testing.assert_array_equal(groups[:75], np.load(first / f"{key}.npy"))


def test_every_job_of_a_sweep_is_a_run_of_its_own_and_other_processes_draw_the_same_bytes(
    demo, first, tmp_path
):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher is absent")
    store, made = demo
    parent = store.client.get_run(made.last_id).data.tags["mlflow.parentRunId"]
    # As `mlflow run` launches it.
    launched = store.client.create_run("0").info.run_id
    as_launched = replace(store, variables={"MLFLOW_RUN_ID": launched})
    sweep = "-m hydra/launcher=joblib hydra.launcher.n_jobs=2 threads=1 sampling.max_draws=600,1000"

    few = "evidence.halves=null ~families.divergent ~families.opposing"
    done = as_launched.python("generate", "--parent", parent, "--overrides", f"{sweep} {few}")

    assert done.code == 0, done.err
    assert done.last_id == launched
    sweep_run = store.client.get_run(launched)
    assert (sweep_run.data.tags["elsa_groups.kind"], sweep_run.info.status) == ("sweep", "FINISHED")
    runs = store.client.search_runs(["0"], f"tags.`elsa_groups.sweep` = '{launched}'")
    by_limit = {run.data.params["conf.sampling.max_draws"]: run for run in runs}
    assert by_limit.keys() == {"600", "1000"}
    assert {run.data.tags["elsa_groups.job"] for run in runs} == {"1", "2"}
    assert {run.data.tags["mlflow.parentRunId"] for run in (*runs, sweep_run)} == {parent}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(f"groups run: {run.info.run_id}" in done.out.splitlines() for run in runs)
    again = groups_of(store, by_limit["1000"].info.run_id, tmp_path)
    names = sorted(path.name for path in again.glob("*.npy"))
    assert len(names) == 6
    for name in names:
        assert (first / name).read_bytes() == (again / name).read_bytes(), name


def test_a_model_chosen_by_name_is_trained_although_a_parent_fits(demo):
    store, first = demo
    before = store.client.get_run(first.last_id).data.tags["mlflow.parentRunId"]

    done = launch(store, "main", "dataset=Demo", "model=MovieLens", "model.epochs=1", "n_groups=3")

    assert done.code == 0, done.err
    parent = store.client.get_run(done.last_id).data.tags["mlflow.parentRunId"]
    assert parent != before
    assert store.client.get_run(parent).data.params["conf.model.factors"] == "256"


def test_linkage_all_leaves_no_wrong_pair(demo):
    done = launch(demo[0], "generate", "dataset=Demo", "experiment=no_wrong_pairs", "evidence.halves=null")
    assert done.code == 0, done.err
    metrics = demo[0].client.get_run(done.last_id).data.metrics
    shares = {name: value for name, value in metrics.items() if name.endswith("wrong_pair_share")}
    assert len(shares) == 8
    assert set(shares.values()) == {0.0}


def test_another_seed_draws_other_groups(demo, first, tmp_path):
    done = launch(demo[0], "generate", "dataset=Demo", "seed=43", "n_groups=5")
    other = groups_of(demo[0], done.last_id, tmp_path)
    assert (np.load(other / "similar_3.npy") != np.load(first / "similar_3.npy")[:5]).any()


def test_a_family_that_cannot_be_filled_ends_failed_with_a_diagnosis(demo):
    store, _ = demo
    unfillable = ("families.divergent.compositions=[[8]]", "thresholds.divergent.quantile=0.001")
    done = launch(store, "generate", "dataset=Demo", *unfillable, "sampling.max_restarts=50")
    assert done.code != 0
    assert re.search(r"error: divergent_8: a group could not be completed in 51 attempts", done.err)
    assert "thresholds.divergent.quantile=" in done.err
    assert "Traceback" not in done.err
    failed = newest(store)
    assert failed.info.status == "FAILED"
    assert failed.data.tags["mlflow.parentRunId"]
    assert store.client.list_artifacts(failed.info.run_id) == []
    assert store.running() == []


def test_an_id_that_looks_like_a_number_reaches_the_error_unchanged(new_store):
    store = new_store()
    refused = store.mlflow_run("-e", "generate", "-P", "parent=1234567e9012", "-P", "overrides=seed=3")
    assert refused.code != 0
    assert "seed is a parameter of its own; use -P seed=3" in refused.err
    assert "Traceback" not in refused.err.split("error: ")[0]
    assert newest(store).info.status == "FAILED"
    refused = launch(store, "generate", "--parent", "1234567e9012")
    assert "no run '1234567e9012' in" in refused.err
    assert refused.code == 1
    assert store.running() == []


def test_train_logs_its_parent_run_in_the_launched_one(new_store):
    store = new_store()
    options = ["-P", "dataset=Demo", "-P", "val_ratio=.20", "-P", "overrides=model.epochs=2 model.factors=16"]
    trained = store.mlflow_run("-e", "train", *options)
    assert trained.code == 0, trained.err
    assert trained.out.strip().splitlines()[-1].startswith("parent run: ")
    run = store.client.get_run(trained.last_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.project.entryPoint"] == "train"
    assert (run.data.params["factors"], run.data.params["conf.val_ratio"]) == ("16", "0.2")
    assert len(store.client.get_metric_history(trained.last_id, "valid/ndcg_at_20")) == 2
    # Newest takes it; asked for other settings, main trains another. So little trained, few users diverge.
    easy = ["dataset=Demo", "n_groups=3", "~families.divergent", "~families.opposing", "evidence.halves=null"]
    again = launch(store, "main", *easy)
    assert f"parent run: {trained.last_id}" in again.out
    other = launch(store, "main", *easy, "model.factors=8", "model.epochs=1")
    assert "conf.model.factors is 16, wanted 8" in other.err
    assert f"parent run: {trained.last_id}" not in other.out
    assert other.code == 0


def test_a_store_that_mlflow_refuses_is_named_before_any_work(new_store):
    store = new_store()
    refused = launch(replace(store, uri=str(store.folder / "runs")), "main", "dataset=Demo")
    assert refused.code == 1
    assert refused.err.strip().splitlines()[-1].startswith(f"error: tracking store {store.folder}/runs: ")
    assert "MLFLOW_ALLOW_FILE_STORE=true" in refused.err
    assert "Traceback" not in refused.err
    assert "Demo: generated" not in refused.err


@contextmanager
def endless(store: Store, command: list[str]) -> Iterator[subprocess.Popen]:
    """A launch that draws until it is told to stop, yielded while it draws; killed in the end."""
    environment = store.environment | {"PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        command, cwd=store.folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert any("thresholds over" in line for line in process.stdout), "ended before it began to draw"
        time.sleep(1)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_as_killed(demo, number):
    store, _ = demo
    command = [sys.executable, "-m", "elsa_groups.cli.generate", "dataset=Demo", *ENDLESS]
    with endless(store, command) as process:
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert newest(store).info.status == "KILLED"
    assert store.running() == []


def test_a_signal_to_the_entry_point_under_mlflow_run_ends_failed(demo):
    store, _ = demo
    overrides = f"overrides={' '.join(ENDLESS)}"
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", "local", "-e", "generate"]
    with endless(store, [*command, "-P", "dataset=Demo", "-P", overrides]) as process:
        launched = newest(store).info.run_id
        group = os.getpgid(process.pid)
        (entry_point,) = [p for p in pids_of("elsa_groups.cli.generate") if os.getpgid(p) == group]
        os.kill(entry_point, signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert store.client.get_run(launched).info.status == "FAILED"
    assert store.running() == []


def test_a_signal_to_the_process_group_of_mlflow_run_ends_killed(demo):
    store, _ = demo
    overrides = f"overrides={' '.join(ENDLESS)}"
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", "local", "-e", "generate"]
    with endless(store, [*command, "-P", "dataset=Demo", "-P", overrides]) as process:
        launched = newest(store).info.run_id
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert store.client.get_run(launched).info.status == "KILLED"
    assert store.running() == []


def pids_of(module: str) -> list[int]:
    """Processes whose own command is python -m module, not the shell that started it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"-m" in command and module.encode() in command:
            found.append(int(entry.name))
    return found


def test_a_child_goes_into_its_parents_experiment(demo, monkeypatch):
    store, first = demo
    parent = store.client.get_run(first.last_id).data.tags["mlflow.parentRunId"]
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", store.client.create_experiment("elsewhere"))
    done = launch(store, "generate", "dataset=Demo", f"parent={parent}", "n_groups=3")
    assert done.code == 0, done.err
    child = store.client.get_run(done.last_id)
    assert child.info.experiment_id == store.client.get_run(parent).info.experiment_id == "0"


def test_no_litter_is_left_where_a_run_was_launched(demo):
    left = {path.name for path in demo[0].folder.iterdir()}
    assert left <= {"mlflow.db", "mlruns", "groups"}


def pip_find_links() -> str:
    command = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
    configured = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return os.environ.get("PIP_FIND_LINKS") or configured


@pytest.mark.slow
def test_the_conda_environment_is_built_by_uv_and_runs(new_store, tmp_path, monkeypatch):
    if shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") is None:
        pytest.skip("uv is not on the PATH")
    store = new_store()
    # Where pip is told of a folder of wheels, uv is not: without it, uv fetches torch's CUDA build.
    monkeypatch.setenv("UV_FIND_LINKS", pip_find_links())
    monkeypatch.setenv("MLFLOW_ENV_ROOT", str(tmp_path))
    launch = store.mlflow_run("-P", "n_groups=10", env_manager="uv", timeout=900)
    assert launch.code == 0, launch.err
    run = store.client.get_run(launch.last_id)
    assert run.info.status == "FINISHED"
    assert len(load_groups(launch.last_id, tracking_uri=store.uri)["random_3"].members) == 10


@pytest.mark.slow
def test_make_run_works_in_a_fresh_clone_with_a_clean_home_and_so_does_reproduce(demo, tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    store, made = demo
    clone, home = tmp_path / "clone", tmp_path / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    drop = ("MLFLOW_", "VIRTUAL_ENV", "MAKE", "MFLAGS", "PYTHONPATH")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(drop)} | {"HOME": str(home)}
    # Where `make test` has set up an environment, it is brought up to date instead of made once more.
    ours = [f"VENV={ROOT / '.venv'}"] if (ROOT / ".venv" / "run.stamp").exists() else []
    done = subprocess.run(
        ["make", "run", *ours],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"^groups run: [0-9a-f]{32}$", done.stdout, re.M)
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
    )
    assert status.stdout == ""
    # Groups that were drawn elsewhere, of which the clone has nothing but the store's address.
    command = [sys.executable, "-m", "mlflow", "run", str(clone), "--env-manager", "local", "-e", "reproduce"]
    done = subprocess.run(
        [*command, "-P", f"groups_run_id={made.last_id}"],
        cwd=tmp_path, env=store.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *_, verdict, verdict_run = done.stdout.strip().splitlines()
    run_id = verdict_run.removeprefix("verdict run: ")
    assert verdict == "verdict: identical"
    run = store.client.get_run(run_id)
    tags = {
        "elsa_groups.verdict": "identical",
        "elsa_groups.kind": "verdict",
        "elsa_groups.reproduces": made.last_id,
        "elsa_groups.dataset": "Demo",
        "mlflow.parentRunId": made.last_id,
        "mlflow.project.entryPoint": "reproduce",
    }
    assert ({name: run.data.tags.get(name) for name in tags}, run.info.status) == (tags, "FINISHED")
    content = json.loads(store.artifact(run_id, "verdict.json", tmp_path).read_text())
    assert [key["verdict"] for key in content["group_types"].values()] == ["identical"] * 8
    # The clone has the commit that drew the groups, and none of its changes that are not committed.
    differences = {name for of in content["differences"].values() for name in of}
    assert differences <= {"environment.code.dirty", "code.diff"}
    assert store.running() == []


def documented_commands() -> list[list[str]]:
    import shlex

    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n\n".join(page.read_text() for page in pages).replace("FILE", "file.csv").replace("\\\n", " ")
    lines = re.findall(r"^((?:mlflow run|elsa-groups [a-z]+ ).*)$", text, re.M)
    lines += re.findall(r"`((?:mlflow run|PYTHONPATH=src|elsa-groups [a-z]+) [^`]*)`", text)
    return [shlex.split(line, comments=True) for line in dict.fromkeys(lines)]


@pytest.mark.parametrize("command", documented_commands(), ids=" ".join)
def test_every_command_of_readme_and_docs_composes(command):
    if command[0].startswith("PYTHONPATH"):
        name, arguments = command[3].rpartition(".")[2], command[4:]
    elif command[0] == "elsa-groups":
        name, arguments = command[1], command[2:]
    else:
        name = command[command.index("-e") + 1] if "-e" in command else "main"
        pairs = [command[i + 1] for i, part in enumerate(command) if part == "-P"]
        arguments = [part for pair in pairs for part in (f"--{pair.split('=', 1)[0]}", pair.split("=", 1)[1])]
    assert compose_jobs(hydra_arguments(arguments, COMMANDS[name].settings), COMMANDS[name]).jobs
