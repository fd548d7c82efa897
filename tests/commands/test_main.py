"""Which parent main takes: one that was trained as asked, wherever that was said, or a new one."""

import logging
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from elsa_groups.base.errors import InputError
from elsa_groups.cli.arguments import without_flags
from elsa_groups.cli.commands import COMMANDS
from elsa_groups.cli.composing import compose_jobs, compose_settings
from elsa_groups.commands.inputs import load_interactions
from elsa_groups.commands.main import find_parent

from ..launches import Store

SMALL = ("dataset=Demo", "dataset.n_users=100", "dataset.n_items=240")


@pytest.fixture
def client(tmp_path: Path, empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.chdir(tmp_path)
    empty_store.copied_to(tmp_path)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield MlflowClient()
    mlflow.set_tracking_uri(None)


@pytest.fixture
def parent_of(client: MlflowClient, tmp_path: Path) -> Callable[..., str]:
    """Id of the parent that main takes with these arguments, and a file of settings beside them."""

    def find(*arguments: str, experiment: str | None = None) -> str:
        given = [*SMALL, *arguments]
        if experiment is not None:
            (tmp_path / "experiment").mkdir(exist_ok=True)
            (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{experiment}\n")
            given = ["--config-dir", str(tmp_path), *given, "experiment=mine"]
        settings = compose_jobs(given, COMMANDS["main"]).jobs[0].settings
        interactions = load_interactions(settings.dataset, settings.data_dir)
        return find_parent(settings, interactions, without_flags(given)).run_id

    return find


def test_a_parent_fits_by_the_settings_that_were_asked_for_wherever(parent_of, client, caplog):
    caplog.set_level(logging.INFO)
    usual = parent_of()
    assert parent_of() == usual

    wide = parent_of(experiment="model: {factors: 32}")
    assert wide != usual
    assert f"skipping {usual}: conf.model.factors is 64, wanted 32" in caplog.text
    assert "no finished ELSA run on these data with model.factors=32; training one" in caplog.text
    assert client.get_run(wide).data.params["conf.model.factors"] == "32"
    assert parent_of("model.factors=32") == wide

    held = parent_of(experiment="val_ratio: 0.3")
    assert held not in (usual, wide)
    assert f"skipping {usual}: conf.val_ratio is 0.1, wanted 0.3" in caplog.text
    assert parent_of("val_ratio=0.30") == held
    # What is asked for as it is by default is asked for all the same.
    assert parent_of("val_ratio=0.1", "model.factors=64") == usual
    # Where nothing is asked for, the newest will do.
    assert parent_of() == held


@pytest.mark.parametrize("command", ["train", "main"])
@pytest.mark.parametrize(
    ("n_users", "ratios", "message"),
    [
        (2, (), "got 2 users; use data or a filter that leaves at least 3 users"),
        (
            2,
            ("val_ratio=0", "test_ratio=0"),
            "got 2 users; use data or a filter that leaves at least 3 users",
        ),
        (5, ("val_ratio=0", "test_ratio=0"), "val_ratio: expected a share of users in (0, 1), as training"),
        (8, ("val_ratio=0.5", "test_ratio=0.5"), "got 8 users; lower the ratios"),
    ],
)
def test_users_too_few_for_every_part_are_refused_before_there_is_a_run(
    client, tmp_path, command, n_users, ratios, message
):
    pairs = "".join(f"u{user},i{item}\n" for user in range(n_users) for item in range(6))
    (tmp_path / "pairs.csv").write_text("user,item\n" + pairs)
    few = ("dataset=Custom", "dataset.path=pairs.csv", "dataset.min_item_interactions=1")
    settings = compose_settings(command, [*few, *ratios])
    with pytest.raises(InputError) as error:
        COMMANDS[command].load().run(settings, [])
    assert message in str(error.value)
    assert client.search_runs(["0"]) == []
