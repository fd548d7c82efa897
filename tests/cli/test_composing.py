"""What conf/ composes to: the same run for every command that draws groups, and a model for every dataset."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.cli.commands import COMMANDS
from elsa_groups.cli.composing import compose_jobs, compose_settings
from elsa_groups.model.settings import TrainingSettings
from elsa_groups.settings.conf import conf_dir

FAMILIES = sorted(file.stem for file in (conf_dir() / "families").glob("*.yaml"))
EXPERIMENTS = sorted(file.stem for file in (conf_dir() / "experiment").glob("*.yaml"))
DRAWN_BY = [f"families={name}" for name in FAMILIES] + [f"experiment={name}" for name in EXPERIMENTS]


def _parts_of_generate(settings: Any) -> dict[str, Any]:
    names = [field.name for field in fields(COMMANDS["generate"].settings) if field.name != "feasibility"]
    return {name: getattr(settings, name) for name in names}


@pytest.mark.parametrize("override", DRAWN_BY)
def test_every_choice_composes_the_run_of_generate(override: str) -> None:
    expected = _parts_of_generate(compose_settings("generate", [override]))
    for command in ("main", "feasibility"):
        assert _parts_of_generate(compose_settings(command, [override])) == expected, command


def test_a_dataset_without_a_model_of_its_own_is_trained_by_the_defaults() -> None:
    settings = compose_settings("train", ["dataset=Custom", "dataset.path=pairs.csv", "model.factors=32"])
    assert settings.model == TrainingSettings(factors=32)


@pytest.mark.parametrize("command", ["train", "main"])
def test_a_mistyped_model_is_refused(command: str) -> None:
    with pytest.raises(
        InputError, match=r"model: expected one of Demo, .*, got LastFM1K; choose one of them"
    ):
        compose_settings(command, ["model=LastFM1K"])


def test_a_model_of_the_users_own_is_found(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("factors: 7\n")
    composed = compose_jobs(["--config-dir", str(tmp_path), "model=mine"], COMMANDS["train"])
    assert composed.jobs[0].settings.model == TrainingSettings(factors=7)
