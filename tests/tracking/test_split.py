"""Whom a parent was trained on."""

import json

import numpy as np
import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.data.split import Split
from elsa_groups.tracking.artifacts import artifacts_of
from elsa_groups.tracking.split import follow_users, read_split


@pytest.fixture
def stored(client, tmp_path):
    """Read the split of a run that logged a content as split.json."""

    def read(content, n_users=4):
        run = client.create_run("0")
        if content is not None:
            client.log_text(run.info.run_id, json.dumps(content), "split.json")
        return read_split(artifacts_of(client, run), n_users)

    return read


def test_rows_are_read_back_ascending(stored):
    split = stored({"train": [3, 0], "val": [], "test": [1, 2]})
    assert [part.tolist() for part in (split.train, split.val, split.test)] == [[0, 3], [], [1, 2]]
    assert split.val.dtype == np.int64


def test_a_run_without_one_has_none(stored):
    assert stored(None) is None


@pytest.mark.parametrize(
    "content",
    [
        [0, 1, 2, 3],
        {"train": [0, 1], "test": [2, 3]},
        {"train": [0, 1], "val": ["x"], "test": [2, 3]},
        {"train": [0, 1], "val": [2], "test": [2, 3]},
        {"train": [0, 1], "val": [], "test": [2]},
        {"train": [0, 1], "val": [], "test": [2, 4]},
    ],
)
def test_what_does_not_hold_every_user_once_is_an_error(stored, content):
    with pytest.raises(InputError, match=r"parent: split.json of run \w+: expected"):
        stored(content)


def test_parts_follow_their_users_to_other_rows():
    split = Split(train=np.array([0, 3]), val=np.array([1]), test=np.array([2]))
    moved = follow_users(split, ("a", "b", "c", "d"), ("c", "d", "new", "a"))
    assert [part.tolist() for part in (moved.train, moved.val, moved.test)] == [[1, 3], [], [0]]
