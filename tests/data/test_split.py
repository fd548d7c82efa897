import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.data.split import check_split, hold_out, least_users, split_users


def histories(sizes: list[int], n_items: int = 50) -> csr_array:
    rng = np.random.default_rng(1)
    dense = np.zeros((len(sizes), n_items), dtype=np.float32)
    for row, size in enumerate(sizes):
        dense[row, rng.choice(n_items, size, replace=False)] = 1
    return csr_array(dense)


def test_parts_are_all_users_once() -> None:
    split = split_users(1000, val_ratio=0.1, test_ratio=0.25, seed=7)
    assert (len(split.train), len(split.val), len(split.test)) == (650, 100, 250)
    assert np.array_equal(np.sort(np.concatenate([split.train, split.val, split.test])), np.arange(1000))
    for part in (split.train, split.val, split.test):
        assert part.dtype == np.int64
        assert np.all(np.diff(part) > 0)


def test_split_depends_on_the_seed_alone() -> None:
    first, again, other = (split_users(200, val_ratio=0.1, test_ratio=0.1, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)


def test_a_small_ratio_gives_one_user_and_none_gives_none() -> None:
    split = split_users(10, val_ratio=0.001, test_ratio=0.0, seed=0)
    assert (len(split.train), len(split.val), len(split.test)) == (9, 1, 0)


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (0.1, 0.9)])
def test_nobody_left_to_train_is_an_error(val: float, test: float) -> None:
    with pytest.raises(InputError, match="expected to leave users for training"):
        split_users(10, val_ratio=val, test_ratio=test, seed=0)


@pytest.mark.parametrize(
    ("val", "test", "least"), [(0.1, 0.1, 3), (0, 0, 1), (0.1, 0, 2), (0.25, 0.25, 3), (0.5, 0.4, 8)]
)
def test_least_users_leave_some_for_training_and_so_do_more(val: float, test: float, least: int) -> None:
    assert least_users(val, test) == least
    for n_users in range(least, least + 50):
        assert len(split_users(n_users, val_ratio=val, test_ratio=test, seed=0).train) > 0
    if least > 1:
        with pytest.raises(InputError, match=f"leaves at least {least} users"):
            split_users(least - 1, val_ratio=val, test_ratio=test, seed=0)


def test_no_number_of_users_is_enough_for_all_in_val_and_test() -> None:
    assert least_users(0.5, 0.5) is None
    with pytest.raises(InputError, match=r"got 10 users; lower the ratios$"):
        check_split(10, val_ratio=0.5, test_ratio=0.5)


@pytest.mark.parametrize("n_users", [0, 1, 2])
def test_too_few_users_for_three_parts_are_told_how_many_are_needed(n_users: int) -> None:
    with pytest.raises(InputError, match=r"got \d users; use data or a filter that leaves at least 3 users$"):
        check_split(n_users, val_ratio=0.1, test_ratio=0.1)
    check_split(3, val_ratio=0.1, test_ratio=0.1)


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.1, float("nan")])
def test_training_needs_users_in_each_part(ratio: float) -> None:
    with pytest.raises(InputError, match=r"val_ratio: expected a share of users in .0, 1., as training"):
        check_split(10, val_ratio=ratio, test_ratio=0.1)


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_ratio_out_of_range_is_an_error(ratio: float) -> None:
    with pytest.raises(InputError, match="test_ratio: expected a share of users in"):
        split_users(10, val_ratio=0.1, test_ratio=ratio, seed=0)


def test_hold_out_parts_make_up_the_rows() -> None:
    sizes = [0, 1, 2, 3, 5, 7, 8, 10, 50]
    matrix = histories(sizes)
    inputs, targets = hold_out(matrix, range(len(sizes)), target_ratio=0.2, seed=3)
    assert np.array_equal((inputs + targets).toarray(), matrix.toarray())
    assert np.diff(targets.indptr).tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 10]
    assert inputs.dtype == targets.dtype == np.float32


def test_one_item_always_stays() -> None:
    inputs, targets = hold_out(histories([2, 3, 10]), [0, 1, 2], target_ratio=0.99, seed=0)
    assert np.diff(inputs.indptr).tolist() == [1, 1, 1]
    assert np.diff(targets.indptr).tolist() == [1, 2, 9]


def test_a_row_does_not_depend_on_the_others() -> None:
    matrix = histories([20] * 30)
    _, everyone = hold_out(matrix, np.arange(30), seed=5)
    _, some = hold_out(matrix, [17, 4], seed=5)
    assert np.array_equal(some.toarray(), everyone.toarray()[[17, 4]])


ZERO_OR_ONE = st.sampled_from([0, 1])


@given(
    dense=arrays(
        np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=st.sampled_from([0, 1])
    ),
    ratio=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**64 - 1),
    data=st.data(),
)
def test_parts_are_disjoint_make_up_each_history_and_know_no_other_user(dense, ratio, seed, data) -> None:
    row = data.draw(st.integers(0, len(dense) - 1))
    others = data.draw(arrays(np.float32, dense.shape, elements=ZERO_OR_ONE))
    others[row] = dense[row]
    everyone = np.arange(len(dense))
    inputs, targets = (
        part.toarray() for part in hold_out(csr_array(dense), everyone, target_ratio=ratio, seed=seed)
    )
    assert np.array_equal(inputs + targets, dense)
    assert not (inputs * targets).any()
    # Python rounds a half to the even number too.
    sizes = [int(size) for size in dense.sum(axis=1)]
    expected = [min(max(round(ratio * size), 1), size - 1) if size > 1 else 0 for size in sizes]
    assert targets.sum(axis=1).tolist() == expected
    _, elsewhere = hold_out(csr_array(others), everyone, target_ratio=ratio, seed=seed)
    assert np.array_equal(elsewhere.toarray()[row], targets[row])


def test_rows_and_seeds_draw_differently() -> None:
    matrix = csr_array(np.ones((2, 40), dtype=np.float32))
    drawn = [hold_out(matrix, [0, 1], seed=seed)[1].toarray() for seed in (1, 2)]
    assert not np.array_equal(drawn[0][0], drawn[0][1])
    assert not np.array_equal(drawn[0], drawn[1])


def test_every_item_is_hidden_equally_often() -> None:
    matrix = csr_array(np.ones((5000, 20), dtype=np.float32))
    _, targets = hold_out(matrix, np.arange(5000), target_ratio=0.2, seed=11)
    # binomial(5000, 0.2): standard deviation 28; five of them on either side
    assert np.abs(targets.sum(axis=0) - 1000).max() < 141


def test_no_rows_give_empty_parts() -> None:
    inputs, targets = hold_out(histories([3, 4]), [], seed=0)
    assert inputs.shape == targets.shape == (0, 50)


@pytest.mark.parametrize("ratio", [0.0, 1.0, float("nan")])
def test_share_out_of_range_is_an_error(ratio: float) -> None:
    with pytest.raises(InputError, match="target_ratio: expected a share of items in"):
        hold_out(histories([3]), [0], target_ratio=ratio, seed=0)
