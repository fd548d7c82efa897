"""What members have in common, against sets in plain Python."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from elsa_groups.measures.tastes import Profiles, measure_tastes


@st.composite
def users_and_groups(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_users, n_items = draw(st.integers(4, 9)), draw(st.integers(20, 60))
    owned = rng.random((n_users, n_items)) < rng.random((n_users, 1))
    top = np.full((n_users, 20), -1, np.int32)
    for user in range(n_users):
        others = rng.permutation(np.flatnonzero(~owned[user]))[:20]
        top[user, : len(others)] = others
    sizes = draw(st.sampled_from([(2,), (3,), (2, 1), (1, 1), (2, 2), (1, 1, 1)]))
    members = np.array([rng.permutation(n_users)[: sum(sizes)] for _ in range(4)])
    return owned, top, members, sizes


@settings(max_examples=60, deadline=None)
@given(users_and_groups())
def test_tastes_equal_sets_in_plain_python(case):
    owned, top, members, sizes = case
    found = measure_tastes(Profiles.of(csr_array(owned.astype(np.float32)), top), members, sizes)
    histories = [set(np.flatnonzero(row).tolist()) for row in owned]
    n_users_of = owned.sum(axis=0)
    subgroup = np.repeat(np.arange(len(sizes)), sizes).tolist()

    def overlap(u, v, k):
        return len((set(top[u, :k].tolist()) & set(top[v, :k].tolist())) - {-1}) / k

    def jaccard(u, v):
        union = histories[u] | histories[v]
        return len(histories[u] & histories[v]) / len(union) if union else 0.0

    def mean(values):
        values = list(values)
        return sum(values) / len(values) if values else np.nan

    for g, group in enumerate(members.tolist()):
        pairs = list(combinations(range(len(group)), 2))
        inside = [(i, j) for i, j in pairs if subgroup[i] == subgroup[j]]
        between = [pair for pair in pairs if pair not in inside]
        expected = {
            "recommendation_overlap_at_20": mean(overlap(group[i], group[j], 20) for i, j in pairs),
            "recommendation_overlap_at_10": mean(overlap(group[i], group[j], 10) for i, j in pairs),
            "recommendation_overlap_within": mean(overlap(group[i], group[j], 20) for i, j in inside),
            "recommendation_overlap_across": mean(overlap(group[i], group[j], 20) for i, j in between),
            "jaccard": mean(jaccard(group[i], group[j]) for i, j in pairs),
            "common_items": len(set.intersection(*(histories[u] for u in group))),
            "union_items": len(set.union(*(histories[u] for u in group))),
            "activity": mean(len(histories[u]) for u in group),
            "popularity": mean(mean(n_users_of[list(histories[u])]) if histories[u] else 0 for u in group),
        }
        assert {name: values[g] for name, values in vars(found).items()} == pytest.approx(
            expected, abs=1e-12, nan_ok=True
        )


def test_tastes_worked_by_hand():
    histories = csr_array(np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1]], np.float32))
    top = np.full((3, 20), -1, np.int32)
    top[0, :1], top[1, :2], top[2, :2] = [3], [2, 3], [1, 2]
    found = measure_tastes(Profiles.of(histories, top), np.array([[0, 1, 2]]), (3,))
    # Users 0 and 1 are both recommended item 3, users 1 and 2 item 2.
    assert found.recommendation_overlap_at_20[0] == pytest.approx(2 / 60)
    assert found.recommendation_overlap_at_10[0] == pytest.approx(2 / 30)
    assert found.jaccard[0] == pytest.approx((2 / 3 + 1 / 4 + 1 / 3) / 3)
    assert (found.common_items[0], found.union_items[0]) == (1, 4)
    assert found.activity[0] == pytest.approx(7 / 3)
    # Items have 3, 2, 1, 1 users.
    assert found.popularity[0] == pytest.approx((6 / 3 + 5 / 2 + 4 / 2) / 3)


def test_top_items_of_other_users_are_refused():
    with pytest.raises(ValueError, match=r"top: expected shape \(2, 20\), got \(3, 20\)"):
        Profiles.of(csr_array(np.ones((2, 3), np.float32)), np.zeros((3, 20), np.int32))
