"""Halves of the users, and groups of users as active."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsa_groups.measures.baselines import match_activity
from elsa_groups.measures.jackknife import random_halves, where_smallest


def test_halves_are_half_of_the_users_without_replacement():
    halves = list(random_halves(11, 40, seed=3))
    assert [len(half) for half in halves] == [5] * 40
    assert all((np.diff(half) > 0).all() and half[0] >= 0 and half[-1] < 11 for half in halves)
    assert len({half.tobytes() for half in halves}) > 35


def test_every_user_and_every_pair_is_in_as_many_halves():
    n = 4_000
    taken = np.zeros((n, 8))
    for row, half in zip(taken, random_halves(8, n, seed=0), strict=True):
        row[half] = 1
    pairs = (taken.T @ taken / n)[np.triu_indices(8, 1)]
    # Four standard errors: shares of 1/2, and 3/14 of pairs.
    assert taken.mean(axis=0) == pytest.approx(0.5, abs=4 * 0.5 / n**0.5)
    assert pairs == pytest.approx(3 / 14, abs=4 * 0.41 / n**0.5)


def test_more_halves_change_none_and_another_seed_all():
    few, many, other = (list(random_halves(20, n, seed=seed)) for n, seed in ((3, 1), (5, 1), (3, 2)))
    assert all((a == b).all() for a, b in zip(few, many[:3], strict=True))
    assert not any((a == b).all() for a, b in zip(few, other, strict=True))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.data())
def test_the_smallest_words_are_those_that_a_stable_sort_has_first(words, data):
    count, words = data.draw(st.integers(0, len(words))), np.array(words, np.uint64)
    assert where_smallest(words, count).tolist() == sorted(np.argsort(words, kind="stable")[:count].tolist())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(0, 40))
def test_matched_groups_have_members_of_the_same_tenths_and_nobody_twice(seed, size, more_users):
    rng = np.random.default_rng(seed)
    n_users = size + more_users
    activity = rng.integers(5, 30, n_users)
    members = np.array([rng.permutation(n_users)[:size] for _ in range(3)])
    matched = match_activity(members, activity, seed=seed, key="any_3", n_groups=7)
    assert matched.shape == (7, size)
    assert all(len(set(group)) == size for group in matched.tolist())
    n_classes = max(1, min(10, n_users // size))
    edges = [n_users * c // n_classes for c in range(n_classes + 1)]
    order = sorted(range(n_users), key=lambda user: (activity[user], user))
    class_of = {user: c for c in range(n_classes) for user in order[edges[c] : edges[c + 1]]}
    for g, group in enumerate(matched.tolist()):
        assert [class_of[u] for u in group] == [class_of[u] for u in members[g % 3].tolist()]


def test_matched_members_are_uniform_in_their_class():
    activity = np.repeat([5, 50], 10)
    # Two in a group: ten classes of two users.
    matched = match_activity(np.array([[0, 19]]), activity, seed=0, key="any_2", n_groups=4_000)
    for column, users in ((0, (0, 1)), (1, (18, 19))):
        counts = np.bincount(matched[:, column], minlength=20)
        assert counts.sum() == counts[list(users)].sum()
        assert counts[users[0]] == pytest.approx(2_000, abs=4 * 1_000**0.5)


def test_matched_groups_follow_from_seed_and_key_alone():
    activity, members = np.arange(100), np.arange(30).reshape(10, 3)
    one, more, other = (
        match_activity(members, activity, seed=1, key=key, n_groups=n)
        for key, n in (("a_3", 10), ("a_3", 20), ("b_3", 10))
    )
    np.testing.assert_array_equal(one, more[:10])
    assert (one != other).any()
