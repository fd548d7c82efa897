"""What recorded groups are evaluated by, and groups drawn again from halves of the users."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from elsa_groups.base.distributed import ONE
from elsa_groups.base.errors import InputError
from elsa_groups.base.stages import stage
from elsa_groups.commands.evaluate.measuring import Members
from elsa_groups.commands.export.export import exported_of, recorded_data
from elsa_groups.commands.export.group_histories import KnownHistories, known_histories
from elsa_groups.commands.generate.drawing import draw_keys, find_population, runtime_of, thresholds_of
from elsa_groups.commands.generate.drawn import DrawnFrom
from elsa_groups.commands.generate.files import USER_FILE
from elsa_groups.commands.generate.halves import draw_from_halves
from elsa_groups.commands.generate.population import Chosen
from elsa_groups.commands.recorded import settings_again
from elsa_groups.commands.reproduce.regenerate import choose_again
from elsa_groups.data.interactions import Interactions
from elsa_groups.settings.commands import EvaluateSettings, EvidenceSettings, GenerateSettings
from elsa_groups.tracking.load import GroupsRun, Record, load_groups_run, open_record
from elsa_groups.tracking.parent import Parent
from elsa_groups.tracking.recorded_parent import recorded_parent

log = logging.getLogger("elsa_groups.cli")


@dataclass(frozen=True, eq=False)
class EvaluationInputs:
    """What recorded groups are evaluated by.

    Attributes
    ----------
    record : Record
        The groups run.
    groups : GroupsRun
        Its groups.
    asked : GenerateSettings
        What they were drawn by.
    interactions : Interactions
        The data.
    parent : Parent or None
        The run they were drawn from; None if it is gone.
    histories : KnownHistories
        Training histories, and what is held out.
    """

    record: Record
    groups: GroupsRun
    asked: GenerateSettings
    interactions: Interactions
    parent: Parent | None
    histories: KnownHistories


def gather_inputs(settings: EvaluateSettings) -> EvaluationInputs:
    """Read the groups, the data and the parent, and hold out what lists are judged by."""
    record = open_record(settings.groups_run_id)
    groups = load_groups_run(settings.groups_run_id, check_store=settings.check_store)
    asked = settings_again(record.lineage, settings)
    interactions = recorded_data(groups, asked, settings)
    try:
        parent = recorded_parent(record, interactions)
    except InputError as error:
        log.warning("parent: %s; only the controls recommend", error)
        parent = None
    exported = exported_of(groups, asked, interactions, None)
    histories = known_histories(exported, np.arange(interactions.n_users))
    return EvaluationInputs(record, groups, asked, interactions, parent, histories)


def draw_halves(
    settings: EvaluateSettings, inputs: EvaluationInputs
) -> tuple[dict[str, list[Members]], dict[str, str]]:
    """Draw groups again from halves of the users, by rows of the data; say why not, by type.

    Parameters
    ----------
    settings : EvaluateSettings
        How many groups of each type are wanted of a half.
    inputs : EvaluationInputs
        The recorded groups, which must come out again from all users.
    """
    keys = [*inputs.groups]
    if settings.halves is None:
        return {}, dict.fromkeys(keys, "none were asked for")
    try:
        members, missing = _draw_again(inputs, settings.halves)
    except InputError as error:
        log.warning("no intervals: %s", error)
        return {}, dict.fromkeys(keys, str(error))
    first = settings.groups_of_half
    return {key: [half[:first] for half in parts] for key, parts in members.items()}, missing


def _draw_again(inputs: EvaluationInputs, halves: int) -> tuple[dict[str, list[Members]], dict[str, str]]:
    if inputs.parent is None:
        raise InputError("the parent is gone, by which groups are drawn")
    asked = replace(inputs.asked, evidence=EvidenceSettings(halves=halves))
    runtime, parent, data = runtime_of(asked, ONE), inputs.parent, inputs.interactions
    population = find_population(asked, data, parent.encoder, _choose(inputs, parent), runtime.threads)
    thresholds = thresholds_of(asked, population, runtime)
    rows = population.embeddings.rows
    with stage("groups again", "groups") as done:
        drawn, _ = draw_keys(asked, population, thresholds.limits, runtime)
        done.count = sum(len(key.groups.members) for key in drawn)
    again = {key.groups.key: rows[key.groups.members] for key in drawn}
    if {*again} != {*inputs.groups} or any(
        not np.array_equal(members, inputs.groups[key].members) for key, members in again.items()
    ):
        raise InputError("the recorded groups do not come out again; `mlflow run . -e reproduce` says why")
    found = draw_from_halves(DrawnFrom(asked, population, thresholds, runtime), drawn)
    return {key: [rows[half] for half in parts] for key, parts in found.members.items()}, found.missing


def _choose(inputs: EvaluationInputs, parent: Parent) -> Chosen:
    """Return the users that groups were drawn from."""
    with TemporaryDirectory() as name:
        if inputs.asked.user_file is not None:
            inputs.record.artifacts.download(USER_FILE, Path(name))
        return choose_again(inputs.asked, inputs.interactions, parent, Path(name))
