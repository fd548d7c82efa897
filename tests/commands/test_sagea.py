"""A parent of SAGEA's split, and groups of its test users that are filtered by its half of the catalogue."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient

from elsa_groups.base.digests import array_digest
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate.generate import run as run_generate
from elsa_groups.commands.main import run as run_main
from elsa_groups.data.load import load
from elsa_groups.tracking.load import load_groups_run

from ..launches import Store, leave_undrawn

DEMO = ("dataset=Demo", "dataset.n_users=200", "dataset.n_items=250", "data_dir=unused")
ASKED = (
    *DEMO,
    *("families=sagea", "~families.similar", "~families.opposing", "history=inputs", "evidence.halves=null"),
    *("baseline.n_groups=5", "filters.min_common_items.scope=sagea"),
)
BRIEF = ("split=sagea", "test_ratio=0.2", "model.epochs=2", "model.factors=8", "model.batch_size=64")


@pytest.fixture
def client(tmp_path: Path, empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    monkeypatch.chdir(tmp_path)
    empty_store.copied_to(tmp_path)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    leave_undrawn(monkeypatch)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield MlflowClient()
    mlflow.set_tracking_uri(None)


def newest(client: MlflowClient) -> str:
    return client.search_runs(["0"], "tags.`elsa_groups.kind` = 'groups'")[0].info.run_id


def sagea_items(client: MlflowClient, run_id: str, user_ids: tuple[str, ...], whole: list[set[str]]) -> dict:
    """What is not held out of each user, within the half that SAGEA draws of the items as it numbers them."""
    numbered: list[str] = []
    for items in whole:
        numbered += [item for item in sorted(items) if item not in {*numbered}]
    np.random.seed(42)  # noqa: NPY002
    marked = np.random.random(len(numbered)) < 0.5  # noqa: NPY002
    half = {item for item, is_marked in zip(numbered, marked, strict=True) if is_marked}
    inputs = pl.read_parquet(client.download_artifacts(run_id, "history/inputs.parquet"))
    known = {user: set(items) & half for user, items in inputs.group_by("user_id").agg("item_id").iter_rows()}
    return {row: known.get(user, set()) for row, user in enumerate(user_ids)}


def test_groups_of_sagea_are_of_its_test_users_and_have_items_in_common_in_its_half(client):
    smallest = {"min_user_interactions": 5, "min_item_interactions": 5}
    data = load("Demo", Path("unused"), n_users=200, n_items=250, **smallest)
    arguments = [*ASKED, *BRIEF, "n_groups=30", "filters.min_common_items.value=2"]
    run_main(compose_settings("main", arguments), arguments)
    filtered = load_groups_run(newest(client))
    np.random.seed(42)  # noqa: NPY002
    order = np.random.permutation(data.n_users)  # noqa: NPY002
    n_val, n_test = int(0.1 * data.n_users), int(0.2 * data.n_users)
    test = np.sort(order[n_val : n_val + n_test])
    assert filtered.lineage["users"]["sha256"] == array_digest(test)
    assert {*filtered["random_3"].members.ravel().tolist()} <= {*test.tolist()}

    # All candidates that were drawn, without filters.
    drawn = filtered.lineage["groups"]["random_3"]["candidates"]
    arguments = [*ASKED, f"n_groups={drawn}", "filters=none", f"parent={filtered.parent_run_id}"]
    run_generate(compose_settings("generate", arguments), arguments)
    candidates = load_groups_run(newest(client))["random_3"].members.tolist()
    assert len(candidates) == drawn
    whole = [{data.item_ids[c] for c in data.matrix[[row]].indices} for row in range(data.n_users)]
    items = sagea_items(client, filtered.run_id, data.user_ids, whole)
    kept: dict[frozenset[int], list[int]] = {}
    for group in candidates:
        if len(set.intersection(*(items[user] for user in group))) >= 2:
            kept.setdefault(frozenset(group), group)
    assert filtered["random_3"].members.tolist() == [*kept.values()]
    assert len(kept) == 30 < drawn
