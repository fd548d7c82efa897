"""Groups with histories in the folders of AGREE and ConsRec, GroupIM and grouprec: contiguous integer ids.

Each of these sizes its tables by the largest id that its training files have. So ids are given to what those
files have, and what only the held-out files would have is left out and counted.
"""

import logging
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.commands.export.group_histories import (
    GroupHistories,
    group_histories,
    known_histories,
    left_out,
    split_export_users,
    split_groups,
)
from elsa_groups.commands.export.negatives import draw_negatives
from elsa_groups.commands.export.plain import Counts, Exported, write_members

log = logging.getLogger("elsa_groups.cli")

# For each held-out interaction, as AGREE and GroupIM are evaluated.
N_NEGATIVES = 100
# Lines whose negatives are drawn and written at once.
_LINES_PER_PIECE = 2**16


def write_agree(folder: Path, exported: Exported) -> Counts:
    """Write the folder that AGREE and ConsRec read.

    ``groupMember.txt`` has lines ``gid m1,m2,...``; ``groupRatingTrain.txt``, ``groupRatingTest.txt`` and the
    same of users have lines ``id item 1``; ``groupRatingNegative.txt`` and that of users have, line for line
    of the test file, ``(id,item) n1 n2 ...``. A group has the items that enough members have: for training by
    their training histories, for the test what comes to these by their held-out items. Groups without
    training items are left out. Negatives are in no history of the user, or of any member.

    Parameters
    ----------
    folder : Path
        An empty folder.
    exported : Exported
        What to write.

    Returns
    -------
    dict
        Lines written, and what was left out.

    References
    ----------
    Cao et al., "Attentive Group Recommendation", SIGIR 2018, doi 10.1145/3209978.3209998.
    Wu et al., "ConsRec", WWW 2023, doi 10.1145/3543507.3583277.
    """
    everyone = np.arange(len(exported.user_ids))
    histories = known_histories(exported, everyone)
    groups = group_histories(exported, histories)
    kept = groups.chosen(np.flatnonzero(np.diff(groups.train.indptr)))
    with (folder / "groupMember.txt").open("w", encoding="utf-8", newline="\n") as file:
        for group, members in enumerate(kept.members):
            file.write(f"{group} {','.join(map(str, members.tolist()))}\n")
    whole = histories.whole
    for name, train, test, known in (
        ("user", histories.train, histories.test, whole),
        ("group", kept.train, kept.test, kept.items_of_any(whole)),
    ):
        _write_ratings(folder / f"{name}RatingTrain.txt", train)
        _write_ratings(folder / f"{name}RatingTest.txt", test)
        _write_negatives(folder / f"{name}RatingNegative.txt", test, known, seed=exported.seed, name=name)
    _write_ids(folder, exported, everyone, histories.items)
    _write_groups(folder / "groups.csv", kept)
    return {
        "groups": len(kept),
        **left_out(groups, kept),
        "group_train": kept.train.nnz,
        "group_test": kept.test.nnz,
        "user_train": histories.train.nnz,
        "user_test": histories.test.nnz,
        "user_test_left_out": exported.test.nnz - histories.test.nnz,
    }


def write_groupim(folder: Path, exported: Exported) -> Counts:
    """Write the folder that GroupIM reads, laid out as its ``data/weeplaces``.

    Groups and users are split 0.7/0.1/0.2 into training, validation and test, groups type by type, and
    numbered part by part, as its loader wants. ``group_users.csv`` (group,user); ``train_gi.csv``
    (group,item): items that enough members have by their training histories; ``val_gi.csv``,
    ``test_gi.csv``: what comes to these by held-out items; ``train_ui.csv`` (user,item), ``val_ui_tr.csv``,
    ``test_ui_tr.csv``: training histories of the users of each part; ``val_ui_te.csv``, ``test_ui_te.csv``:
    what is held out of them.

    Parameters
    ----------
    folder : Path
        An empty folder.
    exported : Exported
        What to write.

    Returns
    -------
    dict
        Lines written, and what was left out. GroupIM cannot read a folder with an empty file.

    References
    ----------
    Sankar et al., "GroupIM", SIGIR 2020, doi 10.1145/3397271.3401116.
    """
    users = split_export_users(exported)
    histories = known_histories(exported, users.train)
    groups = group_histories(exported, histories)
    parts = split_groups(groups, seed=exported.seed)
    kept = groups.chosen(np.concatenate([*parts.values()]))
    order = np.concatenate([users.train, users.val, users.test])
    number = np.argsort(order)
    group_of, user_of = kept.memberships()
    _write_pairs(folder / "group_users.csv", ("group", "user"), group_of, number[user_of])
    files: dict[str, tuple[str, csr_array, NDArray[np.int64]]] = {}
    first = 0
    for name, part in parts.items():
        items = groups.train if name == "train" else groups.test
        files[f"{name}_gi"] = "group", items[part], np.arange(first, first + len(part))
        first += len(part)
    files["train_ui"] = "user", histories.train[users.train], number[users.train]
    for name, rows in (("val", users.val), ("test", users.test)):
        for end, held in (("tr", histories.train), ("te", histories.test)):
            files[f"{name}_ui_{end}"] = "user", held[rows], number[rows]
    for name, (who, pairs, numbers) in files.items():
        rows, columns = pairs.nonzero()
        _write_pairs(folder / f"{name}.csv", (who, "item"), numbers[rows], columns)
    _write_ids(folder, exported, order, histories.items)
    _write_groups(folder / "groups.csv", kept)
    counts = {"groups": len(kept)} | left_out(groups, kept)
    return counts | {name: pairs.nnz for name, (_, pairs, _) in files.items()}


