"""Whom an ELSA run was trained, validated and tested on."""

import numpy as np

from elsa_groups.base.errors import InputError
from elsa_groups.base.files import read_json
from elsa_groups.base.temporary import temporary_folder
from elsa_groups.data.split import Split
from elsa_groups.tracking.artifacts import RunArtifacts

SPLIT = "split.json"
_PARTS = ("train", "val", "test")


def read_split(artifacts: RunArtifacts, n_users: int, *, path: str = SPLIT) -> Split | None:
    """Return the rows of each part of the users.

    Parameters
    ----------
    artifacts : RunArtifacts
        Of the run.
    n_users : int
        Users that it knew.
    path : str
        Where the split is among them.

    Returns
    -------
    Split or None
        None where there is no such file.

    Raises
    ------
    InputError
        If it does not hold each of the users once.
    """
    if not artifacts.has(path):
        return None
    what = f"parent: {path} of run {artifacts.run_id}"
    with temporary_folder() as folder:
        copy = artifacts.download(path, folder)
        try:
            stored = read_json(copy)
            parts = {part: np.sort(np.array(stored[part], np.int64).reshape(-1)) for part in _PARTS}
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{what}: expected rows of {', '.join(_PARTS)}, got {error!r}") from error
    rows = np.concatenate(list(parts.values()))
    if not np.array_equal(np.sort(rows), np.arange(n_users)):
        raise InputError(
            f"{what}: expected each of {n_users:,} users in one part, got {len(rows):,} rows of"
            f" {len(np.unique(rows)):,} users; restore it, or train again"
        )
    return Split(**parts)


def follow_users(split: Split, before: tuple[str, ...], now: tuple[str, ...]) -> Split:
    """Return a split of users who have other rows now; who is gone, or new, is in no part.

    Parameters
    ----------
    split : Split
        By the rows of ``before``.
    before, now : tuple of str
        Ids in row order.
    """
    row_of = {user: row for row, user in enumerate(now)}
    rows = np.array([row_of.get(user, -1) for user in before], np.int64)
    parts = {part: rows[getattr(split, part)] for part in _PARTS}
    return Split(**{part: np.sort(moved[moved >= 0]) for part, moved in parts.items()})
