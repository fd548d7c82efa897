"""Take the parent ELSA run, or train one if none fits; then generate groups into a child run of it."""

import logging

from elsa_groups.base.errors import InputError
from elsa_groups.commands.generate.generate import check_device, generate_child
from elsa_groups.commands.generate.population import read_user_file
from elsa_groups.commands.inputs import load_interactions
from elsa_groups.commands.train import train_parent
from elsa_groups.data.interactions import Interactions
from elsa_groups.groups.users import rows_of_ids
from elsa_groups.settings.commands import GenerateSettings, MainSettings, TrainSettings, part_of
from elsa_groups.tracking.parent import NEWEST, Parent, check_parent, find_newest, resolve_parent
from elsa_groups.tracking.run import RunHandle

log = logging.getLogger("elsa_groups.cli")


def run(settings: MainSettings, overrides: list[str]) -> None:
    """Find or train the parent, then draw groups from it."""
    check_device(settings.device)
    check_parent(settings.parent)
    read_user_file(settings.user_file)
    interactions = load_interactions(settings.dataset, settings.data_dir)
    parent = find_parent(settings, interactions, overrides)
    generate_child(part_of(GenerateSettings, settings), interactions, parent)


def find_parent(settings: MainSettings, interactions: Interactions, overrides: list[str]) -> Parent:
    """Return the parent that was asked for, trained if none fits, and registered if that was asked for."""
    if (listed := read_user_file(settings.user_file)) is not None:
        # An id that is nobody's must not cost a training first.
        rows_of_ids(listed, interactions.user_ids)
    reference, trained = settings.parent, False
    if reference == NEWEST:
        run = find_newest(interactions, _asked_of_model(settings, overrides))
        trained = run is None
        if run is not None:
            reference = run.info.run_id
        else:
            log.info("parent: no finished ELSA run on these data and settings; training one")
            asked = part_of(TrainSettings, settings)
            reference = train_parent(asked, interactions, overrides, adopt=False).run_id
    parent = resolve_parent(reference, interactions, seed=settings.seed)
    if settings.register_as and not trained:
        _register(parent, settings.register_as, settings.register_alias)
    return parent


def _register(parent: Parent, name: str, alias: str | None) -> None:
    """Register a parent that was found; one that is trained here registers itself."""
    if parent.model_id is None:
        raise InputError(
            f"register_as: run {parent.run_id} has no LoggedModel; leave it out, or train a parent here"
        )
    RunHandle(parent.run_id, parent.experiment_id).register_model(parent.model_id, name, alias)


def _asked_of_model(settings: MainSettings, overrides: list[str]) -> dict[str, object]:
    """Return the model settings that the user gave: a parent with others is not what was asked for."""
    names = [part.partition("=")[0].lstrip("+~") for part in overrides]
    asked = {
        name: value
        for name, value in vars(settings.model).items()
        if "model" in names or f"model.{name}" in names
    }
    return {f"model.{name}": value for name, value in asked.items()}
