"""Groups evaluated: by the command, at once with evaluate=true, and compared over a sweep."""

import json
import os
import signal
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest

from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError
from elsa_groups.commands.evaluate import evaluate
from elsa_groups.commands.evaluate.reading import read_headlines

from .conftest import Launch, Store, launch
from .test_reproduce import BRIEF, FEW, folder_of

USERS = ("dataset=Demo", "dataset.n_users=200", "dataset.n_items=250", "history=inputs")


@dataclass(frozen=True)
class Place:
    """A store with a sweep of two groups runs that were evaluated at once, and one evaluated again."""

    store: Store
    sweep: Launch
    again: Launch
    groups_run: str


@pytest.fixture(scope="module")
def place(new_store) -> Place:
    store = new_store()
    sweep = launch(store, "main", "-m", *USERS, *FEW, *BRIEF, "seed=1,2", "evaluate=true")
    assert sweep.code == 0, sweep.err
    groups_run = store.client.search_runs(["0"], "tags.`elsa_groups.kind` = 'groups'")[0].info.run_id
    asked = ("aggregators=[ADD,AVG,LMS]", "recommenders=[Popularity,EASE]", "halves=4", "groups_of_half=6")
    asked += ("intervals=all",)
    again = launch(store, "evaluate", f"groups_run_id={groups_run}", *asked)
    assert again.code == 0, again.err
    return Place(store, sweep, again, groups_run)


def evaluations(store: Store, groups_run: str) -> list:
    return store.client.search_runs(["0"], f"tags.`elsa_groups.evaluates` = '{groups_run}'")


def test_each_job_of_a_sweep_has_an_evaluation_below_its_groups(place):
    jobs = place.store.client.search_runs(["0"], "tags.`elsa_groups.kind` = 'groups'")
    assert len(jobs) == 2
    for job in jobs:
        found = evaluations(place.store, job.info.run_id)[-1]
        assert found.data.tags["mlflow.parentRunId"] == job.info.run_id
        assert found.data.tags["elsa_groups.kind"] == "evaluation"
        assert found.info.status == "FINISHED"
    assert "sweep run" in place.sweep.out.splitlines()[-1]


def test_the_comparison_of_a_sweep_says_whether_the_order_depends_on_the_seed(place):
    (found,) = place.store.client.search_runs(["0"], "tags.`elsa_groups.kind` = 'comparison'")
    page = (folder_of(place.store, found.info.run_id) / "comparison.html").read_text()
    assert "Does the order of aggregators depend on the settings?" in page
    table = json.loads((folder_of(place.store, found.info.run_id) / "orders.json").read_text())
    assert table["columns"] == ["groups_of", "run", "aggregator", "rank", "ndcg_at_20"]
    assert len(table["data"]) == 2 * 2 * 8


def test_an_evaluation_has_every_group_and_a_record_with_the_digests_of_its_files(place):
    folder = folder_of(place.store, place.again.last_id)
    record = json.loads((folder / "evaluation.json").read_text())
    assert record["groups_run_id"] == place.groups_run
    for name, digest in record["artifacts"].items():
        assert file_digest(folder / name) == digest
    table = pq.read_table(folder / "evaluation.parquet")
    # Types, groups, recommenders, aggregators, and measures: 2 protocols of 4 by 4, and novelty at 2.
    assert table.num_rows == 2 * 12 * 2 * 3 * 34
    assert record["facts"]["history"] == "inputs"
    assert "Groups have seen" not in (folder / "evaluation.html").read_text()


def test_means_of_groups_are_the_metrics(place):
    folder, run = folder_of(place.store, place.again.last_id), place.store.client.get_run(place.again.last_id)
    wanted = {"key": "similar_2", "recommender": "Popularity", "aggregator": "LMS", "protocol": "coupled"}
    wanted |= {"metric": "ndcg_at_20", "over_members": "mean"}
    rows = pq.read_table(folder / "evaluation.parquet").to_pylist()
    values = [row["value"] for row in rows if wanted.items() <= row.items()]
    assert len(values) == 12
    mean = np.mean([value for value in values if value is not None])
    assert run.data.metrics["similar_2/ndcg_at_20/LMS"] == pytest.approx(mean)
    assert {"seconds/total", "memory/peak_mib"} <= run.data.metrics.keys()
    assert len(run.data.metrics) == 2 * 3 + 2


def test_two_names_of_the_same_aggregator_are_the_same_in_every_group(place):
    rows = pq.read_table(folder_of(place.store, place.again.last_id) / "differences.parquet").to_pylist()
    twins = [row for row in rows if {row["first"], row["second"]} == {"ADD", "AVG"}]
    assert len(twins) == 2 * 34 * 2
    assert all(row["same"] and row["low"] is None for row in twins)


