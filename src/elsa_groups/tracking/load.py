"""Groups back from their run: found by what they belong to, and read with every digest checked."""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from alembic.util import CommandError
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError
from elsa_groups.base.files import read_json
from elsa_groups.base.temporary import temporary_folder
from elsa_groups.base.words import first_line, without_password
from elsa_groups.groups.groups import ByType
from elsa_groups.record.group_files import CheckedFiles, UserGroups, read_type, wanted_types
from elsa_groups.record.schema import LINEAGE, Document, check_lineage, groups_digest
from elsa_groups.tracking.artifacts import RunArtifacts, artifacts_of
from elsa_groups.tracking.run import (
    DATASET,
    DIGEST_LENGTH,
    KIND,
    PARENT,
    RECORD,
    WRITTEN,
)
from elsa_groups.tracking.search import existing_run, runs_newest_first, why_incomplete, with_tags
from elsa_groups.tracking.witness import Contradiction, find_contradictions

if TYPE_CHECKING:
    from mlflow.data.meta_dataset import MetaDataset

log = logging.getLogger(__name__)

_EXPECTED = "the id of a groups run, as elsa_groups.find_groups() lists them"


@dataclass(frozen=True, eq=False)
class GroupsRun(ByType[UserGroups]):
    """The groups of a run, by type.

    Attributes
    ----------
    run_id : str
        The run.
    lineage : dict
        Its lineage record.
    """

    run_id: str
    lineage: Document = field(repr=False)
    _groups: dict[str, UserGroups] = field(repr=False)

    @property
    def parent_run_id(self) -> str:
        """The ELSA run that the groups were drawn from."""
        return str(self.lineage["parent"]["run_id"])

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return str(self.lineage["data"]["dataset"])

    @property
    def thresholds(self) -> dict[str, Any]:
        """What was asked of the thresholds, and what they came to: ``similar`` and ``divergent``."""
        return dict(self.lineage["thresholds"])

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting that the groups were drawn with."""
        return dict(self.lineage["settings"])

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of types, members and the users they name: equal when the groups are."""
        return groups_digest(self.lineage)

    def as_mlflow_dataset(self) -> "MetaDataset":
        """Return the groups as a dataset for :func:`mlflow.log_input`, by which other runs name them.

        Its name is the dataset's with `` groups`` behind, its digest the beginning of :attr:`digest`, and its
        source the run's folder of groups.
        """
        # Takes a second to import, and only who logs groups as a dataset needs it.
        from mlflow.data.dataset_source_registry import get_dataset_source_from_json
        from mlflow.data.meta_dataset import MetaDataset

        source = get_dataset_source_from_json(json.dumps({"uri": f"runs:/{self.run_id}/groups"}), "local")
        name, digest = f"{self.dataset} groups", self.digest[:DIGEST_LENGTH]
        return MetaDataset(source, name=name, digest=digest)  # type: ignore[abstract]


@dataclass(frozen=True)
class FoundGroups:
    """A complete groups run.

    Attributes
    ----------
    run_id, name, dataset, parent_run_id : str
        Which run, of which data and ELSA run.
    started : datetime
        When it began, in UTC.
    """

    run_id: str
    name: str
    dataset: str
    parent_run_id: str
    started: datetime


def load_groups_run(
    run_id: str,
    *,
    keys: Iterable[str] | None = None,
    tracking_uri: str | None = None,
    check_store: bool = True,
) -> GroupsRun:
    """Return the groups of a run, each file's bytes checked against the run's lineage.

    Parameters
    ----------
    run_id : str
        The groups run. Its parent need not be there any more.
    keys : iterable of str, optional
        Which types to load; by default all.
    tracking_uri : str, optional
        MLflow's store; by default the one that MLflow uses.
    check_store : bool
        Whether tags, params and metrics in the store must agree with the record.

    Returns
    -------
    GroupsRun
        Groups by type, in the order they were drawn.

    Raises
    ------
    InputError
        If the run is not there, is not a complete groups run, has no such key, or a file of it is not what
        its lineage recorded, or what the store itself says of the run contradicts the record.
    """
    record = open_record(run_id, tracking_uri=tracking_uri)
    if check_store:
        record.check_store()
    with temporary_folder() as folder:
        files = RecordedFiles(record.artifacts, folder, record.lineage)
        wanted = wanted_types(keys, record.lineage, f"run {run_id}")
        return GroupsRun(run_id, files.lineage, {key: read_type(key, files) for key in wanted})


@dataclass(frozen=True)
class Record:
    """A complete groups run, its files not looked at but for its lineage.

    Attributes
    ----------
    run_id, experiment_id, name : str
        Which run.
    lineage : dict
        Its lineage record.
    artifacts : RunArtifacts
        Its files.
    contradictions : tuple of Contradiction
        Where the store's own tags, params and metrics do not agree with the record.
    is_witnessed : bool
        Whether the store has a digest of the whole record; older runs have none.
    """

    run_id: str
    experiment_id: str
    name: str
    lineage: Document
    artifacts: RunArtifacts
    contradictions: tuple[Contradiction, ...] = ()
    is_witnessed: bool = True

    def say_what_is_not_checked(self) -> None:
        """Warn of a record that the store has no digest of."""
        if not self.is_witnessed:
            log.warning(
                "run %s is from before MLflow was told the digest of the record: who changes ids and %s"
                " together is not found out",
                self.run_id,
                LINEAGE,
            )

    def check_store(self) -> None:
        """Refuse a record that the store contradicts: one of them was changed after the run.

        Raises
        ------
        InputError
            Naming what they say differently.
        """
        self.say_what_is_not_checked()
        if self.contradictions:
            first, more = self.contradictions[0], len(self.contradictions) - 1
            others = f", and {more} more differ" if more else ""
            raise InputError(
                f"groups: the record of run {self.run_id} is not what was logged: {first.text()}{others};"
                f" restore {LINEAGE} and its files, or read them all the same with check_store=false"
            )


