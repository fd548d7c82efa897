"""The parent ELSA run, checked against the data before anything is drawn from it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from numpy.typing import NDArray

from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError
from elsa_groups.base.files import read_json
from elsa_groups.base.temporary import temporary_folder
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.split import Split
from elsa_groups.record.schema import LINEAGE, Document, check_lineage, record_digest
from elsa_groups.tracking.artifacts import RunArtifacts, artifacts_of
from elsa_groups.tracking.run import DIGEST_LENGTH, KIND, RECORD
from elsa_groups.tracking.search import data_digests
from elsa_groups.tracking.split import SPLIT, read_split

if TYPE_CHECKING:
    from elsa_groups.model.embeddings import Embeddings

log = logging.getLogger(__name__)

# Kinds of runs that groups are drawn from: of ELSA, and those that hold vectors of another model.
ELSA, VECTORS = "elsa", "vectors"
CHECKPOINT = "checkpoint.ckpt"


@dataclass(frozen=True)
class Parent:
    """An ELSA run that fits the data.

    Attributes
    ----------
    run_id, experiment_id, name : str
        Which run.
    model_id : str or None
        Its LoggedModel, where it logged one.
    encoder : NDArray[np.float32], shape (n_items, factors)
        Item vectors, in the column order of the interactions.
    checkpoint_sha256 : str
        Digest of the checkpoint file.
    item_order : str
        How the order of items was established: ``items.json`` or ``loss``.
    has_users : bool
        Whether it logged users.json, whose rows the groups name.
    split : Split or None
        Rows of the users that it was trained, validated and tested on, where it logged them.
    given : Embeddings or None
        Vectors of users, where it holds those of another model; ``encoder`` has no columns then if that
        recommends nothing.
    files : dict of str to str
        SHA-256 of its files of such vectors, by name; that of users, the first, is the checkpoint's digest.
    """

    run_id: str
    experiment_id: str
    name: str
    model_id: str | None
    encoder: NDArray[np.float32]
    checkpoint_sha256: str
    item_order: str
    has_users: bool
    split: Split | None = None
    given: "Embeddings | None" = None
    files: dict[str, str] = field(default_factory=dict)

    @property
    def factors(self) -> int:
        """Columns of its vectors."""
        return int((self.encoder if self.given is None else self.given.vectors).shape[1])

    def record(self, pinned: str | None = None) -> Document:
        """Describe it for the lineage record of groups; ``pinned`` is their own copy of the checkpoint."""
        files = {"files": self.files} if self.files else {}
        return {
            "run_id": self.run_id,
            "model_id": self.model_id,
            "checkpoint_sha256": self.checkpoint_sha256,
            "factors": self.factors,
            "item_order": self.item_order,
            "pinned": pinned,
            **files,
        }


def load_parent(run: Run, interactions: Interactions, *, seed: int) -> Parent:
    """Load a run's item vectors and check them, and its ids where it has them, against the data."""
    # torch comes with it, which nobody waits for whose parent or data are refused before.
    from elsa_groups.model.elsa import read_checkpoint

    run_id = run.info.run_id
    if run.info.status != "FINISHED":
        log.warning("parent: run %s ended %s; its checkpoint is used all the same", run_id, run.info.status)
    factors = _check_params(run, interactions)
    _check_digest(run, interactions)
    artifacts = artifacts_of(MlflowClient(), run)
    with temporary_folder() as folder:
        checkpoint = artifacts.download(CHECKPOINT, folder)
        digest = file_digest(checkpoint)
        if KIND in run.data.tags:
            _check_recorded(run, artifacts, digest, folder)
        encoder = read_checkpoint(checkpoint, interactions.n_items, factors)
        has_users = _check_ids(artifacts, interactions.user_ids, "users", folder)
        ordered = _check_ids(artifacts, interactions.item_ids, "items", folder)
    # Without ids nobody knows whose rows they are.
    split = read_split(artifacts, interactions.n_users) if has_users else None
    if not ordered:
        from elsa_groups.model.embeddings import check_item_order

        order = check_item_order(interactions.matrix, encoder, seed=seed)
        log.info(
            "parent: no items.json; the loss in this item order is %.3f, in shuffled orders at least %.3f",
            order.loss,
            min(order.shuffled_losses),
        )
    models = [output.model_id for output in run.outputs.model_outputs] if run.outputs else []
    return Parent(
        run_id,
        run.info.experiment_id,
        run.info.run_name or run_id,
        models[0] if models else None,
        encoder,
        digest,
        "items.json" if ordered else "loss",
        has_users,
        split,
    )


