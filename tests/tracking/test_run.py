import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from mlflow.entities import RunStatus, ViewType

from elsa_groups.base.errors import InputError, Killed
from elsa_groups.base.processes import this_process
from elsa_groups.tracking.orphans import PROCESS
from elsa_groups.tracking.run import RunHandle, tracked_run


def status(client, run_id) -> str:
    return client.get_run(run_id).info.status


def test_a_run_that_ends_well_is_finished(client):
    with tracked_run("groups") as run:
        assert status(client, run.run_id) == "RUNNING"
    assert status(client, run.run_id) == "FINISHED"
    assert client.get_run(run.run_id).info.run_name == "groups"


@pytest.mark.parametrize(
    ("error", "ended"), [(ValueError("x"), "FAILED"), (Killed(143), "KILLED"), (SystemExit(1), "FAILED")]
)
def test_a_run_that_ends_badly_says_how(client, error, ended):
    with pytest.raises(type(error)), tracked_run("groups") as run:
        raise error
    assert status(client, run.run_id) == ended


def test_the_launched_run_is_adopted_and_nested(client, monkeypatch):
    parent = client.create_run("0").info.run_id
    launched = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", launched)
    with tracked_run("groups", parent=parent, experiment_id="0") as run:
        pass
    assert run.run_id == launched
    assert client.get_run(launched).data.tags["mlflow.parentRunId"] == parent


def test_the_launched_run_is_left_for_another_part_to_adopt(client, monkeypatch):
    launched = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", launched)
    with tracked_run("ELSA", adopt=False) as first:
        pass
    with tracked_run("groups", parent=first.run_id, experiment_id="0") as second:
        pass
    assert first.run_id != launched
    assert second.run_id == launched


def test_a_child_is_made_in_its_parents_experiment_and_the_launched_run_points_to_it(client, monkeypatch):
    home = client.create_experiment("home")
    parent = client.create_run(home).info.run_id
    launched = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", launched)
    with tracked_run("groups", parent=parent, experiment_id=home) as run:
        pass
    assert client.get_run(run.run_id).info.experiment_id == home
    assert client.get_run(launched).data.tags["elsa_groups.run"] == run.run_id


def test_an_experiment_by_name_is_where_a_plain_run_goes(client, monkeypatch):
    home = client.create_experiment("home")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "home")
    with tracked_run("ELSA") as run:
        pass
    assert run.experiment_id == home


@pytest.mark.parametrize("name", ["baseline-A", "demo-run-7", "bold-fox-12 again"])
def test_the_name_that_a_user_gives_a_launch_stays(client, monkeypatch, name):
    monkeypatch.setenv("MLFLOW_RUN_ID", client.create_run("0", run_name=name).info.run_id)
    with tracked_run("ELSA", adopt=False) as parent:
        pass
    with tracked_run("groups") as run:
        pass
    assert client.get_run(parent.run_id).info.run_name == "ELSA"
    assert client.get_run(run.run_id).info.run_name == name


