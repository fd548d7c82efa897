"""Runs that hold the vectors of another model, which groups are drawn from instead of an ELSA run."""

import hashlib
import json
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import Absent, InputError, InputsMissing
from elsa_groups.base.files import read_json
from elsa_groups.base.temporary import temporary_folder
from elsa_groups.base.words import first_line
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.vector_files import IDS
from elsa_groups.model.given import FILES, GivenVectors, load_given
from elsa_groups.record.schema import LINEAGE, Document, check_lineage
from elsa_groups.tracking.artifacts import RunArtifacts, artifacts_of
from elsa_groups.tracking.load import Record, parent_run
from elsa_groups.tracking.parent import VECTORS, Parent, check_logged
from elsa_groups.tracking.parent_search import named_run
from elsa_groups.tracking.run import DATASET, DIGEST_LENGTH, KIND
from elsa_groups.tracking.search import (
    data_digests,
    existing_run,
    runs_newest_first,
    why_incomplete,
    with_tags,
)

# Tag by which a run is found again: what its files are.
FILES_DIGEST = "elsa_groups.vectors"


def files_digest(files: dict[str, str]) -> str:
    """Return the SHA-256 of the names and digests of files (64 hex digits)."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def download_vectors(uri: str, folder: Path, setting: str) -> Path:
    """Copy a file of vectors from MLflow's artifacts, and that of its ids, if it has one; return its path.

    Parameters
    ----------
    uri : str
        ``runs:/ID/PATH``, ``models:/NAME/VERSION/PATH``, ``models:/NAME@ALIAS/PATH`` or
        ``models:/m-ID/PATH``.
    folder : Path
        Where to.
    setting : str
        What it was given as, for messages.

    Raises
    ------
    InputError
        If there is no such artifact, or it cannot be reached.
    """
    client = MlflowClient()
    kind, _, rest = uri.partition(":/")
    name, _, path = rest.partition("/")
    if kind == "runs":
        run = existing_run(client, name, what=setting, expected="an artifact as runs:/ID/PATH")
        artifacts = artifacts_of(client, run)
        copy = artifacts.download(path, folder)
        ids = str(Path(path).with_suffix(IDS))
        if copy.suffix.lower() == ".npy" and artifacts.has(ids):
            artifacts.download(ids, folder)
        return copy
    try:
        if name.startswith("m-"):
            uri = f"{client.get_logged_model(name).artifact_location}/{path}"
        copy = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
        if copy.suffix.lower() == ".npy":
            ids = f"{uri.removesuffix(copy.suffix)}{IDS}"
            mlflow.artifacts.download_artifacts(artifact_uri=ids, dst_path=str(folder))
    except (MlflowException, OSError) as error:
        raise InputError(
            f"{setting}: no artifact {uri} ({first_line(error)}); expected models:/NAME/VERSION/PATH,"
            " models:/NAME@ALIAS/PATH or models:/m-ID/PATH"
        ) from error
    return copy


def find_vectors(interactions: Interactions, files: dict[str, str]) -> str | None:
    """Return the newest complete run that holds these files for exactly these data, if there is one."""
    client = MlflowClient()
    tags = {KIND: VECTORS, DATASET: interactions.dataset, FILES_DIGEST: files_digest(files)}
    for run in runs_newest_first(client, with_tags(tags)):
        if interactions.digest[:DIGEST_LENGTH] in data_digests(run) and why_incomplete(client, run) is None:
            return str(run.info.run_id)
    return None


def vectors_parent(reference: str, interactions: Interactions) -> Parent:
    """Return a run that holds vectors, its files checked against its record and the data.

    Raises
    ------
    InputError
        If it is none, holds vectors for other data, or a file is not the one that was logged.
    """
    run = named_run(reference, VECTORS)
    artifacts = artifacts_of(MlflowClient(), run)
    with temporary_folder() as folder:
        lineage = _read_lineage(artifacts, folder)
        if lineage["data"]["digest"] != interactions.digest:
            raise InputError(
                f"parent: run {run.info.run_id} holds vectors for data with digest"
                f" {lineage['data']['digest'][:DIGEST_LENGTH]}, and these have"
                f" {interactions.digest[:DIGEST_LENGTH]}; use the same file and filter, or give the vectors"
                " again"
            )
        recorded = lineage["artifacts"]
        check_logged(run, lineage)
        _download(artifacts, recorded, folder)
        for name in [name for name in FILES if name in recorded]:
            if file_digest(folder / name) != recorded[name]:
                raise InputError(
                    f"parent: {name} of run {run.info.run_id} is not the one that was logged; restore it, or"
                    " give the vectors again"
                )
        given = load_given(folder, interactions)
    return _parent_of(run, given)


def recorded_vectors(record: Record, interactions: Interactions) -> Parent:
    """Load the vectors that recorded groups were drawn from, whatever has become of the files.

    Raises
    ------
    InputsMissing
        If they are gone, or can no longer be read for these data.
    """
    recorded: dict[str, str] = record.lineage["parent"].get("files", {})
    with temporary_folder() as folder:
        try:
            run = parent_run(record)
            _download(artifacts_of(MlflowClient(), run), recorded, folder)
            given = load_given(folder, interactions)
        except Absent as error:
            raise InputsMissing(str(error)) from error
        except InputError as error:
            reason = f"vectors of run {record.lineage['parent']['run_id']} cannot be used: {error}"
            raise InputsMissing(f"parent: {reason}") from error
    return _parent_of(run, given)


def _read_lineage(artifacts: RunArtifacts, folder: Path) -> Document:
    copy = artifacts.download(LINEAGE, folder)
    try:
        lineage = check_lineage(read_json(copy))
        if lineage["kind"] != VECTORS:
            raise ValueError(f"{LINEAGE}: expected kind {VECTORS}, got {lineage['kind']}")
    except ValueError as error:
        raise InputError(f"parent: run {artifacts.run_id}: {error}; restore it") from error
    return lineage


def _download(artifacts: RunArtifacts, recorded: dict[str, str], folder: Path) -> None:
    """Copy the files of vectors among those recorded; no other name is followed."""
    for name in [name for name in FILES if name in recorded]:
        artifacts.download(name, folder)


def _parent_of(run: Run, given: GivenVectors) -> Parent:
    return Parent(
        run.info.run_id,
        run.info.experiment_id,
        run.info.run_name or run.info.run_id,
        None,
        given.items,
        next(iter(given.files.values())),
        "items.json",
        has_users=True,
        given=given.users,
        files=given.files,
    )
