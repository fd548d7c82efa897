"""Groups in the file formats of others: worked by hand, read back, and the same bytes again."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.commands.export.folders import write_agree, write_groupim, write_grouprec
from elsa_groups.commands.export.group_histories import (
    group_histories,
    known_histories,
    split_export_users,
    split_groups,
)
from elsa_groups.commands.export.plain import Exported, write_notebook, write_sagea
from elsa_groups.data.split import hold_out

WRITERS = (write_notebook, write_sagea, write_agree, write_groupim, write_grouprec)


def ones(rows: list[list[int]]) -> csr_array:
    return csr_array(np.array(rows, np.float32))


# Nobody's training history has item 0. Items of all members, of groups in order: training [4], [], [1]; held
# out besides [1], [], [].
SMALL = Exported(
    dataset="Demo",
    user_set="val",
    user_ids=("ann", "bob", "cyd,", "dä"),
    item_ids=("a", "b", "c", "d", "e"),
    train=ones([[0, 1, 0, 0, 1], [0, 0, 1, 0, 1], [0, 1, 0, 1, 0], [0, 1, 1, 0, 0]]),
    test=ones([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]),
    groups={"similar_2": np.array([[1, 0], [2, 1]]), "opposing_2_1": np.array([[2, 0, 3]])},
    min_members=None,
    seed=1,
)


@pytest.fixture(scope="module")
def large() -> Exported:
    """Two hundred users in two camps, most of whose groups have items in common."""
    rng = np.random.default_rng(0)
    camps = np.arange(200) % 2
    cells = rng.random((200, 160)) < np.where(camps[:, None] == np.arange(160) % 2, 0.4, 0.05)
    train, test = hold_out(ones(cells.tolist()), np.arange(200), seed=3)
    groups = {
        key: np.array([rng.choice(200, sum(sizes), replace=False) for _ in range(60)])
        for key, sizes in {"random_3": (3,), "opposing_1_1": (1, 1)}.items()
    }
    return Exported(
        "Demo",
        "all",
        tuple(f"u{row:03}" for row in range(200)),
        tuple(f"i{column:03}" for column in range(160)),
        train,
        test,
        groups,
        2,
        9,
    )


def lines_of(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    assert not text or text.endswith("\n")
    return text.splitlines()


def pairs_of(path: Path) -> list[tuple[int, int]]:
    return [(int(left), int(right)) for left, right in (line.split(",") for line in lines_of(path)[1:])]


def ids_of(path: Path) -> list[str]:
    """Original ids, by their integers."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert [int(row[0]) for row in rows] == list(range(len(rows)))
    return [row[1] for row in rows]


def test_the_notebooks_arrays_are_read_back(tmp_path):
    assert write_notebook(tmp_path, SMALL) == {"group_types": 2, "groups": 3}
    for key, members in SMALL.groups.items():
        again = np.load(tmp_path / "groups" / f"{key}.npy", allow_pickle=False)
        assert again.dtype == np.int64
        np.testing.assert_array_equal(again, members)
    assert (tmp_path / "users.json").read_text(encoding="utf-8") == '["ann", "bob", "cyd,", "dä"]\n'


def test_sageas_arrays_are_of_ids_under_its_names(tmp_path):
    write_sagea(tmp_path, SMALL)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.npy"))
    assert names == ["Demo/valid/opposing_2_1_valid.npy", "Demo/valid/similar_2_valid.npy"]
    similar = np.load(tmp_path / "Demo/valid/similar_2_valid.npy", allow_pickle=False)
    assert similar.dtype.kind == "U"
    assert similar.tolist() == [["bob", "ann"], ["cyd,", "bob"]]


def test_sageas_checkpoint_loads_as_its_code_does_in_its_order_of_items(tmp_path):
    vectors = np.arange(10, dtype=np.float32).reshape(5, 2)
    write_sagea(tmp_path, Exported(**{**vars(SMALL), "encoder": vectors}))
    # ann has a b e, bob b c e, and cyd is the first to have d.
    assert json.loads((tmp_path / "items.json").read_text()) == ["a", "b", "e", "c", "d"]
    model = torch.nn.ParameterDict({"encoder": torch.zeros(5, 2)})
    optimizer = torch.optim.Adam(model.parameters())
    checkpoint = torch.load(tmp_path / "checkpoint.ckpt", weights_only=True)
    model.load_state_dict(checkpoint["model_state_dict"])
    optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
    assert model["encoder"].tolist() == vectors[[0, 1, 4, 2, 3]].tolist()
    assert "seed 42" in (tmp_path / "README.txt").read_text()


