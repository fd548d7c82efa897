"""The artifacts of a run, wherever its store is; one that is absent is an error, never an empty folder."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from sqlalchemy.engine import make_url

from elsa_groups.base.errors import Absent, InputError
from elsa_groups.base.words import first_line, without_password
from elsa_groups.tracking.store import artifact_repository, local_path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunArtifacts:
    """The artifacts of one run.

    Attributes
    ----------
    run_id : str
        The run.
    uri : str
        Where its artifacts are; see :func:`artifacts_of`.
    tracking_uri : str
        The store that knows the run.
    """

    run_id: str
    uri: str
    tracking_uri: str

    def names(self, folder: str = "") -> list[str]:
        """Return the paths in a folder of artifacts, subfolders by their name alone; none if it is not there.

        Raises
        ------
        InputError
            If the artifacts cannot be reached.
        """
        try:
            return [item.path for item in self._repository().list_artifacts(folder or None)]
        except Exception as error:
            # Each kind of storage has a library of its own, and errors of its own.
            raise InputError(f"run {self.run_id}: {self._unreadable(error)}") from error

    def has(self, path: str) -> bool:
        """Return whether there is such a file or folder."""
        return path in self.names(path.rpartition("/")[0])

    def download(self, path: str, to: Path) -> Path:
        """Copy a file or a folder of artifacts and return its local path.

        Parameters
        ----------
        path : str
            Path of the artifact; empty for all of them.
        to : Path
            Folder that the copy goes to, under the same path.

        Raises
        ------
        Absent
            If there is no such artifact, or nothing in the folder: MLflow itself returns an empty folder
            where it finds nothing.
        InputError
            If the artifacts cannot be reached.
        """
        to.mkdir(parents=True, exist_ok=True)
        if not (self.has(path) if path else self.names()):
            raise Absent(f"run {self.run_id} has {self.absence(path)}")
        try:
            copy = Path(self._repository().download_artifacts(path, str(to)))
        except Exception as error:
            raise InputError(f"run {self.run_id}, artifact {path}: {self._unreadable(error)}") from error
        if copy.is_dir() and not any(copy.iterdir()):
            raise Absent(f"run {self.run_id} has {self.absence(path)}")
        return copy

    def absence(self, path: str) -> str:
        """Return what to tell a user who needs an artifact that is not there, in words that follow "has"."""
        text = f"no artifact {path or 'at all'} under {without_password(self.uri)}"
        folder = local_path(self.uri)
        if folder is None or folder.is_dir():
            return f"{text}; was the run cut short, or the artifact deleted? make the run again"
        return (
            f"{text}, a folder that is not here; if the store was moved, move its artifacts along (mlruns"
            " beside the database file) or back, and if they are on another machine, use its tracking server"
        )

    def outside_store(self) -> Path | None:
        """Return where the files are, if that is not in the folder of a store that is one on this machine.

        A store keeps absolute paths: a copy of it goes on reading the files beside the original.
        """
        folder, root = local_path(self.uri), _store_folder(self.tracking_uri)
        if folder is None or root is None:
            return None
        place, root = folder.resolve(), root.resolve()
        if not place.is_relative_to(root):
            return folder
        # A copy in a folder above: the files are those of the database that is nearer to them.
        between = [nearer for nearer in place.parents if nearer != root and nearer.is_relative_to(root)]
        return folder if any(path.is_file() for nearer in between for path in nearer.glob("*.db")) else None

    def _repository(self) -> Any:
        return artifact_repository(self.uri, self.tracking_uri)

    def _unreadable(self, error: Exception) -> str:
        where = without_password(self.uri)
        return f"cannot read {where}: {first_line(error)}; is its storage up, and open to you?"


def artifacts_of(client: MlflowClient, run: Run) -> RunArtifacts:
    """Return the artifacts of a run, found again where its store's folder was moved.

    Parameters
    ----------
    client : MlflowClient
        Client of the store that knows the run.
    run : Run
        The run.

    Notes
    -----
    A store keeps the absolute path of every run's artifacts. Where that folder is not there and the store
    is a local SQLite file or a folder of runs, the longest end of the path, run id included, that exists
    beside the file, or in the folder, is taken instead.
    """
    run_id, uri, store = run.info.run_id, run.info.artifact_uri, client.tracking_uri
    folder = local_path(uri)
    if folder is not None and not folder.is_dir():
        moved = _beside_store(folder, run_id, store)
        if moved is not None:
            log.info("run %s: its artifacts are in %s, no longer in %s", run_id, moved, folder)
            uri = moved.as_uri()
    return RunArtifacts(run_id, uri, store)


def _beside_store(folder: Path, run_id: str, tracking_uri: str) -> Path | None:
    """Return the folder near the store that ends like the given one does, if there is one."""
    root = _store_folder(tracking_uri)
    if root is None:
        return None
    parts = folder.parts
    # Without the run's id, any folder called artifacts would do.
    ends = [parts[first:] for first in range(1, len(parts)) if run_id in parts[first:]]
    return next((found for end in ends if (found := root.resolve().joinpath(*end)).is_dir()), None)


def _store_folder(tracking_uri: str) -> Path | None:
    """Return the folder of a SQLite file, or of runs; None where the store is no file."""
    if tracking_uri.startswith("sqlite"):
        return Path(make_url(tracking_uri).database or "").parent
    return local_path(tracking_uri)