def open_record(run_id: str, *, tracking_uri: str | None = None) -> Record:
    """Return the record of a groups run.

    Raises
    ------
    InputError
        If the run is not there, or is not a complete groups run.
    """
    with _open_store(tracking_uri) as client, temporary_folder() as folder:
        run = existing_run(client, run_id, what="groups", expected=_EXPECTED)
        _check_kind(run)
        artifacts = artifacts_of(client, run)
        if reason := why_incomplete(client, run, artifacts):
            raise InputError(f"groups: run {run_id} {reason}")
        lineage = _read_lineage(artifacts, folder)
    if elsewhere := artifacts.outside_store():
        log.warning("run %s: its files are in %s, which is not in the store's folder", run_id, elsewhere)
    title = run.info.run_name or run_id
    contradictions = find_contradictions(run, lineage)
    witnessed = RECORD in run.data.tags
    return Record(run_id, run.info.experiment_id, title, lineage, artifacts, contradictions, witnessed)


def parent_run(record: Record) -> Run:
    """Return the run that recorded groups were drawn from.

    Raises
    ------
    Absent
        If it is not there, or deleted.
    InputError
        If the store does not answer.
    """
    expected = "the parent that the groups were drawn from; its store may be another one"
    run_id = record.lineage["parent"]["run_id"]
    return existing_run(MlflowClient(), run_id, what="parent", expected=expected)


def find_groups(
    *, dataset: str | None = None, parent: str | None = None, tracking_uri: str | None = None
) -> list[FoundGroups]:
    """Return the complete groups runs of all active experiments, newest first.

    Parameters
    ----------
    dataset : str, optional
        Only those of this dataset.
    parent : str, optional
        Only those of the ELSA run with this id.
    tracking_uri : str, optional
        MLflow's store; by default the one that MLflow uses.

    Raises
    ------
    InputError
        If the store cannot be used.
    """
    wanted = {KIND: "groups", DATASET: dataset, PARENT: parent}
    if odd := [value for value in wanted.values() if value and "'" in value]:
        raise InputError(f"find_groups: expected a name or a run id without quotes, got {odd[0]}")
    condition = f"{with_tags(wanted)} and attributes.status = 'FINISHED'"
    with _open_store(tracking_uri) as client:
        runs = runs_newest_first(client, condition)
        return [_found(run) for run in runs if _is_complete(client, run)]


def _is_complete(client: MlflowClient, run: Run) -> bool:
    try:
        return why_incomplete(client, run) is None
    except InputError as error:
        # The storage of one run must not hide the others.
        log.warning("find_groups: skipping run %s: %s", run.info.run_id, error)
        return False


@dataclass(frozen=True)
class RecordedFiles(CheckedFiles):
    """Files of a run, as its lineage recorded them."""

    artifacts: RunArtifacts
    folder: Path
    lineage: Document

    def read(self, path: str) -> Path:
        """Return a local copy of a file whose bytes are those of the record."""
        local = self.artifacts.download(path, self.folder)
        self.check(path, self.lineage["artifacts"].get(path), file_digest(local))
        return local

    def refusal(self, text: str) -> InputError:
        """Return the error that a file is not the one that was logged."""
        return InputError(
            f"{text}; the file in run {self.artifacts.run_id} is not the one that was logged: restore it, or"
            " draw the groups again"
        )


@contextmanager
def _open_store(tracking_uri: str | None) -> Iterator[MlflowClient]:
    """Yield a client; what MLflow says of a store that cannot be used becomes an error to read."""
    try:
        yield MlflowClient(tracking_uri)
    except (MlflowException, SQLAlchemyError, CommandError, ImportError) as error:
        store = f"tracking store {without_password(tracking_uri or mlflow.get_tracking_uri())}"
        reason = first_line(error)
        raise InputError(f"{store}: {reason}; give tracking_uri, or set MLFLOW_TRACKING_URI") from error


def _check_kind(run: Run) -> None:
    kind, run_id = run.data.tags.get(KIND), run.info.run_id
    if kind == "groups":
        return
    hint = f"; expected {_EXPECTED}"
    if kind == "elsa":
        hint = f"; elsa_groups.find_groups(parent={run_id!r}) lists the groups drawn from it"
    elif written := run.data.tags.get(WRITTEN):
        hint = f"; it launched run {written}: give that one"
    raise InputError(f"groups: run {run_id} holds no groups (tag {KIND} is {kind}){hint}")


def _read_lineage(artifacts: RunArtifacts, folder: Path) -> Document:
    what = f"groups: run {artifacts.run_id}"
    path = artifacts.download(LINEAGE, folder)
    try:
        lineage: Document = read_json(path)
    except ValueError as error:
        raise InputError(f"{what}: {LINEAGE}: expected JSON, got {error}; draw the groups again") from error
    try:
        check_lineage(lineage)
    except ValueError as error:
        raise InputError(f"{what}: {error}; read it with the elsa-groups that wrote it") from error
    for name, expected in (("kind", "groups"), ("run_id", artifacts.run_id)):
        if lineage[name] != expected:
            raise InputError(
                f"{what}: {LINEAGE}: expected {name} {expected}, got {lineage[name]}; it is another run's"
            )
    return lineage


def _found(run: Run) -> FoundGroups:
    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    tags = run.data.tags
    return FoundGroups(
        run.info.run_id, run.info.run_name or "", tags.get(DATASET, ""), tags.get(PARENT, ""), started
    )