def test_the_name_that_a_user_gives_a_launch_goes_to_the_run_in_another_experiment(client, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", client.create_run("0", run_name="baseline-A").info.run_id)
    with tracked_run("groups", experiment_id=client.create_experiment("home")) as run:
        pass
    assert client.get_run(run.run_id).info.run_name == "baseline-A"


def test_a_name_that_mlflow_made_up_is_replaced(client, monkeypatch):
    for _ in range(3):
        monkeypatch.setenv("MLFLOW_RUN_ID", client.create_run("0").info.run_id)
        with tracked_run("groups") as run:
            pass
        assert client.get_run(run.run_id).info.run_name == "groups"


def test_many_params_and_long_values_are_logged(client):
    with tracked_run("groups") as run:
        run.log_params({f"conf.p{i}": i for i in range(250)} | {"conf.long": "x" * 7000, "conf.none": None})
    params = client.get_run(run.run_id).data.params
    assert len(params) == 252
    assert (len(params["conf.long"]), params["conf.none"], params["conf.p249"]) == (6000, "null", "249")


def test_nothing_is_left_running(client):
    with pytest.raises(ValueError, match="boom"), tracked_run("groups"):
        raise ValueError("boom")
    running = client.search_runs(["0"], "attributes.status = 'RUNNING'", ViewType.ALL)
    assert [RunStatus.to_string(r.info.status) for r in running] == []


def test_a_run_that_fails_before_it_begins_is_not_left_running(client, monkeypatch):
    def refuse(*_):
        raise Killed(143)

    monkeypatch.setattr(RunHandle, "set_tags", refuse)
    with pytest.raises(Killed), tracked_run("groups"):
        raise AssertionError("not reached")
    assert [run.info.status for run in client.search_runs(["0"])] == ["KILLED"]


def test_a_launched_run_that_is_written_already_is_not_adopted(client, monkeypatch):
    launched = client.create_run("0").info.run_id
    client.set_tag(launched, "elsa_groups.kind", "groups")
    monkeypatch.setenv("MLFLOW_RUN_ID", launched)
    with tracked_run("groups") as run:
        pass
    assert run.run_id != launched


def test_each_run_becomes_one_version_of_a_registered_model_under_its_alias(client):
    runs = []
    for _ in range(2):
        with tracked_run("ELSA") as run:
            model_id = run.log_elsa_model(np.eye(4, 3, dtype=np.float32), "listeners")
        run.register_model(model_id, "listeners", "good")
        run.register_model(model_id, "listeners", None)
        runs.append(run.run_id)
    versions = client.search_model_versions("name = 'listeners'")
    assert {(each.version, each.run_id) for each in versions} == {(1, runs[0]), (2, runs[1])}
    assert client.get_model_version_by_alias("listeners", "good").version == 2


def test_a_name_that_no_model_may_have_is_an_error_that_says_so(client):
    with pytest.raises(InputError, match="register_as: "), tracked_run("ELSA") as run:
        run.register_model("m-1", "a/b:c", None)


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("http://ann:secret@host:5000/", "http://***@host:5000/#/experiments/7/runs/r"),
        ("sqlite:////a b/mlflow.db", "mlflow ui --backend-store-uri 'sqlite:////a b/mlflow.db'"),
    ],
)
def test_a_run_says_how_to_see_it_without_passwords(client, monkeypatch, store, expected):
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: store)
    assert RunHandle("r", "7").how_to_see() == expected


@pytest.fixture
def gone() -> str:
    """The name of a process of this machine that has ended."""
    command = [sys.executable, "-c", "from elsa_groups.base.processes import this_process as t; print(t())"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def test_the_next_run_ends_those_whose_process_is_gone_and_no_other(client, gone, caplog):
    host, machine, *_ = this_process().rsplit("_", 3)
    ended = gone.rsplit("_", 2)[1:]
    left = client.create_run("0", tags={PROCESS: gone}).info.run_id
    others = {
        "alive": this_process(),
        "elsewhere": "_".join(["elsewhere", machine, *ended]),
        "in another container, or on another machine of this name": "_".join([host, "0" * 12, *ended]),
        "by an older release": "_".join([host, *ended]),
        "number given again": f"{host}_{machine}_{os.getpid()}_1",
        "not ours": None,
    }
    runs = {
        what: client.create_run("0", tags={PROCESS: process} if process else {}).info.run_id
        for what, process in others.items()
    }
    with caplog.at_level(logging.INFO), tracked_run("groups"):
        pass
    assert status(client, left) == "KILLED"
    assert f"run {left}: ended as KILLED, as the process that wrote it is gone" in caplog.text
    assert {what: status(client, run) for what, run in runs.items()} == {
        "alive": "RUNNING",
        "elsewhere": "RUNNING",
        "in another container, or on another machine of this name": "RUNNING",
        "by an older release": "RUNNING",
        "number given again": "KILLED",
        "not ours": "RUNNING",
    }


def _delete_its_experiment(client) -> str:
    home = client.create_experiment("home")
    with tracked_run("groups", experiment_id=home) as run:
        client.delete_experiment(home)
        raise ValueError(run.run_id)


def test_a_run_of_an_experiment_that_was_deleted_meanwhile_is_not_left_running(client, gone, caplog):
    with pytest.raises(ValueError, match=r".") as raised:
        _delete_its_experiment(client)
    run_id = str(raised.value)
    client.restore_experiment("1")
    if status(client, run_id) == "RUNNING":
        assert "the next command that logs to this store ends it" in caplog.text
        client.set_tag(run_id, PROCESS, gone)
        with tracked_run("groups"):
            pass
    assert status(client, run_id) in ("FAILED", "KILLED")
