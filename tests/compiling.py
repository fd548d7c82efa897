"""Compile what most tests call: a program that runs once, before pytest's processes would each do so."""

import tempfile
from pathlib import Path

from launches import Store, launch

SMALL = (
    "dataset=Demo", "dataset.n_users=200", "dataset.n_items=250", "n_groups=4", "baseline.n_groups=4",
    "evidence.halves=2",
)  # fmt: skip
COMMANDS = (
    ("main", *SMALL, "model.epochs=1", "model.factors=16", "filters=distinct"),
    ("generate", *SMALL, "families=band", "sampling.max_draws=null", "similarity.center=mean"),
    *(("generate", *SMALL, f"similarity.source={source}") for source in ("history_cosine", "jaccard")),
    ("feasibility", *SMALL, "feasibility.attempts=20"),
)

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for entry_point, *arguments in COMMANDS:
            # What one that fails does not compile is compiled by the tests.
            launch(Store.of_sqlite(Path(folder)), entry_point, *arguments)