def test_intervals_of_other_recommenders_are_folded_on_the_page(place):
    folder = folder_of(place.store, place.again.last_id)
    page = (folder / "evaluation.html").read_text()
    assert "<summary>By EASE</summary>" in page
    assert "intervals are of Popularity, EASE" in page
    rows = pq.read_table(folder / "differences.parquet").to_pylist()
    # By popularity everybody has the same scores, and all aggregators make the same list.
    assert {row["recommender"] for row in rows if row["low"] is not None} == {"EASE"}
    assert {row["recommender"] for row in rows if row["same"]} == {"Popularity", "EASE"}
    # A comparison takes the first.
    orders = read_headlines(lambda name: folder / name)
    assert {order.recommender for order in orders.values()} == {"Popularity"}
    assert {len(order.differences) for order in orders.values()} == {3}


def test_what_leads_is_said_on_the_terminal(place):
    lines = place.again.out.splitlines()
    assert lines[0] == "nDCG@20 of held-out items by Popularity, mean over members:"
    assert [line.split()[0] for line in lines[1:3]] == ["similar_2", "opposing_2_1"]
    assert lines[-1] == f"evaluation run: {place.again.last_id}"


def test_a_run_without_groups_is_refused(place):
    parent = place.store.client.get_run(place.groups_run).data.tags["mlflow.parentRunId"]
    done = launch(place.store, "evaluate", f"groups_run_id={parent}")
    assert done.code == 1
    assert "holds no groups" in done.err.splitlines()[-1]


def of_sweep(store: Store, done: Launch) -> tuple[list, list]:
    """Groups runs of a sweep's jobs in their order, and their evaluations."""
    found = store.client.search_runs(["0"], f"tags.`elsa_groups.sweep` = '{done.last_id}'")
    kinds = [
        sorted(
            (run for run in found if run.data.tags["elsa_groups.kind"] == kind),
            key=lambda run: int(run.data.tags["elsa_groups.job"]),
        )
        for kind in ("groups", "evaluation")
    ]
    return kinds[0], kinds[1]


def test_groups_whose_evaluation_fails_are_told_of_before_and_compared(place, monkeypatch):
    measure, calls = evaluate.measure_groups, []

    def fail_first(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise InputError("scores: expected others")
        return measure(*arguments)

    monkeypatch.setattr(evaluate, "measure_groups", fail_first)
    done = launch(place.store, "main", "-m", *USERS, *FEW, *BRIEF, "seed=3,4", "evaluate=true")
    groups, evaluated = of_sweep(place.store, done)
    assert [run.info.status for run in groups] == ["FINISHED", "FINISHED"]
    assert [run.info.status for run in evaluated] == ["FAILED", "FINISHED"]
    assert done.code == 1
    assert "1 of 2 jobs did not finish, see above: job 1" in done.err.splitlines()[-1]
    assert f"evaluation run {evaluated[0].info.run_id} ended FAILED: evaluation: scores" in done.out
    sweep = place.store.client.get_run(done.last_id)
    comparison = place.store.client.get_run(sweep.data.tags["elsa_groups.comparison"])
    assert {*comparison.data.params["conf.runs"].split(",")} == {run.info.run_id for run in groups}


def test_groups_are_named_although_their_evaluation_fails(place, monkeypatch):
    def fail(*_):
        raise InputError("scores: expected others")

    monkeypatch.setattr(evaluate, "measure_groups", fail)
    done = launch(place.store, "main", *USERS, *FEW, *BRIEF, "seed=5", "evaluate=true")
    assert done.code == 1
    assert done.out.splitlines()[-1] == f"groups run: {done.last_id}"
    assert place.store.client.get_run(done.last_id).info.status == "FINISHED"
    assert done.err.splitlines()[-1].startswith("error: evaluation: scores: expected others; groups run")
    assert f"`mlflow run . -e evaluate -P groups_run_id={done.last_id}`" in done.err.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("entry_point", ["evaluate", "main", "sweep"])
def test_a_killed_evaluation_ends_killed(place, monkeypatch, entry_point, number):
    monkeypatch.setattr(evaluate, "measure_groups", lambda *_: os.kill(os.getpid(), number))
    drawing = (*USERS, *FEW, *BRIEF, "evaluate=true")
    asked = {
        "evaluate": ("evaluate", f"groups_run_id={place.groups_run}"),
        "main": ("main", *drawing, "seed=6"),
        "sweep": ("main", "-m", *drawing, "seed=7,8"),
    }
    done = launch(place.store, *asked[entry_point])
    assert done.code == 128 + number
    assert place.store.running() == []
    newest = place.store.client.search_runs(["0"], order_by=["attributes.start_time DESC"])[0]
    assert (newest.data.tags["elsa_groups.kind"], newest.info.status) == ("evaluation", "KILLED")
    groups_run = place.store.client.get_run(newest.data.tags["elsa_groups.evaluates"])
    assert groups_run.info.status == "FINISHED"
    if entry_point == "sweep":
        assert f"evaluation run {newest.info.run_id} ended KILLED: ended by {number.name}" in done.out
        assert place.store.client.get_run(done.last_id).info.status == "KILLED"