def test_agrees_folder_is_as_worked_by_hand(tmp_path):
    counts = write_agree(tmp_path, SMALL)

    # Items b c d e are 0 1 2 3; the group without common items is left out.
    assert lines_of(tmp_path / "groupMember.txt") == ["0 1,0", "1 2,0,3"]
    assert lines_of(tmp_path / "userRatingTrain.txt") == [
        "0 0 1", "0 3 1", "1 1 1", "1 3 1", "2 0 1", "2 2 1", "3 0 1", "3 1 1",
    ]  # fmt: skip
    assert lines_of(tmp_path / "userRatingTest.txt") == ["1 0 1", "2 3 1"]
    assert lines_of(tmp_path / "userRatingNegative.txt") == ["(1,0) 2", "(2,3) 1"]
    assert lines_of(tmp_path / "groupRatingTrain.txt") == ["0 3 1", "1 0 1"]
    assert lines_of(tmp_path / "groupRatingTest.txt") == ["0 0 1"]
    assert lines_of(tmp_path / "groupRatingNegative.txt") == ["(0,0) 2"]
    assert lines_of(tmp_path / "groups.csv") == ["group,key,number", "0,similar_2,0", "1,opposing_2_1,0"]
    assert ids_of(tmp_path / "users.csv") == ["ann", "bob", "cyd,", "dä"]
    assert ids_of(tmp_path / "items.csv") == ["b", "c", "d", "e"]
    assert counts == {
        "groups": 2, "groups_left_out": 1, "left_out_similar_2": 1, "left_out_opposing_2_1": 0,
        "group_train": 2, "group_test": 1, "user_train": 8, "user_test": 2,
        "user_test_left_out": 1,
    }  # fmt: skip


def test_grouprecs_folder_is_as_worked_by_hand(tmp_path):
    write_grouprec(tmp_path, SMALL)
    assert pairs_of(tmp_path / "test.csv") == [(1, 0), (2, 3)]
    assert pairs_of(tmp_path / "train.csv") == [
        (0, 0), (0, 3), (1, 1), (1, 3), (2, 0), (2, 2), (3, 0), (3, 1),
    ]  # fmt: skip
    assert np.load(tmp_path / "groups" / "opposing_2_1.npy").tolist() == [[2, 0, 3]]


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_groups_are_the_same_bytes(large, tmp_path, write):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, large)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert files
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_agrees_groups_and_histories_are_read_back(large, tmp_path):
    write_agree(tmp_path, large)
    items = ids_of(tmp_path / "items.csv")
    groups = [line.split(",")[1:] for line in lines_of(tmp_path / "groups.csv")[1:]]
    members = {}
    for line, (key, number) in zip(lines_of(tmp_path / "groupMember.txt"), groups, strict=True):
        group, users = line.split()
        members[int(group)] = [int(user) for user in users.split(",")]
        assert members[int(group)] == large.groups[key][int(number)].tolist()
    assert list(members) == list(range(len(members)))

    def histories(name: str) -> list[set[str]]:
        found: list[set[str]] = [set() for _ in large.user_ids]
        for user, item, one in (line.split() for line in lines_of(tmp_path / f"userRating{name}.txt")):
            assert one == "1"
            found[int(user)].add(items[int(item)])
        return found

    train, test = histories("Train"), histories("Test")
    for part, found in ((large.train, train), (large.test, test)):
        assert found == [{large.item_ids[i] for i in part[[u]].indices} for u in range(200)]
    # By sets, in which a group has an item if two of its members have it.
    for name, kinds in (("Train", (train,)), ("Test", (train, test))):
        for line in lines_of(tmp_path / f"groupRating{name}.txt"):
            group, item, _ = line.split()
            having = [u for u in members[int(group)] if any(items[int(item)] in kind[u] for kind in kinds)]
            assert len(having) >= 2
            in_training = [u for u in members[int(group)] if items[int(item)] in train[u]]
            assert (len(in_training) >= 2) == (name == "Train")


@pytest.mark.parametrize("who", ["user", "group"])
def test_negatives_stand_beside_their_test_line_and_are_nobodys(large, tmp_path, who):
    write_agree(tmp_path, large)
    items = ids_of(tmp_path / "items.csv")
    whole = (large.train + large.test).toarray() > 0
    owners = {str(user): [user] for user in range(200)}
    if who == "group":
        owners = {
            group: [int(user) for user in users.split(",")]
            for group, users in map(str.split, lines_of(tmp_path / "groupMember.txt"))
        }
    tests = lines_of(tmp_path / f"{who}RatingTest.txt")
    least = 100
    negatives = lines_of(tmp_path / f"{who}RatingNegative.txt")
    assert tests
    for test, line in zip(tests, negatives, strict=True):
        owner, item, _ = test.split()
        named, *drawn = line.split()
        assert named == f"({owner},{item})"
        known = {large.item_ids[i] for i in np.flatnonzero(whole[owners[owner]].any(axis=0))}
        assert len(set(drawn)) == len(drawn)
        assert not known & {items[int(n)] for n in drawn}
        least = min(least, len(items) - len(known))
    # As many in each line, as ConsRec's array needs: those of the line that has fewest to draw from.
    assert {len(line.split()) - 1 for line in negatives} == {least}
    assert (least < 100) == (who == "group")


