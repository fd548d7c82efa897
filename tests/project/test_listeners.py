"""The main job on real listeners: Last.fm users of HetRec 2011 in LastFM-1K's format."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import Launch, Store, launch

pytestmark = pytest.mark.slow

# Mean similarity measured elsewhere with the same protocol; training and 75 groups leave some play.
EXPECTED = {
    "similar_3": (0.748, 0.03),
    "random_3": (0.570, 0.03),
    "divergent_3": (0.493, 0.01),
    "opposing_2_1": (0.576, 0.03),
    "opposing_3_2": (0.599, 0.03),
    "opposing_4_1": (0.649, 0.03),
}
WRONG = {"similar_3": 0.52, "similar_5": 0.80, "divergent_3": 0.56, "divergent_5": 1.0}


@pytest.fixture(scope="session")
def main_run(filled_store, listeners):
    def fill(store: Store) -> dict[str, Any]:
        done = launch(store, "main", "dataset=LastFM1k", "--data_dir", str(listeners), drawn=True)
        assert done.code == 0, done.err
        return asdict(done)

    store, done = filled_store("listeners", fill)
    return store, Launch(**done)


@pytest.fixture(scope="session")
def child(main_run):
    return main_run[0].client.get_run(main_run[1].last_id)


def test_counts_of_what_was_read_dropped_and_kept_are_reported(main_run, child, tmp_path):
    store, launch = main_run
    lines = [line for line in launch.err.splitlines() if " LastFM1k: " in line]
    numbers = re.findall(r"[\d,]*\d", " ".join(line.rpartition("LastFM1k: ")[2] for line in lines))
    assert [n for n in ("188,298", "3,721", "92,834", "62,997", "1,870", "1,530") if n not in numbers] == []
    counts = json.loads(store.artifact(child.info.run_id, "lineage.json", tmp_path).read_text())["data"][
        "counts"
    ]
    assert (counts["read/lines"], counts["dropped/no_item_id"]) == (188_298, 3_721)
    assert (counts["kept/pairs"], counts["kept/users"], counts["kept/items"]) == (62_997, 1_870, 1_530)


def test_a_parent_was_trained_that_recommends_well(main_run, child):
    parent = main_run[0].client.get_run(child.data.tags["mlflow.parentRunId"])
    assert (parent.data.params["users"], parent.data.params["items"]) == ("1870", "1530")
    assert parent.data.metrics["test/ndcg_at_20"] >= 0.36


def test_eight_keys_of_75_groups_are_like_those_measured_before(child):
    metrics = child.data.metrics
    assert len({name.split("/")[0] for name in metrics if name.endswith("/similarity_mean")}) == 8
    # Said only of types that have fewer than asked for.
    assert not [name for name in metrics if name.endswith("/groups")]
    assert {key: metrics[f"{key}/similarity_mean"] for key in EXPECTED} == {
        key: pytest.approx(mean, abs=play) for key, (mean, play) in EXPECTED.items()
    }
    # Shares of 75 groups: three standard errors are at most 0.17.
    assert {key: metrics[f"{key}/wrong_pair_share"] for key in WRONG} == {
        key: pytest.approx(share, abs=0.17) for key, share in WRONG.items()
    }
    assert metrics["threshold/similar"] == pytest.approx(0.692, abs=0.03)
    assert metrics["threshold/divergent"] == pytest.approx(0.498, abs=0.01)


def test_other_quantiles_give_a_second_child_with_the_same_names(main_run, child, listeners):
    store, _ = main_run
    quantiles = ("thresholds.similar.quantile=0.95", "thresholds.divergent.quantile=0.2")
    done = launch(
        store, "generate", "dataset=LastFM1k", "--data_dir", str(listeners), "parent=newest", *quantiles
    )
    assert done.code == 0, done.err
    second = store.client.get_run(done.last_id)
    assert second.data.tags["mlflow.parentRunId"] == child.data.tags["mlflow.parentRunId"]
    assert set(second.data.metrics) == set(child.data.metrics)
    ours = [{name for name in run.data.params if name.startswith("conf.")} for run in (child, second)]
    assert ours[0] == ours[1]
    assert second.data.params["conf.thresholds.similar.quantile"] == "0.95"
    assert second.data.metrics["similar_3/similarity_mean"] > child.data.metrics["similar_3/similarity_mean"]
    assert "taken from" in done.err
    groups = store.artifact(done.last_id, "groups/similar_3.npy", Path(store.folder))
    assert np.load(groups).shape == (75, 3)


def test_a_sweep_of_four_quantiles_is_compared_and_its_similar_groups_get_more_similar(
    main_run, child, listeners
):
    store, _ = main_run
    sweep = ("-m", "thresholds.similar.quantile=0.8,0.85,0.9,0.95", "evidence.halves=null")
    done = launch(store, "generate", "dataset=LastFM1k", "--data_dir", str(listeners), *sweep)
    assert done.code == 0, done.err
    experiments = [child.info.experiment_id]
    jobs = store.client.search_runs(experiments, f"tags.`elsa_groups.sweep` = '{done.last_id}'")
    jobs.sort(key=lambda run: int(run.data.tags["elsa_groups.job"]))
    quantiles = [run.data.params["conf.thresholds.similar.quantile"] for run in jobs]
    assert quantiles == ["0.8", "0.85", "0.9", "0.95"]
    ended = store.client.get_run(done.last_id)
    assert {run.data.tags["mlflow.parentRunId"] for run in (*jobs, ended)} == {
        child.data.tags["mlflow.parentRunId"]
    }
    for key in ("similar_3", "similar_5"):
        means = [run.data.metrics[f"{key}/similarity_mean"] for run in jobs]
        assert means == sorted(means), key
    comparison = store.client.get_run(ended.data.tags["elsa_groups.comparison"])
    assert (comparison.info.status, comparison.data.tags["elsa_groups.kind"]) == ("FINISHED", "comparison")


def test_the_groups_are_drawn_again_from_their_record_alone(main_run, child, tmp_path):
    store, _ = main_run
    done = launch(store, "reproduce", f"groups_run_id={child.info.run_id}", "strict=true", drawn=True)
    assert done.code == 0, done.err
    assert done.out.strip().splitlines()[-2:] == ["verdict: identical", f"verdict run: {done.last_id}"]
    verdict = json.loads(store.artifact(done.last_id, "verdict.json", tmp_path).read_text())
    assert {name: entry["verdict"] for name, entry in verdict["group_types"].items()} == {
        name: "identical" for name in (*EXPECTED, "similar_5", "divergent_5")
    }
    assert not any(verdict["differences"].values())
    assert store.client.get_run(done.last_id).data.tags["mlflow.parentRunId"] == child.info.run_id
