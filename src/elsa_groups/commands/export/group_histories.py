"""What is exported for an evaluation: histories of known items, the items of groups, and their parts."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from elsa_groups.base.philox import stream_key
from elsa_groups.commands.export.negatives import split_by_draws
from elsa_groups.commands.export.plain import Exported
from elsa_groups.data.split import Split
from elsa_groups.groups.common_items import items_in_common


@dataclass(frozen=True, eq=False)
class KnownHistories:
    """Histories of the items that training knows.

    Attributes
    ----------
    items : (n_known,) int64
        Ascending columns of the data; a known item's id is its place here.
    train, test : csr_array, shape (n_users, n_known)
        Training histories, and what is held out of them; column indices sorted within each row.
    """

    items: NDArray[np.int64]
    train: csr_array
    test: csr_array

    @property
    def whole(self) -> csr_array:
        """Both parts together."""
        return _sorted(self.train + self.test)


def known_histories(exported: Exported, users: NDArray[np.int64]) -> KnownHistories:
    """Leave out the items that no training history of some users has.

    Parameters
    ----------
    exported : Exported
        Histories of all users.
    users : (n,) int64
        Whose training histories count.
    """
    items = np.unique(exported.train[users].indices).astype(np.int64)
    return KnownHistories(items, _sorted(exported.train[:, items]), _sorted(exported.test[:, items]))


@dataclass(frozen=True, eq=False)
class GroupHistories:
    """Groups of all keys, key after key, and their items.

    Attributes
    ----------
    keys : (n,) str
        Key of each group.
    numbers : (n,) int64
        Its number among those of its key.
    members : tuple of (size,) int64
        Its members, as rows of the data.
    train, test : csr_array, shape (n, n_known)
        Items that enough members have by their training histories, and those that come to these by what is
        held out.
    """

    keys: NDArray[np.str_]
    numbers: NDArray[np.int64]
    members: tuple[NDArray[np.int64], ...]
    train: csr_array
    test: csr_array

    def __len__(self) -> int:
        return len(self.members)

    def chosen(self, groups: NDArray[np.int64]) -> "GroupHistories":
        """Return some of the groups, in the order given."""
        members = tuple(self.members[group] for group in groups)
        return GroupHistories(
            self.keys[groups], self.numbers[groups], members, self.train[groups], self.test[groups]
        )

    def memberships(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return group and user of each member, group after group."""
        sizes = np.array([len(members) for members in self.members], np.int64)
        return np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.empty(0, np.int64), *self.members])

    def items_of_any(self, whole: csr_array) -> csr_array:
        """Return what is in the history of any member, shape (n, n_known)."""
        groups, users = self.memberships()
        who = csr_array((np.ones(len(users), np.float32), (groups, users)), shape=(len(self), whole.shape[0]))
        return _sorted(who @ whole)


def group_histories(exported: Exported, histories: KnownHistories) -> GroupHistories:
    """Find the items of all groups."""
    keys, groups = exported.groups.keys(), exported.groups.values()
    numbers = [np.arange(len(members)) for members in groups]

    def items(part: csr_array) -> csr_array:
        return _stacked(
            (items_in_common(part, members, exported.min_members) for members in groups), part.shape[1]
        )

    train = items(histories.train)
    return GroupHistories(
        np.repeat(np.array([*keys], np.str_), [len(members) for members in groups]),
        np.concatenate(numbers),
        tuple(row for members in groups for row in members),
        train,
        _sorted(items(histories.whole) - train),
    )


def split_groups(groups: GroupHistories, *, seed: int) -> dict[str, NDArray[np.int64]]:
    """Split the groups of each type, and leave out those that have no items in their part.

    Returns
    -------
    dict of (n,) int64
        Groups for ``train``, with training items, and for ``val`` and ``test``, with items that are held out.
    """
    parts: dict[str, list[NDArray[np.int64]]] = {"train": [], "val": [], "test": []}
    for key in dict.fromkeys(groups.keys.tolist()):
        there = np.flatnonzero(groups.keys == key)
        split = split_by_draws(len(there), key=stream_key(seed, "export", "groups", key))
        for name, drawn in parts.items():
            known = groups.train if name == "train" else groups.test
            rows = there[getattr(split, name)]
            drawn.append(rows[np.diff(known.indptr)[rows] > 0])
    return {name: np.concatenate(drawn) for name, drawn in parts.items()}


def split_export_users(exported: Exported) -> Split:
    """Split the users; one whose training or held-out items no training user has is for training.

    GroupIM would divide by the number of held-out items, 0, and keep no model, as its nDCG is NaN.
    """
    n_users = len(exported.user_ids)
    split = split_by_draws(n_users, key=stream_key(exported.seed, "export", "users"))
    known = np.zeros(exported.train.shape[1], np.float32)
    known[exported.train[split.train].indices] = 1
    # Whoever joins the training users adds items that are known, and takes none.
    judged = (exported.train @ known > 0) & (exported.test @ known > 0)
    train = np.sort(np.concatenate([split.train, np.setdiff1d(np.flatnonzero(~judged), split.train)]))
    return Split(train=train, val=split.val[judged[split.val]], test=split.test[judged[split.test]])


def left_out(groups: GroupHistories, kept: GroupHistories) -> dict[str, int]:
    """Count the groups that are left out for want of items: all, and by type."""
    by_key = {
        key: int((groups.keys == key).sum() - (kept.keys == key).sum())
        for key in dict.fromkeys(groups.keys.tolist())
    }
    return {"groups_left_out": sum(by_key.values())} | {f"left_out_{key}": n for key, n in by_key.items()}


def _stacked(pieces: Iterable[csr_array], n_items: int) -> csr_array:
    return csr_array(vstack([csr_array((0, n_items), dtype=np.float32), *pieces], format="csr"))


def _sorted(matrix: csr_array) -> csr_array:
    """Return a matrix of ones where another is not 0, in an order that does not depend on how it was made."""
    ones = csr_array(matrix)
    ones.eliminate_zeros()
    ones.sort_indices()
    ones.data = np.ones(ones.nnz, np.float32)
    return ones
