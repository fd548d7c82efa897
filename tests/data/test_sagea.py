"""SAGEA's split and half of the catalogue are what its code makes of the same data."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.data.sagea import items_by_first_appearance, sagea_half, split_as_sagea


@pytest.mark.parametrize("seed", [42, 7])
def test_users_are_split_by_numpy_s_global_generator(seed):
    np.random.seed(seed)  # noqa: NPY002
    p = np.random.permutation(1870)  # noqa: NPY002
    split = split_as_sagea(1870, val_ratio=0.1, test_ratio=0.15, seed=seed)
    assert split.val.tolist() == sorted(p[:187].tolist())
    assert split.test.tolist() == sorted(p[187 : 187 + 280].tolist())
    assert split.train.tolist() == sorted(p[187 + 280 :].tolist())


@pytest.mark.parametrize(
    ("n_users", "seed", "message"),
    [(9, 42, "expected users in every part, got 0 and 0 of 9"), (100, 2**32, "expected at most 4294967295")],
)
def test_what_it_could_not_split_is_refused(n_users, seed, message):
    with pytest.raises(InputError, match=message):
        split_as_sagea(n_users, val_ratio=0.1, test_ratio=0.1, seed=seed)


def test_items_are_numbered_as_users_name_them_first():
    histories = csr_array(np.array([[0, 0, 1, 0, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 1]]))
    assert items_by_first_appearance(histories).tolist() == [2, 4, 0, 1, 3]


def test_the_half_is_its_mask_over_its_order_of_items():
    histories = csr_array((np.random.default_rng(3).random((30, 50)) < 0.3).astype(np.float32))
    order = items_by_first_appearance(histories)
    np.random.seed(42)  # noqa: NPY002
    target_mask = np.random.random(50) < 0.5  # noqa: NPY002
    assert sagea_half(histories)[order].tolist() == target_mask.tolist()
    assert order.tolist() != sorted(order.tolist())
