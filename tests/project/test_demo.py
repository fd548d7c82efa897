"""What `mlflow run . -P dataset=Demo` leaves, re-read from the store by independent code."""

import io
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from elsa_groups.data.demo import communities

KEYS = {
    "similar_3": (3,),
    "similar_5": (5,),
    "divergent_3": (3,),
    "divergent_5": (5,),
    "opposing_2_1": (2, 1),
    "opposing_3_2": (3, 2),
    "opposing_4_1": (4, 1),
    "random_3": (3,),
}
FIGURES = ("similarity", "recommendation_overlap", "pairs")
COMMON = {
    "similarity_mean",
    "wrong_pair_share",
    "acceptance_rate",
    "member_overlap_mean",
    "user_coverage",
    "recommendation_overlap_at_20_mean",
}


@pytest.fixture(scope="session")
def child(demo):
    store, launch = demo
    return store.client.get_run(launch.last_id)


@pytest.fixture(scope="session")
def parent(demo, child):
    return demo[0].client.get_run(child.data.tags["mlflow.parentRunId"])


@pytest.fixture(scope="session")
def files(demo, child, tmp_path_factory) -> Path:
    return demo[0].artifact(child.info.run_id, "", tmp_path_factory.mktemp("child"))


@pytest.fixture(scope="session")
def parent_files(demo, parent, tmp_path_factory) -> Path:
    return demo[0].artifact(parent.info.run_id, "", tmp_path_factory.mktemp("parent"))


def test_both_runs_are_finished_and_nested_in_one_experiment(demo, child, parent):
    assert child.info.status == parent.info.status == "FINISHED"
    assert child.info.experiment_id == parent.info.experiment_id
    assert demo[0].running() == []


def test_the_child_is_the_launched_run(child):
    assert child.data.tags["mlflow.project.entryPoint"] == "main"
    assert child.data.tags["elsa_groups.kind"] == "groups"
    assert child.data.tags["elsa_groups.dataset"] == "Demo"
    assert child.data.tags["elsa_groups.user_set"] == "all"
    assert child.data.tags["elsa_groups.parent"] == child.data.tags["mlflow.parentRunId"]


def test_the_parent_keeps_its_contract(parent, parent_files):
    params, metrics = parent.data.params, parent.data.metrics
    users, items = (json.loads((parent_files / f"{n}.json").read_text()) for n in ("users", "items"))
    assert {n: params[n] for n in ("model", "dataset", "seed")} == {
        "model": "ELSA",
        "dataset": "Demo",
        "seed": "42",
    }
    assert (int(params["users"]), int(params["items"])) == (len(users), len(items)) == (1000, 1999)
    assert (users, items) == (sorted(users), sorted(items))
    assert {
        "valid/ndcg_at_20",
        "valid/recall_at_20",
        "train/loss",
        "test/ndcg_at_20",
        "test/recall_at_20",
    } <= set(metrics)
    state = torch.load(parent_files / "checkpoint.ckpt", weights_only=True)["model_state_dict"]
    assert state["encoder"].shape == (len(items), int(params["factors"]))
    split = json.loads((parent_files / "split.json").read_text())
    assert sorted(split["train"] + split["val"] + split["test"]) == list(range(1000))


def test_data_and_model_are_inputs_of_the_child(child, parent):
    (dataset,) = child.inputs.dataset_inputs
    (trained_on,) = parent.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("Demo", trained_on.dataset.digest)
    assert [m.model_id for m in child.inputs.model_inputs] == [
        m.model_id for m in parent.outputs.model_outputs
    ]


def test_the_logged_model_scores_histories_without_pickle(demo, parent, tmp_path):
    import mlflow

    mlflow.set_tracking_uri(demo[0].uri)
    (output,) = parent.outputs.model_outputs
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{output.model_id}", dst_path=str(tmp_path)))
    assert [p.name for p in folder.rglob("*") if p.suffix in (".pkl", ".pickle", ".pth")] == []
    model = mlflow.pytorch.load_model(f"models:/{output.model_id}")
    history = torch.zeros(3, 1999)
    history[0, :5] = 1.0
    scores = model(history)
    assert scores.shape == (3, 1999)
    assert torch.equal(scores[1], torch.zeros(1999))


def test_settings_are_params_by_their_path(child):
    params = child.data.params
    assert params["conf.thresholds.similar.quantile"] == "0.9"
    assert params["conf.families.opposing.compositions"] == "[[2, 1], [3, 2], [4, 1]]"
    assert params["conf.families.opposing.across"] == "divergent"
    assert params["conf.seed"] == "42"
    assert not [name for name in params if name.startswith("conf.model")]


