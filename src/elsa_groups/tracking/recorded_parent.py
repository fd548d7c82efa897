"""The parent of recorded groups, whatever has become of its run since."""

import logging
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from numpy.typing import NDArray

from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import Absent, InputError, InputsMissing
from elsa_groups.base.files import read_json
from elsa_groups.base.temporary import temporary_folder
from elsa_groups.data.interactions import Interactions, order_digest
from elsa_groups.data.split import Split
from elsa_groups.model.elsa import read_checkpoint
from elsa_groups.tracking.artifacts import RunArtifacts, artifacts_of
from elsa_groups.tracking.load import Record, parent_run
from elsa_groups.tracking.parent import CHECKPOINT, Parent
from elsa_groups.tracking.split import SPLIT, follow_users, read_split
from elsa_groups.tracking.vectors_parent import recorded_vectors

log = logging.getLogger(__name__)


def recorded_parent(record: Record, interactions: Interactions) -> Parent:
    """Load the item vectors that recorded groups were drawn from, whatever has become of their run.

    Parameters
    ----------
    record : Record
        The groups run. Its own copy of the checkpoint is taken, if it has one, else the parent's.
    interactions : Interactions
        The data, with as many items as were recorded.

    Raises
    ------
    InputsMissing
        If neither is there, or what is there can no longer be read.
    """
    recorded = record.lineage["parent"]
    if "files" in recorded:
        return recorded_vectors(record, interactions)
    encoder, digest = recorded_checkpoint(record, interactions.n_items)
    return Parent(
        recorded["run_id"],
        record.experiment_id,
        recorded["run_id"],
        recorded["model_id"],
        encoder,
        digest,
        recorded["item_order"] if stored_ids(record, "items") is None else "items.json",
        has_users="users.json" not in record.lineage["artifacts"],
        split=_recorded_split(record, interactions),
    )


def recorded_checkpoint(record: Record, n_items: int) -> tuple[NDArray[np.float32], str]:
    """Return the item vectors that recorded groups were drawn from, and the digest of their file.

    Raises
    ------
    InputsMissing
        If there is no such file, or no more, or it cannot be read.
    """
    recorded = record.lineage["parent"]
    if "files" in recorded:
        raise InputsMissing(f"parent: expected an ELSA run, got vectors: there is no {CHECKPOINT}")
    with temporary_folder() as folder:
        checkpoint = _recorded_checkpoint(record, folder)
        digest = file_digest(checkpoint)
        try:
            return read_checkpoint(checkpoint, n_items, recorded["factors"]), digest
        except InputError as error:
            changed = digest != recorded["checkpoint_sha256"]
            reason = f"it is not the recorded file (sha256 {digest})" if changed else "though as recorded"
            raise InputsMissing(f"parent: {CHECKPOINT} cannot be read, {reason}: {error}") from error


def _recorded_split(record: Record, interactions: Interactions) -> Split | None:
    """Return the parent's split by the present rows of its users; None if it is gone, or not to be read."""
    pinned = record.lineage["parent"]["pinned"]
    users: tuple[str, ...] | None = interactions.user_ids
    if not is_recorded(record, "users", users):
        # Other users are there now: their recorded rows are known by ids alone.
        users = stored_ids(record, "users")
    if users is None or not is_recorded(record, "users", users):
        return None
    kept = f"{pinned.rpartition('/')[0]}/{SPLIT}" if pinned else ""
    try:
        if kept and record.artifacts.has(kept):
            split = read_split(record.artifacts, len(users), path=kept)
        else:
            split = read_split(_recorded_run(record), len(users))
    except InputError:
        return None
    return split and follow_users(split, users, interactions.user_ids)


def _recorded_checkpoint(record: Record, folder: Path) -> Path:
    """Copy the checkpoint that was recorded: the groups run's own, or its parent's where that is damaged."""
    recorded = record.lineage["parent"]
    copy = None
    if recorded["pinned"] and record.artifacts.has(recorded["pinned"]):
        copy = record.artifacts.download(recorded["pinned"], folder / "pinned")
        if file_digest(copy) == recorded["checkpoint_sha256"]:
            return copy
    try:
        of_parent = _recorded_run(record).download(CHECKPOINT, folder)
    except InputError as error:
        if copy is not None:
            return copy
        if isinstance(error, Absent):
            raise InputsMissing(str(error)) from error
        raise
    if copy is not None and file_digest(of_parent) == recorded["checkpoint_sha256"]:
        log.warning("parent: %s is damaged; its parent's own file is taken", recorded["pinned"])
    return of_parent


def _recorded_run(record: Record) -> RunArtifacts:
    """Return the artifacts of the ELSA run that groups were drawn from."""
    return artifacts_of(MlflowClient(), parent_run(record))


def read_ids(record: Record, what: str) -> tuple[str, ...] | None:
    """Return the ids that are stored with the groups, or with their parent, in row order.

    Parameters
    ----------
    record : Record
        The groups run.
    what : str
        ``users`` or ``items``.

    Returns
    -------
    tuple of str or None
        As they are now, whatever was recorded; None where the run that had them is gone, or never had them.

    Raises
    ------
    InputError
        If the list that there was is not there any more, or is none.
    """
    name = f"{what}.json"
    lineage = record.lineage
    artifacts = record.artifacts
    if name not in lineage["artifacts"] and not artifacts.has(name):
        try:
            artifacts = _recorded_run(record)
        except Absent:
            return None
        if what == "items" and lineage["parent"]["item_order"] != "items.json" and not artifacts.has(name):
            return None
    with temporary_folder() as folder:
        copy = artifacts.download(name, folder)
        try:
            ids = read_json(copy)
        except ValueError as error:
            where = f"{name} of run {artifacts.run_id}"
            raise InputError(f"{where}: expected a list of ids, got {error}") from error
    if not isinstance(ids, list):
        raise InputError(
            f"{name} of run {artifacts.run_id}: expected a list of ids, got {type(ids).__name__}"
        )
    return tuple(map(str, ids))


def stored_ids(record: Record, what: str) -> tuple[str, ...] | None:
    """Return the ids as by :func:`read_ids`; None also where they cannot be read."""
    try:
        return read_ids(record, what)
    except InputError:
        return None


def is_recorded(record: Record, what: str, ids: tuple[str, ...] | None) -> bool:
    """Return whether ids are those that the groups were drawn from, in their order."""
    return ids is not None and order_digest(ids) == record.lineage["data"][f"{what}_digest"]
