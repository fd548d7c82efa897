"""Groups runs compared: which are taken, what is logged, and what is refused."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from elsa_groups import find_groups, load_groups
from elsa_groups.base.errors import InputError
from elsa_groups.cli.compare import main as compare_main
from elsa_groups.commands.compare.compare import compare_runs
from elsa_groups.commands.compare.compare import run as _compare
from elsa_groups.settings.commands import CompareSettings

from ..launches import kept_process, leave_undrawn
from .conftest import Store
from .test_faults import run

QUANTILES = (0.95, 0.8, 0.9)
KEYS = ("similar_3", "opposing_2_1")
FEW = (
    "n_groups=20", "baseline.n_groups=20", "families.similar.compositions=[[3]]", "~families.divergent",
    "families.opposing.compositions=[[2,1]]", "~families.random", "evidence.halves=2",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A store with an ELSA run and three groups runs, in the order of their quantiles."""

    client: MlflowClient
    folder: Path
    parent: str
    runs: list[str]

    def comparisons(self) -> list:
        return self.client.search_runs(["0"], "tags.`elsa_groups.kind` = 'comparison'")

    def artifacts(self, run_id: str) -> Path:
        return self.folder / "mlruns" / "0" / run_id / "artifacts"


def generate(*overrides: str) -> None:
    """Draw a few groups, but no pictures of them, which take longest and are of no interest here."""
    with pytest.MonkeyPatch.context() as blind:
        leave_undrawn(blind)
        run("generate", *FEW, "thresholds.divergent.quantile=0.3", *overrides)


@pytest.fixture(scope="module")
def place(new_store: Callable[[], Store]) -> Iterator[Place]:
    store = new_store()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(store.folder)
        mlflow.set_tracking_uri(store.uri)
        run("train", "model.factors=16", "model.epochs=15", "model.patience=15")
        for quantile in QUANTILES:
            generate(f"thresholds.similar.quantile={quantile}")
        client = MlflowClient()
        (parent,) = client.search_runs(["0"], "tags.`elsa_groups.kind` = 'elsa'")
        by_quantile = {
            found.data.params["conf.thresholds.similar.quantile"]: found.info.run_id
            for found in client.search_runs(["0"], "tags.`elsa_groups.kind` = 'groups'")
        }
        yield Place(
            client, store.folder, parent.info.run_id, [by_quantile[str(q)] for q in sorted(QUANTILES)]
        )
    mlflow.end_run()
    mlflow.set_tracking_uri(None)


