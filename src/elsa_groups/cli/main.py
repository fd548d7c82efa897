"""Take the parent ELSA run, or train one if none fits; then generate groups into a child run of it."""

import logging
from typing import Any

from elsa_groups.cli.generate import check_settings, generate_child
from elsa_groups.cli.lifecycle import run_entry_point

log = logging.getLogger("elsa_groups.cli")


def main() -> None:
    """Entry point ``main``."""
    run_entry_point("main", _main)


def _main(settings: dict[str, Any], overrides: list[str]) -> None:
    check_settings(settings)
    from elsa_groups.cli.inputs import load_interactions
    from elsa_groups.cli.train import train_parent
    from elsa_groups.tracking.parent import NEWEST, check_parent, find_newest, resolve_parent
    from elsa_groups.tracking.run import check_store

    check_store()
    check_parent(settings["parent"])
    interactions = load_interactions(settings)
    reference = settings["parent"]
    if reference == NEWEST:
        run = find_newest(interactions, _asked_of_model(settings, overrides))
        if run is None:
            log.info("parent: no finished ELSA run on these data and settings; training one")
        reference = run.info.run_id if run else train_parent(settings, interactions, overrides, adopt=False)
    generate_child(settings, interactions, resolve_parent(reference, interactions, seed=settings["seed"]))


def _asked_of_model(settings: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Return the model settings that the user gave: a parent with others is not what was asked for."""
    names = [part.partition("=")[0].lstrip("+~") for part in overrides]
    model: dict[str, Any] = settings["model"]
    asked = [name for name in model if "model" in names or f"model.{name}" in names]
    return {f"model.{name}": model[name] for name in asked}


if __name__ == "__main__":
    main()
