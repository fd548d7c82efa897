"""A small run that holds the vectors of another model, as the parent of the groups drawn from them."""

import logging
from pathlib import Path

from elsa_groups.base.digests import folder_digests
from elsa_groups.base.errors import InputError
from elsa_groups.base.files import write_json
from elsa_groups.base.stages import stage
from elsa_groups.base.temporary import temporary_folder
from elsa_groups.base.threads import available_threads
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.vector_files import check_vector_file, copy_vectors
from elsa_groups.model.given import ITEMS, USERS, GivenVectors, load_given
from elsa_groups.record.code import find_code
from elsa_groups.record.schema import environment_record, vectors_lineage
from elsa_groups.settings.commands import GenerateSettings, VectorSettings
from elsa_groups.settings.plain import as_params
from elsa_groups.similarity.names import SimilaritySource
from elsa_groups.tracking.parent import VECTORS, Parent
from elsa_groups.tracking.parent_search import NEWEST, check_parent
from elsa_groups.tracking.run import DATASET, KIND, tracked_run
from elsa_groups.tracking.vectors_parent import (
    FILES_DIGEST,
    download_vectors,
    files_digest,
    find_vectors,
    vectors_parent,
)

log = logging.getLogger("elsa_groups.cli")


def check_parent_of(settings: GenerateSettings) -> None:
    """Refuse a parent, or files of vectors, that are not there, before data are loaded."""
    if not takes_vectors(settings):
        check_parent(settings.parent)
        return
    check_parent(settings.parent, VECTORS)
    for setting, place in _places(settings.vectors):
        if not _is_artifact(place):
            check_vector_file(Path(place).expanduser(), setting)


def takes_vectors(settings: GenerateSettings) -> bool:
    """Return whether users are compared by vectors that are given."""
    return settings.similarity.source == SimilaritySource.vectors


def find_vectors_parent(settings: GenerateSettings, interactions: Interactions) -> Parent:
    """Return the run that holds the vectors that settings name; it is made if there is none.

    Parameters
    ----------
    settings : GenerateSettings
        What is asked for: files, or a run that holds them, or both.
    interactions : Interactions
        The data.

    Raises
    ------
    InputError
        If the vectors are not those of the data's users and items, or the run holds others.
    """
    asked, reference = settings.vectors, settings.parent
    if asked.given is not None:
        with temporary_folder() as folder, stage("vectors", "users") as done:
            _fetch(asked, folder)
            given = load_given(folder, interactions)
            done.count = len(given.users.rows)
            found = find_vectors(interactions, given.files) if reference == NEWEST else reference
            reference = found or _log_vectors(asked, interactions, given, folder)
    parent = vectors_parent(reference, interactions)
    if asked.given is not None and parent.files != given.files:
        raise InputError(f"parent: run {reference} holds other vectors than those given; leave one out")
    _say(parent, interactions)
    return parent


def _say(parent: Parent, interactions: Interactions) -> None:
    """Say who is left out, and what cannot be measured."""
    if parent.given is not None and parent.given.n_without_history:
        log.info("%d of %d users have no vector", parent.given.n_without_history, interactions.n_users)
    if not parent.encoder.shape[1]:
        log.info("vectors.items: none are given, so that recommendation overlap is left out")


def _places(asked: VectorSettings) -> list[tuple[str, str]]:
    """Return settings that name vectors, and what they name."""
    named = (
        ("vectors.path", asked.path),
        ("vectors.artifact", asked.artifact),
        ("vectors.items", asked.items),
    )
    return [(setting, place) for setting, place in named if place is not None]


def _is_artifact(place: str) -> bool:
    return place.startswith(("runs:/", "models:/"))


def _fetch(asked: VectorSettings, folder: Path) -> None:
    """Copy the files into a folder, under the names that a run has them by."""
    with temporary_folder() as fetched:
        for setting, place in _places(asked):
            stem = ITEMS if setting == "vectors.items" else USERS
            path = Path(place).expanduser()
            if _is_artifact(place):
                path = download_vectors(place, fetched / stem, setting)
            copy_vectors(check_vector_file(path, setting), folder, stem)


def _log_vectors(asked: VectorSettings, interactions: Interactions, given: GivenVectors, folder: Path) -> str:
    """Log the files in a folder, with the ids of the data, to a run of their own; return its id."""
    users = given.users
    # The run that `mlflow run` launched is kept for the groups.
    with tracked_run(f"vectors of {interactions.dataset}", adopt=False) as run:
        tags = {KIND: VECTORS, DATASET: interactions.dataset, FILES_DIGEST: files_digest(given.files)}
        run.set_tags(tags)
        told = {"model": VECTORS, "dataset": interactions.dataset, "items": interactions.n_items}
        told |= {"factors": users.vectors.shape[1], "users": len(users.rows)}
        run.log_params(told | as_params({"vectors": asked}))
        run.log_data(interactions, "vectors")
        write_json(folder / "users.json", interactions.user_ids)
        write_json(folder / "items.json", interactions.item_ids)
        lineage = vectors_lineage(
            run_id=run.run_id,
            interactions=interactions,
            settings=asked,
            artifacts=folder_digests(folder),
            environment=environment_record(find_code(), device="cpu", threads=available_threads()),
        )
        run.describe(
            f"Vectors of {len(users.rows):,} of {interactions.n_users:,} users of {interactions.dataset}, of"
            f" {users.vectors.shape[1]} dimensions. Groups are drawn from them into runs below this one."
        )
        run.log_recorded(folder, lineage)
    return run.run_id