def test_every_key_has_the_metrics_of_the_contract_and_no_others(child):
    expected = {"threshold/similar", "threshold/divergent", "seconds/total"}
    for key, sizes in KEYS.items():
        names = COMMON | ({"within_mean", "across_mean"} if len(sizes) > 1 else set())
        names -= {"acceptance_rate"} if key == "random_3" else set()
        expected |= {f"{key}/{name}" for name in names}
    assert set(child.data.metrics) == expected
    assert len(expected) == 56


def test_every_artifact_of_the_contract_is_there(files):
    found = {path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file()}
    expected = {"thresholds.json", "config.yaml", "lineage.json", "report.html", "evidence.parquet"}
    expected |= {"groups/summary.json", "groups/groups.json"}
    expected |= {"paper/methods.md", "paper/groups.tex", "paper/references.bib"}
    for key in KEYS:
        expected |= {f"groups/{key}{end}" for end in (".npy", ".parquet", "_ids.npy", "_measures.parquet")}
        expected |= {f"histograms/{key}{end}" for end in (".json", ".png", ".svg")} | {f"overlap/{key}.csv"}
    expected |= {f"figures/{name}{end}" for name in FIGURES for end in (".png", ".svg")}
    # What differs from the commit is kept where something does.
    dirty = json.loads((files / "lineage.json").read_text())["environment"]["code"].get("dirty")
    assert found == expected | ({"code.diff"} if dirty else set())


def test_the_text_for_a_paper_is_of_this_run(files):
    record = json.loads((files / "lineage.json").read_text())
    summary = json.loads((files / "groups" / "summary.json").read_text())
    methods, table = ((files / "paper" / name).read_text() for name in ("methods.md", "groups.tex"))
    assert f"run {record['run_id']} " in methods
    assert all(f"{record['thresholds'][name]:.4f} (the" in methods for name in ("similar", "divergent"))
    for values in summary["data"]:
        row = dict(zip(summary["columns"], values, strict=True))
        mean = f"{row['similarity_mean']:.3f}"
        told = f"{row['key'].partition('_')[0]} {'+'.join(row['key'].split('_')[1:])}"
        assert re.search(rf"{mean}[^,;]* in {re.escape(told)}[,;. ]", methods)
        assert f"    {told} & 75 & " in table


def test_the_three_forms_of_the_groups_agree(files, parent_files):
    users = np.array(json.loads((parent_files / "users.json").read_text()))
    for key, sizes in KEYS.items():
        rows = np.load(files / f"groups/{key}.npy", allow_pickle=False)
        ids = np.load(files / f"groups/{key}_ids.npy", allow_pickle=False)
        table = pl.read_parquet(files / f"groups/{key}.parquet")
        assert (rows.dtype, rows.shape) == (np.int64, (75, sum(sizes)))
        assert all(len(set(group)) == len(group) for group in rows.tolist())
        assert (users[rows] == ids).all()
        assert table["user_index"].to_list() == rows.ravel().tolist()
        assert table["user_id"].cast(pl.String).to_list() == ids.ravel().tolist()
        assert table["subgroup"].to_list()[: sum(sizes)] == np.repeat(range(len(sizes)), sizes).tolist()


def embeddings_of(parent_files: Path) -> np.ndarray:
    """User embeddings in float64, from the parent's checkpoint and the generated histories."""
    from elsa_groups.data.load import load

    data = load("Demo", Path("unused"), min_user_interactions=5, min_item_interactions=5)
    encoder = torch.load(parent_files / "checkpoint.ckpt", weights_only=True)["model_state_dict"]["encoder"]
    vectors = data.matrix.astype(np.float64) @ encoder.numpy().astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_thresholds_are_the_quantiles_of_all_pairs(child, parent_files):
    vectors = embeddings_of(parent_files)
    pairs = ((1 + vectors @ vectors.T) / 2)[np.triu_indices(len(vectors), 1)]
    found = [child.data.metrics[f"threshold/{name}"] for name in ("similar", "divergent")]
    assert found == pytest.approx(np.quantile(pairs, [0.9, 0.1]), abs=1e-6)


def test_every_group_can_be_drawn_by_its_rule(child, files, parent_files):
    vectors = embeddings_of(parent_files)
    similar, divergent = (child.data.metrics[f"threshold/{n}"] for n in ("similar", "divergent"))

    def joins(group: list[list[int]], s: int, user: int, family: str) -> bool:
        for other, members in enumerate(group):
            mean = np.mean([(1 + vectors[m] @ vectors[user]) / 2 for m in members]) if members else None
            rule = {"similar": "similar", "divergent": "divergent", "random": None}.get(family, "similar")
            rule = rule if other == s else "divergent"
            if mean is None or rule is None:
                continue
            if (rule == "similar" and mean < similar - 2e-6) or (
                rule == "divergent" and mean > divergent + 2e-6
            ):
                return False
        return True

    for key, sizes in KEYS.items():
        for members in np.load(files / f"groups/{key}.npy").tolist():
            sides = np.split(np.array(members), np.cumsum(sizes)[:-1])
            assert can_be_drawn([side.tolist() for side in sides], joins, key.split("_")[0]), (key, members)


