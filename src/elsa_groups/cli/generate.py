"""Generate the groups of every family from a parent ELSA run, into a child run of it."""

import logging
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from elsa_groups.cli import schema
from elsa_groups.cli.lifecycle import run_entry_point

if TYPE_CHECKING:
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.groups.quality import KeyResult
    from elsa_groups.model.embeddings import Embeddings
    from elsa_groups.similarity.thresholds import Thresholds
    from elsa_groups.tracking.parent import Parent

log = logging.getLogger(__name__)

# Random groups of a baseline: enough that its mean is far steadier than the groups it is compared with.
_BASELINE_GROUPS = 1000


def main() -> None:
    """Entry point ``generate``."""
    run_entry_point("generate", _generate)


def _generate(settings: dict[str, Any], _: list[str]) -> None:
    from elsa_groups.cli.inputs import load_interactions

    check_settings(settings)
    interactions = load_interactions(settings)
    from elsa_groups.tracking.parent import resolve_parent

    parent = resolve_parent(settings["parent"], interactions, seed=settings["seed"])
    generate_child(settings, interactions, parent)


def check_settings(settings: dict[str, Any]) -> None:
    """Refuse settings that no data could satisfy, before any work."""
    from elsa_groups.similarity.thresholds import check_targets

    schema.families_of(settings)
    check_targets(*schema.targets_of(settings))


def generate_child(settings: dict[str, Any], interactions: "Interactions", parent: "Parent") -> str:
    """Draw and log all groups in a child run of the parent; return its id.

    Parameters
    ----------
    settings : dict
        Completed settings of entry point generate or main.
    interactions : Interactions
        The data.
    parent : Parent
        The ELSA run, already checked against the data.
    """
    from elsa_groups.tracking.run import dataset_input, tracked_run

    started = time.perf_counter()
    settings = schema.part_for(settings, "generate")
    with tracked_run(_run_name(settings), parent=parent.run_id, experiment_id=parent.experiment_id) as run:
        log.info("groups run %s, child of %s (%s)", run.run_id, parent.run_id, parent.name)
        run.set_tags(
            {
                "elsa_groups.kind": "groups",
                "elsa_groups.parent": parent.run_id,
                "elsa_groups.dataset": interactions.dataset,
                "elsa_groups.user_set": "all",
            }
        )
        run.log_params(schema.as_params(settings))
        run.log_inputs(
            dataset_input(interactions.dataset, interactions.digest, interactions.source.uri, "groups"),
            parent.model_id,
        )
        embeddings, thresholds = _embed(settings, interactions, parent)
        results = _draw(settings, embeddings, thresholds)
        with TemporaryDirectory() as name:
            folder = Path(name)
            write_artifacts(folder, settings, interactions, embeddings, thresholds, results)
            run.log_files(folder)
