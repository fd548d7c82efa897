"""Groups as plain files: the notebook's rows of users, and SAGEA's user ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.files import write_array, write_json, write_text
from elsa_groups.data.sagea import items_by_first_appearance

Counts = dict[str, int]

# What SAGEA's code calls the sets of users.
_SAGEA_SETS = {"all": "full", "val": "valid"}

_SAGEA_README = """Groups for SAGEA's code (github.com/kostejnv/GRS-fairness).

checkpoint.ckpt has the parent's item vectors in the order of items.json, which is the order of
items in SAGEA: as they first appear, users and the items of each user sorted. It fits if SAGEA
reads the same data with the same filter. Its scripts look for it as an artifact of an MLflow run
with the params model, dataset, items and factors.

SAGEA splits users by a permutation of its own (numpy, its --seed, 42 unless told another). If the
parent was trained with split=sagea and that seed, on data filtered as SAGEA filters them, the test
users here are its test users. If not, most of them are training users there: then compare models
that were trained on the split of these groups.

SAGEA's filter counts common items in half of the catalogue, always the same: a mask of seed 42 over
its order of items. Its evaluation takes as targets the half by the mask of its own --seed, which is
the same half if that is 42. The filter here (filters.min_common_items.scope=half) draws another half
by the seed of the run; scope=sagea takes that of SAGEA's filter.
"""


@dataclass(frozen=True, eq=False)
class Exported:
    """What is exported of a groups run.

    Attributes
    ----------
    dataset, user_set : str
        Names of the data, and of the set of users that groups were drawn from.
    user_ids, item_ids : tuple of str
        Ids in row and column order.
    train, test : csr_array, shape (n_users, n_items)
        Histories without what is held out of them, and that: disjoint, column indices sorted in each row.
    groups : mapping of str to (n_groups, size) int64
        Members of each type, as rows of the histories, in the order of the keys.
    min_members : int or None
        How many members must have an item for it to be the group's; None: all.
    seed : int
        Seed of splits and negatives.
    encoder : (n_items, factors) float32, optional
        Item vectors of the parent, in column order.
    """

    dataset: str
    user_set: str
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    train: csr_array
    test: csr_array
    groups: Mapping[str, NDArray[np.int64]]
    min_members: int | None
    seed: int
    encoder: NDArray[np.float32] | None = None


def write_notebook(folder: Path, exported: Exported) -> Counts:
    """Write the notebook's files, as a groups run has them: ``groups/<key>.npy``, rows of ``users.json``.

    Parameters
    ----------
    folder : Path
        An empty folder.
    exported : Exported
        What to write.

    Returns
    -------
    dict
        Number of files and of groups.
    """
    write_members(folder / "groups", exported)
    write_json(folder / "users.json", exported.user_ids)
    return _counts(exported)


def write_members(folder: Path, exported: Exported) -> None:
    """Write members of each type as ``<key>.npy``, int64 rows of the users, to a new folder."""
    folder.mkdir()
    for key, members in exported.groups.items():
        write_array(folder / f"{key}.npy", members)


def write_sagea(folder: Path, exported: Exported) -> Counts:
    """Write SAGEA's layout: ``<dataset>/<user_set>/<family>_<sizes>_<user_set>.npy`` of user ids.

    Its code (kostejnv/GRS-fairness) names a similar group by its size, ``similar_3``, and an opposing one by
    the sizes of its subgroups, ``opposing_2_1``: so does a key, which is why sizes are joined by underscores
    for every type. Sets of users have its names: full, train, valid, test.

    Parameters
    ----------
    folder : Path
        An empty folder.
    exported : Exported
        What to write.

    Returns
    -------
    dict
        Number of files and of groups.

    Notes
    -----
    Beside them lie a README.txt and, if the parent is known, ``checkpoint.ckpt`` in SAGEA's order of items.
    Arrays are fixed-width unicode, without pickle: four bytes for each letter of the longest id.
    """
    user_set = _SAGEA_SETS.get(exported.user_set, exported.user_set)
    place = folder / exported.dataset / user_set
    place.mkdir(parents=True)
    ids = np.array(exported.user_ids, np.str_)
    for key, members in exported.groups.items():
        write_array(place / f"{key}_{user_set}.npy", ids[members])
    write_text(folder / "README.txt", _SAGEA_README)
    if exported.encoder is not None:
        _write_sagea_checkpoint(folder, exported, exported.encoder)
    return _counts(exported)


def _write_sagea_checkpoint(folder: Path, exported: Exported, encoder: NDArray[np.float32]) -> None:
    """Write item vectors in SAGEA's order, with the keys that its loader reads, and the items in that order.

    SAGEA numbers items as they first appear, users and the items of each sorted; a checkpoint in sorted
    order loads there as well, and scores items by the vectors of others.
    """
    order = items_by_first_appearance(csr_array(exported.train + exported.test))
    vectors = torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(encoder[order])))
    state = {
        "model_state_dict": {"encoder": vectors.detach()},
        "optimizer_state_dict": torch.optim.Adam([vectors]).state_dict(),
    }
    torch.save(state, folder / "checkpoint.ckpt")
    write_json(folder / "items.json", [exported.item_ids[column] for column in order])


def _counts(exported: Exported) -> Counts:
    return {"group_types": len(exported.groups), "groups": sum(map(len, exported.groups.values()))}