def test_a_line_without_negatives_refuses_the_format(tmp_path):
    full = ones([[1, 1, 0], [0, 1, 1]])
    everything = Exported(
        "Demo", "all", ("a", "b"), ("x", "y", "z"), full, ones([[0, 0, 1], [0, 0, 0]]),
        {"random_2": np.array([[0, 1]])}, None, 0,
    )  # fmt: skip
    with pytest.raises(
        InputError, match=r"agree: expected items .* for userRatingNegative.txt, got a line with"
    ):
        write_agree(tmp_path, everything)


def test_a_user_without_held_out_items_is_a_training_user(large):
    bare = np.arange(0, 200, 3)
    test = large.test.toarray()
    test[bare] = 0
    split = split_export_users(Exported(**{**vars(large), "test": csr_array(test)}))
    assert set(bare.tolist()) <= set(split.train.tolist())
    assert len(split.val) > 0
    assert len(split.test) > 0


def test_groupim_finds_ids_part_by_part_as_its_loader_counts_them(large, tmp_path):
    counts = write_groupim(tmp_path, large)
    members: dict[int, list[int]] = {}
    for group, user in pairs_of(tmp_path / "group_users.csv"):
        members.setdefault(group, []).append(user)
    assert list(members) == list(range(counts["groups"]))
    start = 0
    for name in ("train", "val", "test"):
        found = sorted({group for group, _ in pairs_of(tmp_path / f"{name}_gi.csv")})
        assert found == list(range(start, start + len(found)))
        start += len(found)
    assert start == counts["groups"]

    train = pairs_of(tmp_path / "train_ui.csv")
    n_items, n_train = max(item for _, item in train) + 1, max(user for user, _ in train) + 1
    assert n_items == len(ids_of(tmp_path / "items.csv"))
    assert {user for user, _ in train} == set(range(n_train))
    seen = n_train
    for name in ("val", "test"):
        folded, held = (pairs_of(tmp_path / f"{name}_ui_{end}.csv") for end in ("tr", "te"))
        users = sorted({user for user, _ in folded})
        assert users == list(range(seen, seen + len(users)))
        # Of a user without held-out items GroupIM's nDCG is NaN.
        assert {user for user, _ in held} == set(users)
        assert not set(folded) & set(held)
        assert max(item for _, item in folded + held) < n_items
        seen += len(users)
    assert seen == 200


def test_groupims_groups_are_read_back(large, tmp_path):
    write_groupim(tmp_path, large)
    users = ids_of(tmp_path / "users.csv")
    assert sorted(users) == list(large.user_ids)
    members: dict[int, list[str]] = {}
    for group, user in pairs_of(tmp_path / "group_users.csv"):
        members.setdefault(group, []).append(users[user])
    for line in lines_of(tmp_path / "groups.csv")[1:]:
        group, key, number = line.split(",")
        expected = [large.user_ids[row] for row in large.groups[key][int(number)]]
        assert members[int(group)] == expected


def test_groups_of_each_key_are_split_without_one_in_two_parts(large):
    groups = group_histories(large, known_histories(large, np.arange(200)))
    parts = split_groups(groups, seed=9)
    everyone = np.concatenate([*parts.values()])
    assert len(set(everyone.tolist())) == len(everyone)
    for key in large.groups:
        shares = {name: int((groups.keys[rows] == key).sum()) for name, rows in parts.items()}
        # Of 60, less those without an item in their part.
        assert shares["train"] <= 42
        assert 0 < shares["val"] <= 6
        assert 0 < shares["test"] <= 12
    # Another key beside it changes no group's part.
    alone = Exported(**{**vars(large), "groups": {"opposing_1_1": large.groups["opposing_1_1"]}})
    few = group_histories(alone, known_histories(alone, np.arange(200)))
    numbers = {name: few.numbers[rows].tolist() for name, rows in split_groups(few, seed=9).items()}
    for name, rows in parts.items():
        assert groups.numbers[rows[groups.keys[rows] == "opposing_1_1"]].tolist() == numbers[name]


def test_a_user_whose_items_no_training_user_has_becomes_one():
    n = 10
    alone = Exported(
        "Demo", "all", tuple("abcdefghij"), tuple("abcdefghij"), csr_array(np.eye(n, dtype=np.float32)),
        csr_array((n, n), dtype=np.float32), {"random_2": np.array([[0, 1]])}, None, 0,
    )  # fmt: skip
    split = split_export_users(alone)
    assert split.train.tolist() == list(range(n))
    assert len(split.val) == len(split.test) == 0


def test_no_groups_with_items_leave_empty_files(tmp_path):
    none = Exported(**{**vars(SMALL), "groups": {"similar_2": np.array([[2, 1]])}})
    for write in (write_agree, write_groupim):
        folder = tmp_path / write.__name__
        folder.mkdir()
        assert write(folder, none)["groups_left_out"] == 1
    assert lines_of(tmp_path / "write_agree" / "groupRatingNegative.txt") == []
    assert lines_of(tmp_path / "write_groupim" / "group_users.csv") == ["group,user"]
