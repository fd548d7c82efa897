"""What filters promise, checked again in a run's files; and keys that cannot have as many groups as asked."""

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from elsa_groups.base.philox import stream_key
from elsa_groups.data.load import load

from .conftest import Store
from .test_reproduce import Recorded, folder_of, launch, sha256

SMALL = ("dataset=Demo", "dataset.n_users=250", "dataset.n_items=300", "baseline.n_groups=20")
BRIEF = ("model.epochs=4", "model.factors=16", "model.batch_size=32")
ASKED = {
    "min_history": 12,
    "min_pair_similarity": 0.42,
    "max_pair_similarity": 0.97,
    "min_common_items": 1,
    "no_duplicates": "true",
    "distinct_first": "true",
    "max_participation": 3,
    "max_member_overlap": 0.34,
}
FILTERS = ("filters.min_common_items.scope=half", *(f"filters.{k}.value={v}" for k, v in ASKED.items()))
KEYS = {"similar_3": 3, "opposing_2_1": 3, "random_2": 2}
FAMILIES = (
    "n_groups=25", "families.similar.compositions=[[3]]", "families.opposing.compositions=[[2,1]]",
    "families.random.compositions=[[2]]", "~families.divergent",
)  # fmt: skip


@pytest.fixture(scope="module")
def filtered(new_store: Callable[[], Store]) -> Recorded:
    """A model trained and groups drawn with all filters on that need no more than histories."""
    store = new_store()
    done = launch(store, "main", *SMALL, *BRIEF, *FAMILIES, *FILTERS)
    assert done.code == 0, done.err
    return Recorded(store, done.last_id, Path("unused"))


@pytest.fixture(scope="module")
def groups_of(filtered: Recorded) -> Callable[[str], list[list[int]]]:
    return lambda key: np.load(filtered.files / "groups" / f"{key}.npy").tolist()


@pytest.fixture(scope="module")
def histories(filtered: Recorded) -> list[set[int]]:
    smallest = {"min_user_interactions": 5, "min_item_interactions": 5}
    data = load("Demo", Path("unused"), n_users=250, n_items=300, **smallest)
    assert list(data.user_ids) == json.loads(
        (folder_of(filtered.store, filtered.parent) / "users.json").read_text()
    )
    return [set(np.flatnonzero(row).tolist()) for row in data.matrix.toarray()]


@pytest.fixture(scope="module")
def similarity(filtered: Recorded, histories: list[set[int]]) -> Callable[[int, int], float]:
    state = torch.load(filtered.checkpoint, weights_only=True)["model_state_dict"]
    encoder = state["encoder"].numpy().astype(np.float64)
    users = np.array([encoder[sorted(items)].sum(axis=0) for items in histories])
    users /= np.linalg.norm(users, axis=1, keepdims=True)
    return lambda u, v: float(1 + users[u] @ users[v]) / 2


@pytest.mark.parametrize("key", KEYS)
def test_no_group_in_the_files_breaks_a_filter(key, groups_of, histories, similarity, philox_words):
    groups, stream = groups_of(key), int(stream_key(42, "half of the catalogue"))
    half = {item for item in range(300) if philox_words((item, 0, 0, 0), stream)[0] % 2}
    assert len(groups) == 25
    for group in groups:
        assert min(len(histories[user]) for user in group) >= 12
        assert set.intersection(*(histories[user] for user in group)) & half
        # Similarities were compared in float64 of float32 rows.
        values = [similarity(*pair) for pair in combinations(group, 2)]
        assert min(values) >= 0.42 - 1e-6
        assert max(values) <= 0.97 + 1e-6
    assert len({frozenset(group) for group in groups}) == 25
    assert len({group[0] for group in groups}) == 25
    assert max(sum(user in group for group in groups) for user in range(250)) <= 3
    assert max(len({*a} & {*b}) / len(a) for a, b in combinations(groups, 2)) <= 0.34


def test_drawn_are_kept_and_rejected_wherever_they_are_told(filtered):
    table = json.loads((filtered.files / "groups" / "summary.json").read_text())
    rows = {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["data"]}
    assert list(rows) == list(KEYS)
    for key, row in rows.items():
        rejected = {name: row[f"rejected_{name}"] for name in ASKED}
        assert row["candidates"] == row["groups"] + sum(rejected.values())
        assert row["shortfall"] == 0
        recorded = filtered.lineage["groups"][key]
        assert (recorded["candidates"], recorded["rejected"]) == (row["candidates"], rejected)
        file = pq.read_table(filtered.files / "groups" / f"{key}.parquet", columns=["group", "number"])
        numbers = dict(zip(*(file[name].to_pylist() for name in ("group", "number")), strict=True))
        assert sorted(numbers.values()) == list(numbers.values())
        assert max(numbers.values()) == row["candidates"] - 1
    assert any(row["candidates"] > row["groups"] for row in rows.values())
    assert "Filters rejected groups that were drawn" in (filtered.files / "report.html").read_text()


