"""From settings to the data they name."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from elsa_groups.base.stages import stage

if TYPE_CHECKING:
    from elsa_groups.data.interactions import Interactions


@stage("reading")
def load_interactions(settings: dict[str, Any]) -> "Interactions":
    """Load the dataset of completed settings."""
    from elsa_groups.data.load import load

    options = dict(settings["dataset"])
    return load(options.pop("name"), Path(settings["data_dir"]), **options)
