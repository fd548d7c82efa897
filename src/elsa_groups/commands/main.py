"""Take the parent ELSA run, or train one if none fits; then generate groups into a child run of it."""

import logging
from typing import TYPE_CHECKING, Any

from elsa_groups.base.errors import InputError
from elsa_groups.commands.generate.generate import check_settings, generate_child

if TYPE_CHECKING:
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.tracking.parent import Parent

log = logging.getLogger("elsa_groups.cli")


def run(settings: dict[str, Any], overrides: list[str]) -> None:
    """Find or train the parent, then draw groups from it."""
    check_settings(settings)
    from elsa_groups.commands.generate.asked import read_user_file
    from elsa_groups.commands.inputs import load_interactions
    from elsa_groups.tracking.parent import check_parent
    from elsa_groups.tracking.run import check_store

    check_store()
    check_parent(settings["parent"])
    read_user_file(settings)
    interactions = load_interactions(settings)
    generate_child(settings, interactions, find_or_train(settings, interactions, overrides))


def find_or_train(settings: dict[str, Any], interactions: "Interactions", overrides: list[str]) -> "Parent":
    """Return the parent that was asked for, registered if that was asked for, too."""
    from elsa_groups.commands.generate.asked import read_user_file
    from elsa_groups.commands.train import train_parent
    from elsa_groups.groups.users import rows_of_ids
    from elsa_groups.tracking.parent import NEWEST, find_newest, resolve_parent

    if (listed := read_user_file(settings)) is not None:
        # An id that is nobody's must not cost a training first.
        rows_of_ids(listed, interactions.user_ids)
    reference, trained = settings["parent"], False
    if reference == NEWEST:
        run = find_newest(interactions, _asked_of_model(settings, overrides))
        trained = run is None
        if run is None:
            log.info("parent: no finished ELSA run on these data and settings; training one")
        if run is not None:
            reference = run.info.run_id
        else:
            reference = train_parent(settings, interactions, overrides, adopt=False).run_id
    parent = resolve_parent(reference, interactions, seed=settings["seed"])
    if settings["register_as"] and not trained:
        _register(parent, settings)
    return parent


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
