"""Where the configuration lies, and which of its keys every command line may give by themselves."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from elsa_groups.model.settings import TrainingSettings

# Parameters that MLproject declares.
DECLARED = (
    *("dataset", "data_dir", "parent", "n_groups", "seed"),
    *("groups_run_id", "strict", "runs", "filter", "out_dir"),
)

# Settings by which one training on the same data differs from another.
OF_TRAINING = ("model", "val_ratio", "test_ratio", "split")


def conf_dir() -> Path:
    """Return the folder of the configuration: inside an installed package, or the checkout's own."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"


def usual_drawing() -> dict[str, Any]:
    """Return the settings that groups are drawn by unless a file or a command line says otherwise.

    Families are not among them.
    """
    values = _read("generate_defaults.yaml")
    n_groups = _read("families/seed.yaml")["n_groups"]
    return values | {
        "thresholds": _read("thresholds/seed.yaml"),
        "filters": _read("filters/none.yaml"),
        "n_groups": n_groups,
    }


def _read(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((conf_dir() / name).read_text("utf-8"))
    return values


def usual_training(dataset: str) -> dict[str, Any]:
    """Return the settings that a dataset is trained by unless a file or a command line says otherwise."""
    values, model = _read("train_defaults.yaml"), f"model/{dataset}.yaml"
    own = _read(model) if (conf_dir() / model).is_file() else {}
    return values | {"model": asdict(TrainingSettings()) | own}