class TestReproduce:
    def test_filtered_groups_are_identical(self, filtered):
        again = filtered.reproduce("strict=true")
        assert (again.code, again.verdict) == (0, "identical"), again.launch.err
        assert again.unlike == set()

    def test_a_filter_changed_in_the_record_is_noticed(self, filtered):
        kept = (filtered.files / "lineage.json").read_bytes()
        filtered.edit("settings", "filters", "distinct_first", "value", value=False)
        try:
            again = filtered.reproduce()
        finally:
            (filtered.files / "lineage.json").write_bytes(kept)
        assert (again.code, again.verdict) == (3, "different")
        assert again.content["group_types"]["similar_3"]["n_differing"] > 0
        recorded, present = again.entry("artifact", "groups.similar_3.rejected")
        assert recorded["distinct_first"] > 0
        assert "distinct_first" not in present
        assert "settings.filters.distinct_first.value in config.yaml" in again.unlike

    def test_a_record_made_before_there_were_filters_is_that_of_unfiltered_groups(self, filtered):
        small = (*SMALL, *FAMILIES, "~families.similar", "~families.opposing")
        done = launch(filtered.store, "generate", *small)
        old = Recorded(filtered.store, done.last_id, Path("unused"))
        content: dict[str, Any] = old.lineage
        config = yaml.safe_load((old.files / "config.yaml").read_text())
        for settings in (content["settings"], config):
            del settings["filters"], settings["allow_partial"]
        for group in content["groups"].values():
            del group["candidates"], group["rejected"]
        (old.files / "config.yaml").write_text(yaml.safe_dump(config))
        content["artifacts"]["config.yaml"] = sha256(old.files / "config.yaml")
        (old.files / "lineage.json").write_text(json.dumps(content))
        old.store.client.delete_tag(done.last_id, "elsa_groups.record")

        again = old.reproduce("strict=true")

        assert (again.code, again.verdict) == (0, "identical"), again.launch.err
        assert again.unlike == set()


class TestShortfall:
    def test_an_infeasible_key_ends_soon_with_its_diagnosis_and_nothing_running(self, filtered):
        impossible = ("families.divergent.compositions=[[8]]", "thresholds.divergent.quantile=0.001")
        done = launch(filtered.store, "generate", *SMALL, *impossible, "~families.similar")
        assert done.code == 1
        assert "divergent_8: a group could not be completed in 10,001 attempts" in done.err.splitlines()[-1]
        assert "Tried, and enough for every type: thresholds.divergent.quantile=" in done.err.splitlines()[-1]
        assert filtered.store.running() == []

    def test_what_was_found_is_kept_if_asked(self, filtered):
        few = ("families.divergent.compositions=[[4]]", "sampling.max_draws=80", "sampling.max_restarts=3")
        options = (*SMALL, *few, "n_groups=60", "~families.similar", "~families.opposing", "~families.random")
        refused = launch(filtered.store, "generate", *options)
        done = launch(filtered.store, "generate", *options, "allow_partial=true")
        assert (refused.code, done.code) == (1, 0), done.err
        assert "could not be completed" in refused.err.splitlines()[-1]
        run = filtered.store.client.get_run(done.last_id)
        found = int(run.data.metrics["divergent_4/groups"])
        assert 0 < found < 60
        assert "divergent_4: fewer groups than wanted: a group could not be completed" in done.err
        table = json.loads((folder_of(filtered.store, done.last_id) / "groups" / "summary.json").read_text())
        row = dict(zip(table["columns"], table["data"][0], strict=True))
        assert (row["groups"], row["shortfall"]) == (found, 60 - found)
        assert (
            "There are fewer groups than asked for"
            in (folder_of(filtered.store, done.last_id) / "report.html").read_text()
        )
        again = Recorded(filtered.store, done.last_id, Path("unused")).reproduce("strict=true")
        assert (again.code, again.verdict) == (0, "identical"), again.launch.err