def can_be_drawn(sides, joins, family) -> bool:
    """Whether some interleaving of the subgroups, each in its order, joins step by step.

    Turns alternate with every draw, accepted or not, so any interleaving is possible.
    """

    def go(taken: tuple[int, ...]) -> bool:
        if list(taken) == [len(side) for side in sides]:
            return True
        group = [side[:n] for side, n in zip(sides, taken, strict=True)]
        return any(
            joins(group, s, side[taken[s]], family) and go(tuple(n + (i == s) for i, n in enumerate(taken)))
            for s, side in enumerate(sides)
            if taken[s] < len(side)
        )

    return go((1,) + (0,) * (len(sides) - 1))


def test_similar_groups_lie_in_one_planted_community(files):
    home = communities()
    groups = np.load(files / "groups/similar_3_ids.npy")
    together = [bool(set.intersection(*(set(home[user]) for user in group))) for group in groups.tolist()]
    assert np.mean(together) >= 0.95


@pytest.mark.parametrize("key", ["opposing_2_1", "opposing_3_2", "opposing_4_1"])
def test_opposing_sides_lie_in_different_communities(files, key):
    home = communities()
    first = KEYS[key][0]
    groups = np.load(files / f"groups/{key}_ids.npy").tolist()
    crossing = [set(home[a]) & set(home[b]) for g in groups for a in g[:first] for b in g[first:]]
    assert np.mean([not shared for shared in crossing]) >= 0.95


def test_histograms_hold_every_group_and_open_as_pictures(files):
    for key in KEYS:
        histogram = json.loads((files / f"histograms/{key}.json").read_text())
        assert sum(histogram["counts"]) == 75
        assert sum(histogram["random_counts"]) == 1000
        picture = Image.open(io.BytesIO((files / f"histograms/{key}.png").read_bytes()))
        assert picture.width == 1000


def test_figures_open_as_pictures_of_one_width_and_are_in_the_lineage(files):
    lineage = json.loads((files / "lineage.json").read_text())
    for name in FIGURES:
        picture = Image.open(io.BytesIO((files / f"figures/{name}.png").read_bytes()))
        assert (picture.format, picture.width) == ("PNG", 1000)
        assert f"figures/{name}.png" in lineage["artifacts"]


def test_the_report_shows_the_first_groups_of_every_key(child, files):
    page = (files / "report.html").read_text()
    assert len(page) < 3_000_000
    assert f"-P groups_run_id={child.info.run_id}<" in page
    assert page.count("<svg ") == len(FIGURES) + len(KEYS)
    for key in KEYS:
        for group in np.load(files / f"groups/{key}_ids.npy")[:2]:
            assert all(f"<bdi>{user}</bdi>" in page for user in group)
    wrong = [child.data.metrics[f"{key}/wrong_pair_share"] for key in KEYS]
    assert ("Groups hold pairs that break the rule" in page) == (max(wrong) > 0)


def test_lineage_names_what_made_the_groups(child, parent, files, parent_files):
    import hashlib

    lineage = json.loads((files / "lineage.json").read_text())
    assert lineage["run_id"] == child.info.run_id
    assert lineage["parent"]["run_id"] == parent.info.run_id
    checkpoint = (parent_files / "checkpoint.ckpt").read_bytes()
    assert lineage["parent"]["checkpoint_sha256"] == hashlib.sha256(checkpoint).hexdigest()
    assert lineage["settings"]["families"]["similar"]["linkage"] == "mean"
    for name, digest in lineage["artifacts"].items():
        assert hashlib.sha256((files / name).read_bytes()).hexdigest() == digest
    assert set(lineage["groups"]) == set(KEYS)
    assert lineage["environment"]["packages"]["mlflow"]


def test_the_last_lines_say_where_to_look(demo, child, parent):
    lines = demo[1].out.strip().splitlines()
    (random,) = (line.split() for line in lines if line.startswith("random_3"))
    assert random[6] == "-"
    assert lines[-3].startswith("report: ")
    assert Path(lines[-3].removeprefix("report: ")).is_file()
    assert lines[-2:] == [f"parent run: {parent.info.run_id}", f"groups run: {child.info.run_id}"]
    assert "Downloading" not in demo[1].err
