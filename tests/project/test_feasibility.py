"""What drawing would take, told by a run of its own that nothing takes for a groups run."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest

from elsa_groups import find_groups, load_groups
from elsa_groups.base.errors import InputError

from .conftest import Launch, Store, launch

SMALL = ("dataset=Demo", "dataset.n_users=250", "dataset.n_items=300", "data_dir=data")
KEYS = (
    "families.similar.compositions=[[3]]", "families.divergent.compositions=[[8]]", "~families.random",
    "families.opposing.compositions=[[2,1]]", "thresholds.divergent.quantile=0.004",
    "feasibility.attempts=50", "sampling.max_draws=200",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A store with an ELSA run and what was launched below it."""

    store: Store
    parent: str
    done: Launch

    @property
    def files(self) -> Path:
        return self.store.folder / "mlruns" / "0" / self.done.last_id / "artifacts"


@pytest.fixture(scope="module")
def place(new_store: Callable[[], Store]) -> Place:
    store = new_store()
    trained = launch(store, "train", *SMALL, "model.epochs=4", "model.factors=16", "model.batch_size=32")
    assert trained.code == 0, trained.err
    done = launch(store, "feasibility", *SMALL, *KEYS, "filters=distinct")
    assert done.code == 0, done.err
    return Place(store, trained.last_id, done)


def test_a_run_with_infeasible_keys_finishes_below_the_parent_and_says_so_last(place):
    run = place.store.client.get_run(place.done.last_id)

    assert place.done.out.strip().splitlines()[-1] == f"feasibility run: {run.info.run_id}"
    assert run.info.status == "FINISHED"
    assert run.data.tags["elsa_groups.kind"] == "feasibility"
    assert run.data.tags["mlflow.parentRunId"] == run.data.tags["elsa_groups.parent"] == place.parent
    assert run.data.params["conf.feasibility.attempts"] == "50"
    assert "divergent_8: infeasible" in place.done.out
    assert "filters are not looked at" in place.done.out
    assert run.data.metrics["divergent_8/completing_share"] == 0
    assert 0 < run.data.metrics["similar_3/starting_share"] <= 1
    assert place.store.running() == []


def test_its_files_hold_every_key_and_a_table_that_mlflow_loads(place):
    record = json.loads((place.files / "feasibility.json").read_text())
    keys = {key["key"]: key for key in record["keys"]}
    assert list(keys) == ["similar_3", "divergent_8", "opposing_2_1"]
    assert record["filters_not_looked_at"] == ["no_duplicates"]
    assert record["users"]["n_users"] <= 250
    assert len(keys["divergent_8"]["acceptance"]) == 7
    assert (
        keys["divergent_8"]["looser"] == []
        or keys["divergent_8"]["looser"][0]["quantiles"]["divergent"] > 0.1
    )
    table = json.loads((place.files / "feasibility_table.json").read_text())
    assert [row[0] for row in table["data"]] == list(keys)
    tables = json.loads(place.store.client.get_run(place.done.last_id).data.tags["mlflow.loggedArtifacts"])
    assert tables == [{"path": "feasibility_table.json", "type": "table"}]


def test_it_is_no_groups_run_and_no_parent(place, monkeypatch):
    mlflow.set_tracking_uri(place.store.uri)
    assert find_groups() == []
    with pytest.raises(InputError, match="feasibility"):
        load_groups(place.done.last_id)
    refused = launch(place.store, "feasibility", *SMALL, f"parent={place.done.last_id}")
    assert refused.code != 0
    assert "is of kind feasibility" in refused.err


@pytest.mark.parametrize("setting", ["feasibility.attempts=1", "feasibility.completing_share=0"])
def test_effort_out_of_range_is_refused_before_any_work(place, setting):
    refused = launch(place.store, "feasibility", *SMALL, setting)
    assert refused.code != 0
    assert f"error: {setting.partition('=')[0]}: expected at least" in refused.err