def _check_params(run: Run, interactions: Interactions) -> int:
    """Compare the run's params with the data; return its number of factors."""
    params, run_id = run.data.params, run.info.run_id
    expected = {"model": "ELSA", "dataset": interactions.dataset, "items": str(interactions.n_items)}
    for name, value in expected.items():
        if params.get(name) != value:
            raise InputError(
                f"parent: run {run_id} has param {name}={params.get(name)}, expected {value}"
                + ("; same file and filter as in training?" if name == "items" else "; give another parent")
            )
    factors = params.get("factors", "")
    if not factors.isdigit():
        raise InputError(f"parent: run {run_id} has param factors={factors or None}, expected a whole number")
    return int(factors)


def _check_digest(run: Run, interactions: Interactions) -> None:
    """Refuse a run that says it was trained on other data; a checkpoint from elsewhere says nothing."""
    digests = data_digests(run)
    if digests and interactions.digest[:DIGEST_LENGTH] not in digests:
        raise InputError(
            f"parent: run {run.info.run_id} was trained on data with digest {digests[0]}, and these have"
            f" {interactions.digest[:DIGEST_LENGTH]}; use the file and filter that it was trained on, or"
            " train again"
        )


def check_logged(run: Run, lineage: Mapping[str, Any]) -> None:
    """Refuse a record of a parent that is not the one that its run logged; older runs logged no digest.

    Raises
    ------
    InputError
        If the run's tag has another digest than this record.
    """
    logged = run.data.tags.get(RECORD)
    if logged is not None and record_digest(lineage) != logged:
        raise InputError(
            f"parent: {LINEAGE} of run {run.info.run_id} is not what was logged (tag {RECORD} is {logged});"
            " restore it, or take another parent"
        )


def _check_recorded(run: Run, artifacts: RunArtifacts, digest: str, folder: Path) -> None:
    """Refuse a checkpoint or a record that is not the one that its run, one of ours, logged."""
    lineage = _read_json(artifacts, LINEAGE, folder, dict)
    try:
        check_lineage(lineage)
    except ValueError as error:
        raise InputError(f"parent: run {artifacts.run_id}: {error}; restore it, or train again") from error
    check_logged(run, lineage)
    recorded = lineage["artifacts"].get(CHECKPOINT)
    if digest != recorded:
        raise InputError(
            f"parent: {CHECKPOINT} of run {artifacts.run_id} is not the one that was logged (recorded sha256"
            f" {recorded}, found {digest}); restore it, or train again"
        )


def _read_json(artifacts: RunArtifacts, name: str, folder: Path, kind: type[Any]) -> Any:
    """Read an artifact that holds a dict or a list."""
    copy = artifacts.download(name, folder)
    try:
        content = read_json(copy)
    except ValueError as error:
        content = error
    if not isinstance(content, kind):
        raise InputError(
            f"parent: {name} of run {artifacts.run_id} is damaged: expected a JSON {kind.__name__}, got"
            f" {content!s:.60}; restore it, or train again"
        )
    return content


def _check_ids(artifacts: RunArtifacts, ids: tuple[str, ...], what: str, folder: Path) -> bool:
    """Refuse ids that differ from the data's; return whether the run has them at all."""
    name = f"{what}.json"
    if not artifacts.has(name):
        return False
    stored = _read_json(artifacts, name, folder, list)
    if stored != list(ids):
        different = sum(a != b for a, b in zip(stored, ids, strict=False)) + abs(len(stored) - len(ids))
        raise InputError(
            f"parent: {name} of run {artifacts.run_id} and the data differ in {different:,} places of"
            f" {len(ids):,}; use the file and filter that it was trained on, or train again"
        )
    return True


def pin_checkpoint(parent: Parent, folder: Path) -> str:
    """Copy a parent's checkpoint, and its split, into a folder of artifacts; return the former's path there.

    Raises
    ------
    InputError
        If it is no longer there, or no longer what the item vectors were read from.
    """
    client = MlflowClient()
    artifacts = artifacts_of(client, client.get_run(parent.run_id))
    copy = artifacts.download(CHECKPOINT, folder / "parent")
    if file_digest(copy) != parent.checkpoint_sha256:
        raise InputError(f"pin: {CHECKPOINT} of run {parent.run_id} changed while it was read; try again")
    if parent.split is not None:
        artifacts.download(SPLIT, copy.parent)
    return copy.relative_to(folder).as_posix()
