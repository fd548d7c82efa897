"""What MLflow's page of an experiment says: a name, a description and a view, where nobody else has."""

import json

import pytest
from mlflow.exceptions import MlflowException

from elsa_groups.tracking.experiment import NAME, VIEW, introduce, view_address
from elsa_groups.tracking.run import tracked_run

NOTE, STATE = "mlflow.note.content", f"mlflow.sharedViewState.{VIEW}"


def test_the_first_run_of_a_store_names_and_describes_the_experiment(client):
    with tracked_run("ELSA"):
        pass
    experiment = client.get_experiment("0")
    assert experiment.name == NAME
    assert "#/experiments/0/runs?viewStateShareKey=groups" in experiment.tags[NOTE]
    state = json.loads(experiment.tags[STATE])
    assert "metrics.`similar_3/similarity_mean`" in state["selectedColumns"]
    assert client.search_runs(["0"], state["searchFilter"]) == []


def test_a_launched_run_that_is_alone_keeps_nobody_from_naming_it(client):
    launched = client.create_run("0").info.run_id
    introduce(client, "0", launched=launched)
    assert client.get_experiment("0").name == NAME


@pytest.mark.parametrize("runs", [0, 1])
def test_what_others_named_or_use_keeps_its_name_and_description(client, runs):
    chosen = "0" if runs else client.create_experiment("mine")
    client.set_experiment_tag(chosen, NOTE, "Of mine.")
    for _ in range(runs):
        client.create_run("0")
    introduce(client, chosen)
    experiment = client.get_experiment(chosen)
    assert (experiment.name, experiment.tags[NOTE]) == ("Default" if runs else "mine", "Of mine.")


def test_an_experiment_with_runs_of_others_is_not_described(client):
    client.create_run("0")
    introduce(client, "0")
    experiment = client.get_experiment("0")
    assert (experiment.name, NOTE in experiment.tags, STATE in experiment.tags) == ("Default", False, True)


def test_who_names_the_default_experiment_keeps_its_name(client, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "Default")
    introduce(client, "0")
    assert client.get_experiment("0").name == "Default"


def test_a_store_that_refuses_loses_no_groups(client, monkeypatch):
    def refuse(*_):
        raise MlflowException("read only")

    monkeypatch.setattr(client, "set_experiment_tag", refuse)
    introduce(client, "0")
    assert client.get_experiment("0").tags == {}


def test_a_view_is_opened_by_its_address():
    assert (
        view_address("http://host:5000/", "7")
        == "http://host:5000/#/experiments/7/runs?viewStateShareKey=groups"
    )
