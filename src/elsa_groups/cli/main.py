"""Take the parent ELSA run, or train one if none fits; then generate groups into a child run of it."""

import logging
from typing import TYPE_CHECKING, Any

from elsa_groups.cli.generate import check_settings, generate_child
from elsa_groups.cli.lifecycle import run_entry_point
from elsa_groups.errors import InputError

if TYPE_CHECKING:
    from elsa_groups.tracking.parent import Parent

log = logging.getLogger("elsa_groups.cli")


def main() -> None:
    """Entry point ``main``."""
    run_entry_point("main", _main)


def _main(settings: dict[str, Any], overrides: list[str]) -> None:
    check_settings(settings)
    from elsa_groups.cli.inputs import load_interactions
    from elsa_groups.cli.population import read_user_file
    from elsa_groups.cli.train import train_parent
    from elsa_groups.groups.users import rows_of_ids
    from elsa_groups.tracking.parent import NEWEST, check_parent, find_newest, resolve_parent
    from elsa_groups.tracking.run import check_store

    check_store()
    check_parent(settings["parent"])
    listed = read_user_file(settings)
    interactions = load_interactions(settings)
    if listed is not None:
        # An id that is nobody's must not cost a training first.
        rows_of_ids(listed, interactions.user_ids)
    reference, trained = settings["parent"], False
    if reference == NEWEST:
        run = find_newest(interactions, _asked_of_model(settings, overrides))
        trained = run is None
        if run is None:
            log.info("parent: no finished ELSA run on these data and settings; training one")
        reference = run.info.run_id if run else train_parent(settings, interactions, overrides, adopt=False)
    parent = resolve_parent(reference, interactions, seed=settings["seed"])
    if settings["register_as"] and not trained:
        _register(parent, settings)
    generate_child(settings, interactions, parent)


def _register(parent: "Parent", settings: dict[str, Any]) -> None:
    """Register a parent that was found; one that is trained here registers itself."""
    from elsa_groups.tracking.run import RunHandle

    if parent.model_id is None:
        raise InputError(
            f"register_as: run {parent.run_id} has no LoggedModel; leave it out, or train a parent here"
        )
    run = RunHandle(parent.run_id, parent.experiment_id)
    run.register_model(parent.model_id, settings["register_as"], settings["register_alias"])


def _asked_of_model(settings: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Return the model settings that the user gave: a parent with others is not what was asked for."""
    names = [part.partition("=")[0].lstrip("+~") for part in overrides]
    model: dict[str, Any] = settings["model"]
    asked = [name for name in model if "model" in names or f"model.{name}" in names]
    return {f"model.{name}": model[name] for name in asked}


if __name__ == "__main__":
    main()
