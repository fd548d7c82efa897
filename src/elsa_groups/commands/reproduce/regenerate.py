"""From a record, and where its data are now, to the same groups drawn again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.distributed import ONE
from elsa_groups.base.errors import InputError, InputsMissing
from elsa_groups.base.files import read_array
from elsa_groups.commands.generate.drawing import Drawn, draw_all
from elsa_groups.commands.generate.files import USER_FILE, Generation, write_artifacts, write_lineage
from elsa_groups.commands.generate.population import Chosen, choose_users
from elsa_groups.commands.reproduce.distance import distance_to_limit
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.user_sets import UserSet
from elsa_groups.record.code import Code
from elsa_groups.record.schema import Document
from elsa_groups.settings.commands import GenerateSettings
from elsa_groups.tracking.load import Record
from elsa_groups.tracking.parent import Parent
from elsa_groups.tracking.recorded_parent import is_recorded, recorded_parent, stored_ids

Members = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Regenerated:
    """Groups that were drawn again.

    Attributes
    ----------
    settings : GenerateSettings
        By which they were drawn.
    drawn : Drawn
        The groups, and the users they were drawn from.
    lineage : dict
        What a record of them says.
    members : dict of str to (n_groups, size) int64
        By group type, in rows of the recorded users; negative for users who were not there then.
    places : (n_recorded_users,) int64
        By recorded row, the user's number among those drawn from; -1 for who is not among them.
    """

    settings: GenerateSettings
    drawn: Drawn
    lineage: Document
    members: dict[str, Members]
    places: Members

    def distance(self, name: str, members: Members, position: int) -> float | None:
        """Return how far a member, in recorded rows, is from the limit that decides; None if unknown."""
        kind = next((kind for kind in self.settings.types if kind.name == name), None)
        if kind is None or kind.size != len(members):
            return None
        known = (members >= 0) & (members < len(self.places))
        numbers = np.full(len(members), -1)
        numbers[known] = self.places[members[known]]
        users, limits = self.drawn.population.users, self.drawn.thresholds.limits
        return distance_to_limit(users, kind, numbers, position, limits)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What recorded groups are drawn from again.

    Attributes
    ----------
    settings : GenerateSettings
        Those of the record, with the places of this machine.
    interactions : Interactions
        The data as they are now.
    code : Code
        The code that runs.
    parent : Parent or None
        The ELSA run; None if the data have another number of items than it was trained on.
    """

    settings: GenerateSettings
    interactions: Interactions
    code: Code
    parent: Parent | None


def parent_again(record: Record, interactions: Interactions) -> Parent | None:
    """Return the recorded parent, or None if these data have another number of items."""
    same = record.lineage["data"]["n_items"] == interactions.n_items
    return recorded_parent(record, interactions) if same else None


def regenerate(
    record: Record, inputs: Inputs, stored: Path, folder: Path, *, run_id: str
) -> Regenerated | str:
    """Draw the groups of a record again, and write their files; or say why none can be drawn.

    Parameters
    ----------
    record : Record
        The groups run.
    inputs : Inputs
        What to draw from.
    stored : Path
        The files of the run as they are now.
    folder : Path
        Where to write; it is made.
    run_id : str
        The run that the files are named after.

    Raises
    ------
    InputsMissing
        If what says which users were drawn from is gone.
    """
    settings, interactions, parent = inputs.settings, inputs.interactions, inputs.parent
    if parent is None:
        recorded = record.lineage["data"]["n_items"]
        return f"{recorded:,} items were recorded, and these data have {interactions.n_items:,}"
    try:
        chosen = choose_again(settings, interactions, parent, stored)
        drawn = draw_all(settings, interactions, parent.encoder, chosen, ONE)
    except InputsMissing:
        raise
    except InputError as error:
        return str(error)
    folder.mkdir()
    generation = Generation(run_id, settings, interactions, parent, drawn, inputs.code)
    write_artifacts(folder, generation)
    lineage = write_lineage(folder, generation)
    present_of = np.arange(interactions.n_users)
    members = read_all_members(folder, lineage)
    if record.lineage["data"]["users_digest"] != lineage["data"]["users_digest"]:
        # The same row may be another user.
        users = stored_ids(record, "users")
        ids = users if users and is_recorded(record, "users", users) else ()
        members = in_recorded_rows(members, ids, interactions.user_ids)
        present_of = rows_by_id(ids, interactions.user_ids)
    places = numbers_of(present_of, drawn.embeddings.rows)
    return Regenerated(settings, drawn, lineage, members, places)


def choose_again(
    settings: GenerateSettings, interactions: Interactions, parent: Parent, stored: Path
) -> Chosen:
    """Choose the recorded users, by the parent's split or by the list of ids that the run keeps."""
    listed = None
    if settings.user_file is not None:
        if not (stored / USER_FILE).is_file():
            raise InputsMissing(f"{USER_FILE}: the groups run no longer has the list of its users")
        listed = (stored / USER_FILE).read_bytes()
    if parent.split is None and {settings.user_set, settings.thresholds.users} - {UserSet.all, None}:
        raise InputsMissing(
            f"parent: split.json of run {parent.run_id} is gone, which says who was asked for"
        )
    return replace(choose_users(settings, interactions, parent.split, listed), given=parent.given)


def read_all_members(folder: Path, lineage: Mapping[str, Any]) -> dict[str, Members]:
    """Return the member arrays of a record's group types that are there and readable."""
    members = {}
    for name in lineage["groups"]:
        try:
            array = read_array(folder / "groups" / f"{name}.npy")
        except (OSError, ValueError):
            continue
        if array.ndim == 2 and array.dtype.kind in "iu":
            members[name] = array.astype(np.int64)
    return members


def rows_by_id(ids: tuple[str, ...], others: tuple[str, ...]) -> Members:
    """Return each id's row among others; for those without one -1, -2 and so on, all of them different."""
    row_of = {user: row for row, user in enumerate(others)}
    return np.array([row_of.get(user, -1 - row) for row, user in enumerate(ids)], np.int64)


def numbers_of(rows: Members, drawn_from: Members) -> Members:
    """Return each row's place among those drawn from, which ascend; -1 for those who are not there."""
    places = np.searchsorted(drawn_from, rows)
    return np.where(np.isin(rows, drawn_from), places, -1)


def in_recorded_rows(
    members: Mapping[str, Members], recorded_ids: tuple[str, ...], present_ids: tuple[str, ...]
) -> dict[str, Members]:
    """Return members, given in present rows, in recorded rows; negative for users without one."""
    rows = rows_by_id(present_ids, recorded_ids)
    return {name: rows[array] for name, array in members.items()}
