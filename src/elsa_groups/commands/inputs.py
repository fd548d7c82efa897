"""From settings to the data they name."""

import json
from pathlib import Path

from elsa_groups.base.keeping import kept
from elsa_groups.base.stages import stage
from elsa_groups.data.datasets import DatasetSettings
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.load import load
from elsa_groups.settings.plain import plain


@stage("reading")
def load_interactions(dataset: DatasetSettings, data_dir: str) -> Interactions:
    """Load a dataset, its files being in a folder of its name in ``data_dir``; a sweep does so once."""
    options = plain(dataset)
    asked = json.dumps([options, data_dir], sort_keys=True)
    return kept("data", asked, lambda: load(options.pop("name"), Path(data_dir), **options))