def write_grouprec(folder: Path, exported: Exported) -> Counts:
    """Write what makes a ``Dataset``, a ``Split`` and ``Groups`` of grouprec 0.0.3, which wants integer ids.

    ``train.csv`` and ``test.csv`` (user,item), and ``groups/<key>.npy``, int64, of which each row is a group.

    Parameters
    ----------
    folder : Path
        An empty folder.
    exported : Exported
        What to write.

    Returns
    -------
    dict
        Lines and groups written, and what was left out.
    """
    everyone = np.arange(len(exported.user_ids))
    histories = known_histories(exported, everyone)
    for name, part in (("train", histories.train), ("test", histories.test)):
        _write_pairs(folder / f"{name}.csv", ("user", "item"), *part.nonzero())
    write_members(folder / "groups", exported)
    _write_ids(folder, exported, everyone, histories.items)
    return {
        "group_types": len(exported.groups),
        "groups": sum(map(len, exported.groups.values())),
        "train": histories.train.nnz,
        "test": histories.test.nnz,
        "test_left_out": exported.test.nnz - histories.test.nnz,
    }


def _write_ratings(path: Path, ratings: csr_array) -> None:
    """Write lines ``row column 1``."""
    rows, items = ratings.nonzero()
    lines = pl.DataFrame({"row": rows, "item": items, "rating": np.ones(len(rows), np.int64)})
    lines.write_csv(path, include_header=False, separator=" ")


def _write_negatives(path: Path, test: csr_array, known: csr_array, *, seed: int, name: str) -> None:
    """Write negatives of each test line: ``(row,column) n1 n2 ...``, as many in each line.

    ConsRec puts all lines into one array. So where some line has fewer than 100, all have as many as that.
    """
    rows, items = test.nonzero()
    n = _equal_number(test, known, path.name)
    with path.open("wb") as file:
        for start in range(0, len(rows), _LINES_PER_PIECE):
            piece = slice(start, start + _LINES_PER_PIECE)
            drawn = draw_negatives(known, rows[piece], items[piece], n=n, seed=seed, name=name)
            negatives = pl.from_numpy(drawn, schema=[f"n{i}" for i in range(n)])
            line = pl.format("({},{})", pl.Series(rows[piece]), pl.Series(items[piece]))
            lines = negatives.select(pl.concat_str(line, pl.all().cast(pl.String), separator=" "))
            lines.write_csv(file, include_header=False, quote_style="never")


def _equal_number(test: csr_array, known: csr_array, name: str) -> int:
    """Return how many negatives every line can have, at most 100; refuse none, and warn of fewer."""
    tested = np.diff(test.indptr) > 0
    least = int((known.shape[1] - np.diff(known.indptr)[tested]).min(initial=N_NEGATIVES))
    if least < 1:
        raise InputError(
            f"agree: expected items that are in no history for {name}, got a line with none; leave agree out"
            " of formats, or draw smaller groups"
        )
    if least < N_NEGATIVES:
        log.warning(
            "agree: %s has %d negatives a line instead of %d, as some line has no more",
            name,
            least,
            N_NEGATIVES,
        )
    return least


def _write_pairs(
    path: Path, names: tuple[str, str], left: NDArray[np.integer], right: NDArray[np.integer]
) -> None:
    """Write two columns of integers under their names."""
    pl.DataFrame(dict(zip(names, (left, right), strict=True))).write_csv(path)


def _write_ids(folder: Path, exported: Exported, users: NDArray[np.int64], items: NDArray[np.int64]) -> None:
    """Write ``users.csv`` and ``items.csv``: which integer is which of the ids, given as rows and columns."""
    for name, ids, rows in (("user", exported.user_ids, users), ("item", exported.item_ids, items)):
        texts = pl.Series([ids[row] for row in rows], dtype=pl.String)
        pl.DataFrame({name: np.arange(len(rows)), f"{name}_id": texts}).write_csv(folder / f"{name}s.csv")


def _write_groups(path: Path, groups: GroupHistories) -> None:
    """Write which integer is which group: its key, and its number, from 0, among those of the type."""
    columns = {"group": np.arange(len(groups)), "key": groups.keys.tolist(), "number": groups.numbers}
    pl.DataFrame(columns, schema_overrides={"key": pl.String}).write_csv(path)
