"""Groups that a reader can judge."""

from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_array

from elsa_groups.data.interactions import Interactions, Source
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.groups.groups import Accounting, Groups
from elsa_groups.model.embeddings import Embeddings, embed_users
from elsa_groups.report.examples import (
    GROUPS_SHOWN,
    ITEMS_SHOWN,
    MEMBERS_SHOWN,
    MemberHistories,
    first_groups,
)
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.vector_users import VectorUsers

from ..one_by_one import measure_quality

# Users 0 to 3 have directions; user 4, between them in the file, has none: places differ from rows.
HISTORIES = [[0, 1, 2], [0, 1, 3], [6], [1, 2, 4, 5], [2, 3]]
# Lengths tell nothing: item 4 points as item 0 does.
ENCODER = np.array([[1, 0], [2, 2], [0, 3], [1, 1], [9, 0], [1, 0.1], [0, 0]], np.float32)


def histories(names=True):
    matrix = np.zeros((5, 7), np.float32)
    for user, items in enumerate(HISTORIES):
        matrix[user, items] = 1
    data = Interactions(
        "D", csr_array(matrix), tuple("abcde"), tuple(f"item-{i}" for i in range(7)),
        tuple(f"Name {i}" for i in range(7)) if names else None, Source("x", "0" * 64), 1, 1,
    )  # fmt: skip
    return MemberHistories(data, embed_users(data.matrix, ENCODER, threads=1), ENCODER)


def family(sizes, within=Rule.similar, across=Rule.divergent):
    return Family("kind", (tuple(sizes),), within, across, Linkage.mean, 1)


def groups_of(members, sizes):
    members = np.array(members)
    ones = np.ones(len(members), np.int64)
    return Groups("kind", members, tuple(sizes), Accounting(ones, ones, ones))


def test_characteristic_items_point_where_the_user_does():
    # Place 2 is user 3: 2,2 + 0,3 + 9,0 + 1,0.1 = 12,5.1. Cosines with it: item 5 (10,1) 0.96, item 4 (1,0)
    # 0.92, item 1 (1,1) 0.93, item 2 (0,1) 0.39.
    assert histories().characteristic(2).tolist() == [5, 1, 4, 2]


def test_equal_items_are_told_in_column_order():
    # Place 1 is user 1: 1,0 + 2,2 + 1,1: items 1 and 3 have one direction.
    assert histories().characteristic(1).tolist() == [1, 3, 0]


def test_common_items_come_with_the_fewest_users_first():
    # Items 0 and 1 are in both; item 0 has two users, item 1 three.
    assert histories().shared(np.array([0, 1])).tolist() == [0, 1]
    assert histories().shared(np.array([0, 1, 2])).tolist() == [1]
    assert histories().shared(np.array([1, 2, 3])).tolist() == []


def test_an_example_names_its_members_by_the_rows_of_the_file():
    (example,) = first_groups(
        groups_of([[3, 2, 0]], (2, 1)), family((2, 1)), histories(),
        VectorUsers(histories().embeddings.vectors), Limits(0.9, 0.1),
    )  # fmt: skip
    assert [(m.position, m.subgroup, m.user_id, m.n_items) for m in example.members] == [
        (0, 0, "e", 2),
        (1, 0, "d", 4),
        (2, 1, "a", 3),
    ]
    assert example.members[1].characteristic == ("Name 5", "Name 1", "Name 4", "Name 2")
    assert [(part.subgroup, part.count, part.names) for part in example.shared] == [
        (None, 1, ("Name 2",)),
        (0, 1, ("Name 2",)),
    ]


def test_items_without_names_go_by_their_ids():
    (example,) = first_groups(
        groups_of([[0, 1]], (2,)), family((2,)), histories(False),
        VectorUsers(histories().embeddings.vectors), Limits(0, 0),
    )  # fmt: skip
    assert example.shared[0].names == ("item-0", "item-1")


def test_the_first_groups_are_shown_and_of_large_ones_the_first_members():
    rng = np.random.default_rng(0)
    matrix = csr_array((rng.random((20, 30)) < 0.9).astype(np.float32))
    data = Interactions(
        "D", matrix, tuple(map(str, range(20))), tuple(map(str, range(30))), None, Source("x", "0" * 64), 1, 1
    )
    encoder = rng.random((30, 4)).astype(np.float32)
    members = np.array([rng.permutation(20)[:15] for _ in range(9)])
    embeddings = embed_users(matrix, encoder)
    examples = first_groups(
        groups_of(members, (15,)), family((15,)), MemberHistories(data, embeddings, encoder),
        VectorUsers(embeddings.vectors), Limits(0.9, 0.1),
    )  # fmt: skip
    assert [example.number for example in examples] == list(range(GROUPS_SHOWN))
    for example, group in zip(examples, members, strict=False):
        assert example.size == 15
        assert [m.user_id for m in example.members] == [str(u) for u in group[:MEMBERS_SHOWN]]
        assert [len(row) for row in example.pairs] == list(range(MEMBERS_SHOWN))
        assert all(len(m.characteristic) == ITEMS_SHOWN for m in example.members)
        # All fifteen count, shown or not.
        assert example.shared[0].count == (matrix.toarray()[group] > 0).all(axis=0).sum()


@pytest.mark.parametrize(("within", "across"), list(product(Rule, Rule)))
def test_pairs_are_judged_as_quality_counts_them(within, across, unit_rows, similarity_matrix):
    rng = np.random.default_rng(3)
    vectors = unit_rows(rng.normal(size=(12, 3)))
    exact = similarity_matrix(vectors)
    # A pair that lies on a threshold is on its right side.
    limits = {"similar": float(exact[0, 1]), "divergent": float(exact[0, 2])}
    limits["band"] = tuple(sorted(exact[5, 6:8].tolist()))
    members = np.array([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
    data = Interactions(
        "D", csr_array(np.ones((12, 1), np.float32)), tuple("abcdefghijkl"), ("i",), None,
        Source("x", "0" * 64), 1, 1,
    )  # fmt: skip
    users = MemberHistories(data, Embeddings(vectors, np.arange(12), 0), np.ones((1, 3), np.float32))
    examples = first_groups(
        groups_of(members, (3, 2)),
        family((3, 2), within, across),
        users,
        VectorUsers(vectors),
        Limits(**limits),
    )
    counted = measure_quality(vectors, members, (3, 2), within=within, across=across, **limits)

    for example, group, wrong in zip(examples, members, counted.wrong_pairs, strict=True):
        pairs = [pair for row in example.pairs for pair in row]
        assert sum(pair.right is False for pair in pairs) == wrong
        for i, row in enumerate(example.pairs):
            for j, pair in enumerate(row):
                rule = within if (i < 3) == (j < 3) else across
                assert pair.similarity == exact[group[i], group[j]]
                assert (pair.right is None) == (rule == Rule.any)
