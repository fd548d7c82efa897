"""Which users groups are drawn from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsa_groups.base.errors import InputError
from elsa_groups.base.philox import block, stream_key
from elsa_groups.data.split import Split
from elsa_groups.data.user_sets import UserSet
from elsa_groups.groups.chosen_users import rows_of_ids, rows_of_set, sample_rows

SPLIT = Split(train=np.array([0, 2, 3, 6]), val=np.array([5]), test=np.array([1, 4]))


def test_sets_are_those_of_the_split_and_all_needs_none():
    sets = [rows_of_set(part, 7, SPLIT).tolist() for part in (UserSet.train, UserSet.val, UserSet.test)]
    assert sets == [[0, 2, 3, 6], [5], [1, 4]]
    assert rows_of_set(UserSet.all, 7, None).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_part_without_a_split_is_an_error_that_says_what_to_do():
    with pytest.raises(InputError, match=r"user_set test: expected a parent with .* use all users"):
        rows_of_set(UserSet.test, 7, None)


@pytest.mark.parametrize("text", ["b\nd\n", "d\r\nb\r\n", "\n\nd\nb\nb", "\ufeffb\nd"])
def test_ids_are_found_whatever_ends_their_lines(text):
    assert rows_of_ids(text.encode(), ("a", "b", "c", "d")).tolist() == [1, 3]


def test_white_space_belongs_to_an_id():
    assert rows_of_ids(b" b\n", ("a", " b", "b")).tolist() == [1]


def test_unknown_ids_are_counted_and_some_are_named():
    with pytest.raises(InputError, match=r"got 4 of 6 .*'x', 'y', 'z' and others"):
        rows_of_ids(b"a\nx\ny\nb\nz\nw", ("a", "b"))


def test_a_list_that_is_no_text_is_an_error():
    with pytest.raises(InputError, match="expected UTF-8 text"):
        rows_of_ids(b"\xff\xfe", ("a",))


def draw_of(row: int, seed: int) -> int:
    low, high, *_ = block(0, row, 0, stream_key(seed, "user_sample"))
    return int(low) << 32 | int(high)


@given(
    rows=st.sets(st.integers(0, 10**6), min_size=1, max_size=30),
    seed=st.integers(0, 2**63 - 1),
    data=st.data(),
)
def test_a_sample_holds_the_rows_of_the_smallest_draws(rows, seed, data):
    n = data.draw(st.integers(1, len(rows)))
    expected = sorted(sorted(rows, key=lambda row: draw_of(row, seed))[:n])
    assert sample_rows(np.array(sorted(rows)), n, seed=seed).tolist() == expected


def test_every_row_is_sampled_as_often():
    rows = np.arange(20)
    counts = np.bincount(np.concatenate([sample_rows(rows, 5, seed=seed) for seed in range(4000)]))
    # binomial(4000, 0.25): standard deviation 27; five of them on either side
    assert np.abs(counts - 1000).max() < 137


def test_more_than_there_are_cannot_be_sampled():
    with pytest.raises(InputError, match="user_sample: expected at most the 3 users there are, got 4"):
        sample_rows(np.arange(3), 4, seed=1)