@pytest.fixture(autouse=True)
def _store(place: Place, _no_ambient_tracking: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(place.folder)
    mlflow.set_tracking_uri(f"sqlite:///{place.folder}/mlflow.db")
    yield
    mlflow.end_run()


def compared(capsys, **given: str) -> tuple[str, str]:
    """Compare as the entry point does; return the id of the comparison run and all that was printed."""
    _compare(CompareSettings(**given), [])
    out = capsys.readouterr().out
    title, _, run_id = out.strip().splitlines()[-1].partition(": ")
    assert title == "comparison run"
    return run_id, out


def test_runs_of_a_parent_are_compared_in_a_run_below_it_that_is_no_groups_run(place, capsys):
    before = find_groups()

    run_id, out = compared(capsys, parent=place.parent)

    found = place.client.get_run(run_id)
    assert (found.info.run_name, found.info.status) == ("comparison of 3 runs", "FINISHED")
    assert found.data.tags["mlflow.parentRunId"] == place.parent
    assert found.data.tags["elsa_groups.kind"] == "comparison"
    assert f"-P runs={','.join(place.runs)}" in found.data.tags["mlflow.note.content"]
    assert find_groups() == before
    files = {
        path.relative_to(place.artifacts(run_id)).as_posix() for path in place.artifacts(run_id).rglob("*.*")
    }
    assert files == {
        "comparison.html", "comparison.csv", "settings.json",
        "figures/over_thresholds.similar.quantile.png", "figures/over_thresholds.similar.quantile.svg",
    }  # fmt: skip
    table = mlflow.load_table("settings.json", run_ids=[run_id])
    assert list(table["run_id"]) == place.runs
    assert list(table["conf.thresholds.similar.quantile"]) == sorted(QUANTILES)
    assert [line.split()[:3] for line in out.splitlines()[1:4]] == [
        [str(number), str(quantile), run]
        for number, quantile, run in zip((1, 2, 3), sorted(QUANTILES), place.runs, strict=True)
    ]


def test_what_is_compared_is_what_the_runs_logged(place, capsys):
    run_id, _ = compared(capsys, parent=place.parent)

    with (place.artifacts(run_id) / "comparison.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))

    assert [(line["run_id"], line["key"]) for line in lines] == [(r, key) for r in place.runs for key in KEYS]
    for line in lines:
        logged = place.client.get_run(line["run_id"]).data
        assert line["conf.thresholds.similar.quantile"] == logged.params["conf.thresholds.similar.quantile"]
        assert float(line["threshold/similar"]) == logged.metrics["threshold/similar"]
        own = {
            name.partition("/")[2]: v for name, v in logged.metrics.items() if name.startswith(line["key"])
        }
        assert {name: float(line[name]) for name in own} == own
    means = [float(line["similarity_mean"]) for line in lines if line["key"] == "similar_3"]
    assert means == sorted(means)
    page = (place.artifacts(run_id) / "comparison.html").read_text(encoding="utf-8")
    for a, b in ((0, 1), (1, 2)):
        reached = [{*load_groups(place.runs[n])["similar_3"].user_ids.ravel()} for n in (a, b)]
        share = len(reached[0] & reached[1]) / len(reached[0] | reached[1])
        assert f"<td>{100 * share:.0f}</td>" in page


def test_the_same_runs_give_the_same_bytes_however_they_are_named(place, capsys):
    other_order = ", ".join([*place.runs[::-1], place.runs[0]])
    condition = "params.`conf.thresholds.divergent.quantile` = '0.3'"
    ids = [
        compared(capsys, **g)[0]
        for g in ({"runs": other_order}, {"filter": condition}, {"parent": place.parent})
    ]
    contents = [
        {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.*"))}
        for folder in map(place.artifacts, ids)
    ]
    assert contents[0] == contents[1] == contents[2]


def test_a_found_run_that_is_incomplete_is_skipped_and_named(place, capsys, caplog):
    tags = {"elsa_groups.kind": "groups", "elsa_groups.parent": place.parent}
    halves = [place.client.create_run("0", tags=tags).info.run_id for _ in range(2)]
    place.client.set_terminated(halves[0], "FAILED")
    try:
        run_id, _ = compared(capsys, parent=place.parent)
        with pytest.raises(InputError, match=f"run {halves[0]} ended FAILED"):
            compared(capsys, runs=f"{place.runs[0]},{halves[0]}")
    finally:
        for half in halves:
            place.client.delete_run(half)

    assert json.loads((place.artifacts(run_id) / "settings.json").read_text())["data"][0][1] == place.runs[0]
    for half, reason in zip(halves, ("ended FAILED", "is RUNNING"), strict=True):
        assert f"skipping groups: run {half} {reason}" in caplog.text


def test_what_cannot_be_compared_is_refused_by_name_and_leaves_no_run(place, capsys):
    before = len(place.comparisons())
    for given, message in (
        ({}, "expected one of parent=ID, runs=ID,ID,... and filter=..., got none"),
        ({"parent": "x", "runs": "y"}, "got parent and runs"),
        ({"runs": place.runs[0]}, f"at least two complete groups runs, got {place.runs[0]}"),
        ({"runs": f"{place.runs[0]},{place.runs[0]}"}, "at least two"),
        ({"runs": f"{place.runs[0]},0123456789abcdef"}, "no run '0123456789abcdef'"),
        ({"runs": f"{place.runs[0]},{place.parent}"}, f"run {place.parent} holds no groups"),
        ({"parent": place.runs[0]}, f"its parent is {place.parent}"),
        ({"parent": "newest"}, "give a run id"),
        ({"parent": "models:/nobody/1"}, "no model 'models:/nobody/1'"),
        ({"filter": "nonsense"}, "filter: .*nonsense"),
        ({"filter": "metrics.`seconds/total` < 0"}, "at least two complete groups runs, got none"),
    ):
        with pytest.raises(InputError, match=message):
            compared(capsys, **given)
    assert len(place.comparisons()) == before


def test_a_sweep_compares_without_taking_the_launched_run(place, capsys, monkeypatch):
    launched = place.client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", launched)

    run_id = compare_runs(place.runs[:2])

    assert run_id != launched
    assert capsys.readouterr().out.endswith(f"comparison run: {run_id}\n")
    assert place.client.get_run(run_id).info.run_name == "comparison of 2 runs"
    assert "elsa_groups.kind" not in place.client.get_run(launched).data.tags
    place.client.delete_run(launched)


def test_a_command_line_as_mlflow_passes_it_is_understood(place, capsys, monkeypatch):
    launched = place.client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", launched)
    arguments = ["--parent", "", "--runs", ",".join(place.runs), "--filter", "", "--overrides", ""]
    monkeypatch.setattr(sys, "argv", ["compare", *arguments])
    with kept_process():
        compare_main()
    assert capsys.readouterr().out.endswith(f"comparison run: {launched}\n")


def test_a_comparison_that_fails_ends_as_failed(place, capsys, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr("elsa_groups.commands.compare.compare.render_comparison", fail)
    with pytest.raises(RuntimeError, match="boom"):
        compared(capsys, runs=",".join(place.runs))
    newest = place.client.search_runs(["0"], order_by=["attributes.start_time DESC"], max_results=1)[0]
    assert (newest.info.status, newest.data.tags["elsa_groups.kind"]) == ("FAILED", "comparison")


def test_other_data_are_compared_by_ids_and_told_first(place, capsys):
    """Runs of fewer users number them otherwise."""
    run("train", "model.factors=16", "model.epochs=1", "dataset.min_user_interactions=40")
    generate("dataset.min_user_interactions=40")
    other = capsys.readouterr().out.strip().splitlines()[-1].rpartition(" ")[2]
    groups = [load_groups(run)["similar_3"] for run in (place.runs[0], other)]
    assert len({load_groups(run).lineage["data"]["users_digest"] for run in (place.runs[0], other)}) == 2

    run_id, out = compared(capsys, runs=f"{place.runs[0]},{other}")

    assert out.startswith("The data are not the same: Those of run 1 and of run 2 differ")
    assert "mlflow.parentRunId" not in place.client.get_run(run_id).data.tags
    users = [{*group.user_ids.ravel()} for group in groups]
    share = len(users[0] & users[1]) / len(users[0] | users[1])
    assert f"<td>{100 * share:.0f}</td>" in (place.artifacts(run_id) / "comparison.html").read_text("utf-8")
