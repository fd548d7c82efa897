"""Take the parent ELSA run, or train one if none fits; then generate groups into a child run of it."""

import logging
from collections.abc import Mapping
from typing import Any

from elsa_groups.base.errors import InputError
from elsa_groups.base.nested import flatten
from elsa_groups.commands.generate.generate import check_machine, generate_child
from elsa_groups.commands.generate.population import read_user_file
from elsa_groups.commands.generate.vectors import check_parent_of, find_vectors_parent, takes_vectors
from elsa_groups.commands.inputs import load_interactions
from elsa_groups.commands.train import train_parent
from elsa_groups.data.interactions import Interactions
from elsa_groups.groups.chosen_users import rows_of_ids
from elsa_groups.settings.commands import GenerateSettings, MainSettings, TrainSettings, part_of
from elsa_groups.settings.conf import OF_TRAINING, usual_training
from elsa_groups.settings.plain import plain
from elsa_groups.tracking.parent import Parent
from elsa_groups.tracking.parent_search import NEWEST, find_newest, resolve_parent
from elsa_groups.tracking.run import RunHandle

log = logging.getLogger("elsa_groups.cli")


def run(settings: MainSettings, overrides: list[str]) -> None:
    """Find or train the parent, then draw groups from it."""
    check_machine(settings)
    check_parent_of(settings)
    read_user_file(settings.user_file)
    interactions = load_interactions(settings.dataset, settings.data_dir)
    parent = find_parent(settings, interactions, overrides)
    generate_child(part_of(GenerateSettings, settings), interactions, parent, overrides=overrides)


def find_parent(settings: MainSettings, interactions: Interactions, overrides: list[str]) -> Parent:
    """Return the parent that was asked for, trained if none fits, and registered if that was asked for."""
    if (listed := read_user_file(settings.user_file)) is not None:
        # An id that is nobody's must not cost a training first.
        rows_of_ids(listed, interactions.user_ids)
    if takes_vectors(settings):
        return find_vectors_parent(settings, interactions)
    reference, trained = settings.parent, False
    if reference == NEWEST:
        asked = _asked_of_training(settings, overrides)
        run = find_newest(interactions, asked)
        trained = run is None
        if run is not None:
            reference = run.info.run_id
        else:
            told = "".join(f" {name}={value}" for name, value in asked.items())
            log.info("parent: no finished ELSA run on these data%s; training one", told and f" with{told}")
            of_train = part_of(TrainSettings, settings)
            reference = train_parent(of_train, interactions, overrides, adopt=False).run_id
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


def _asked_of_training(settings: MainSettings, overrides: list[str]) -> dict[str, object]:
    """Return the training settings that were asked for: a parent with others is not what is wanted.

    They are those that differ from what a dataset is trained by unless told otherwise, whichever file or
    command line says so, and those that the command line names, whatever it says.
    """
    usual = _of_training(usual_training(settings.dataset.name))
    given = {part.partition("=")[0].lstrip("+~") for part in overrides}
    return {
        name: value
        for name, value in _of_training(plain(settings)).items()
        if value != usual.get(name) or not given.isdisjoint({name, name.partition(".")[0]})
    }


def _of_training(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide which parent comes of the data, by dotted name."""
    return flatten({name: values[name] for name in OF_TRAINING}, "")
