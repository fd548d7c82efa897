"""Quality of groups, against numbers worked by hand and all pairs in plain Python."""

from itertools import combinations
from math import comb, isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsa_groups.groups.family import Rule
from elsa_groups.measures import overlap as quality
from elsa_groups.measures.overlap import measure_overlap

from ..one_by_one import measure_quality

# Directions at 0, 60, 120 and 180 degrees; angles of 60, 120 and 180 are similarities 0.75, 0.25 and 0.
ANGLES = np.deg2rad([0.0, 60.0, 120.0, 180.0])
FAN = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)


def measure(members, sizes, within=Rule.any, across=Rule.any, similar=0.7, divergent=0.3, vectors=FAN):
    return measure_quality(
        vectors,
        np.array(members, np.int64),
        sizes,
        within=within,
        across=across,
        similar=similar,
        divergent=divergent,
        band=(0.3, 0.8),
    )


def test_similarity_is_the_mean_over_all_pairs():
    # Pairs 0-60, 60-120, 0-120: (0.75 + 0.75 + 0.25) / 3. The tolerance is that of float32 unit rows.
    assert measure([[0, 1, 2]], (3,)).similarity == pytest.approx([1.75 / 3], abs=1e-7)


def test_within_pools_pairs_inside_subgroups_and_across_those_between():
    # Subgroups {0, 60, 120} and {180}: inside 0.75, 0.25, 0.75; between 0, 0.25, 0.75.
    found = measure([[0, 1, 2, 3]], (3, 1))
    assert found.within == pytest.approx([1.75 / 3], abs=1e-7)
    assert found.across == pytest.approx([1.0 / 3], abs=1e-7)
    assert found.similarity == pytest.approx([2.75 / 6], abs=1e-7)


def test_within_weighs_pairs_not_subgroups():
    # Three pairs of the first subgroup and one of the second: 0.75 + 0.75 + 0.25 + 1.
    vectors = FAN[[0, 1, 2, 3, 3]]
    assert measure([[0, 1, 2, 3, 4]], (3, 2), vectors=vectors).within == pytest.approx([2.75 / 4], abs=1e-7)


def test_across_is_undefined_for_one_subgroup_and_within_for_single_members():
    assert isnan(measure([[0, 1]], (2,)).across[0])
    assert isnan(measure([[0, 1]], (1, 1)).within[0])
    assert measure([[0, 1]], (1, 1)).across == pytest.approx([0.75], abs=1e-7)


@pytest.mark.parametrize(
    ("within", "across", "wrong"),
    [
        (Rule.any, Rule.any, 0),
        (Rule.similar, Rule.any, 1),  # 0-120 is below 0.7
        (Rule.divergent, Rule.any, 2),  # 0-60 and 60-120 are above 0.3
        (Rule.any, Rule.divergent, 1),  # 120-180 is above 0.3
        (Rule.any, Rule.similar, 2),  # 0-180 and 60-180 are below 0.7
        (Rule.similar, Rule.divergent, 2),
        (Rule.band, Rule.any, 1),  # 0-120 is below 0.3
        (Rule.any, Rule.band, 2),  # 0-180 and 60-180 are below 0.3
    ],
)
def test_wrong_pairs_are_judged_by_the_rule_of_their_side(within, across, wrong):
    assert measure([[0, 1, 2, 3]], (3, 1), within, across).wrong_pairs.tolist() == [wrong]


@pytest.mark.parametrize("rule", [Rule.similar, Rule.divergent])
def test_a_pair_exactly_on_the_threshold_is_not_wrong(rule):
    value = measure([[0, 1]], (2,)).similarity[0]
    assert measure([[0, 1]], (2,), rule, similar=value, divergent=value).wrong_pairs.tolist() == [0]
    above, below = np.nextafter(value, 1.0), np.nextafter(value, 0.0)
    assert measure([[0, 1]], (2,), rule, similar=above, divergent=below).wrong_pairs.tolist() == [1]


compositions = st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda sizes: sum(sizes) > 1)


@settings(max_examples=60, deadline=None)
@given(compositions, st.sampled_from(list(Rule)), st.sampled_from(list(Rule)), st.integers(0, 2**32 - 1))
def test_quality_equals_a_plain_loop_over_pairs(unit_rows, similarity_matrix, sizes, within, across, seed):
    rng = np.random.default_rng(seed)
    vectors = unit_rows(rng.standard_normal((12, 5)))
    members = np.stack([rng.permutation(12)[: sum(sizes)] for _ in range(4)])
    found = measure(members, tuple(sizes), within, across, 0.6, 0.4, vectors)
    matrix = similarity_matrix(vectors)
    subgroup = [s for s, size in enumerate(sizes) for _ in range(size)]

    def is_wrong(value, rule):
        if rule == Rule.band:
            return value < 0.3 or value > 0.8
        return (rule == Rule.similar and value < 0.6) or (rule == Rule.divergent and value > 0.4)

    for g, group in enumerate(members.tolist()):
        pairs = [
            (matrix[group[i], group[j]], subgroup[i] == subgroup[j])
            for i, j in combinations(range(len(group)), 2)
        ]
        inside, between = [v for v, same in pairs if same], [v for v, same in pairs if not same]
        # Sums of at most 36 values in [0, 1] in another order.
        assert found.similarity[g] == pytest.approx(sum(inside + between) / len(pairs), abs=1e-14)
        for values, mean in ((inside, found.within[g]), (between, found.across[g])):
            assert mean == pytest.approx(sum(values) / len(values), abs=1e-14) if values else isnan(mean)
        wrong = sum(is_wrong(value, within if same else across) for value, same in pairs)
        assert found.wrong_pairs[g] == wrong


def overlap(members, n_users=10, threshold=0.3):
    return measure_overlap(np.array(members, np.int64), n_users=n_users, threshold=threshold)


def test_overlap_of_groups_worked_by_hand():
    # Pairs: 0-1 and 0-3 and 1-3 share 2, 3, 2 members; 0-2 and 3-2 none; 1-2 share user 5.
    found = overlap([[0, 1, 2], [1, 2, 5], [5, 6, 7], [2, 1, 0]])
    assert found.pairs_sharing == (1, 2, 1)
    assert found.mean == pytest.approx(8 / 18, abs=1e-15)
    assert found.maximum == 1.0
    assert found.overlapping_pairs == 4
    assert found.duplicates == 1
    assert found.user_coverage == 0.6
    assert found.participation_max == 3
    assert found.top.tolist() == [[0, 3, 3], [0, 1, 2], [1, 3, 2], [1, 2, 1]]


def test_gini_of_participation_worked_by_hand():
    # Counts 0, 0, 1, 1, 2, 2: (-5*0 - 3*0 - 1*1 + 1*1 + 3*2 + 5*2) / (6 * 6).
    assert overlap([[0, 1], [0, 1], [2, 3]], n_users=6).participation_gini == pytest.approx(16 / 36)
    assert overlap([[0, 1], [2, 3]], n_users=4).participation_gini == 0.0


@pytest.mark.parametrize(
    ("threshold", "pairs"), [(0.0, 3), (0.2, 2), (np.nextafter(0.2, 1), 1), (0.4, 1), (0.5, 0), (1.0, 0)]
)
def test_an_overlap_at_the_threshold_counts(threshold, pairs):
    groups = [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7], [7, 8, 9, 10, 11]]
    assert overlap(groups, n_users=12, threshold=threshold).overlapping_pairs == pairs


def test_disjoint_groups_overlap_by_zero_not_by_nothing():
    found = overlap([[0, 1], [2, 3]])
    assert (found.mean, found.maximum, found.overlapping_pairs) == (0.0, 0.0, 0)
    assert found.top.shape == (0, 3)


def test_the_overlap_of_a_single_group_is_undefined():
    found = overlap([[4, 2, 9]])
    assert (found.mean, found.maximum) == (None, None)
    assert (found.pairs_sharing, found.overlapping_pairs, found.duplicates) == ((0, 0, 0), 0, 0)
    assert (found.user_coverage, found.participation_max) == (0.3, 1)


@st.composite
def groups_of_users(draw):
    n_users, size = draw(st.integers(4, 9)), draw(st.integers(2, 4))
    group = st.permutations(range(n_users)).map(lambda users: users[:size])
    return n_users, draw(st.lists(group, min_size=2, max_size=12))


@settings(max_examples=100, deadline=None)
@given(groups_of_users(), st.integers(1, 40), st.integers(1, 8), st.floats(0.0, 1.0))
def test_overlap_equals_all_pairs_in_plain_python(case, entries, kept, threshold):
    n_users, groups = case
    size = len(groups[0])
    with pytest.MonkeyPatch.context() as patch:
        # Blocks of a few entries and a short list, so that pairs meet across blocks and the list runs over.
        patch.setattr(quality, "_ENTRIES_PER_BLOCK", entries)
        patch.setattr(quality, "TOP_PAIRS", kept)
        found = overlap(groups, n_users, threshold)
    pairs = [(a, b, len({*groups[a]} & {*groups[b]})) for a, b in combinations(range(len(groups)), 2)]
    shared = [m for _, _, m in pairs]
    assert found.pairs_sharing == tuple(shared.count(m) for m in range(1, size + 1))
    assert found.mean == pytest.approx(sum(shared) / size / len(pairs), abs=1e-12)
    assert found.maximum == max(shared) / size
    assert found.overlapping_pairs == sum(m / size >= threshold for m in shared)
    assert found.duplicates == len(groups) - len({frozenset(group) for group in groups})
    ranked = sorted(((a, b, m) for a, b, m in pairs if m), key=lambda pair: (-pair[2], pair[0], pair[1]))
    assert [tuple(pair) for pair in found.top.tolist()] == ranked[:kept]


@settings(max_examples=50, deadline=None)
@given(groups_of_users())
def test_participation_equals_plain_counts_and_mean_differences(case):
    n_users, groups = case
    found = overlap(groups, n_users)
    counts = [sum(user in group for group in groups) for user in range(n_users)]
    # Gini as half the relative mean absolute difference, an independent form of it.
    differences = sum(abs(a - b) for a in counts for b in counts)
    assert found.participation_gini == pytest.approx(differences / (2 * n_users * sum(counts)), abs=1e-12)
    assert found.participation_max == max(counts)
    assert found.user_coverage == pytest.approx(sum(c > 0 for c in counts) / n_users, abs=1e-15)


def test_the_list_of_pairs_is_cut_by_group_number_among_equals():
    # 200 groups around user 0: 19,900 pairs that share one member.
    groups = [[0, g] for g in range(1, 201)]
    found = overlap(groups, n_users=201)
    assert found.pairs_sharing == (comb(200, 2), 0)
    assert found.top.tolist() == [[a, b, 1] for a, b in combinations(range(200), 2)][:10_000]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([[0, 4]], r"rows in \[0, 4\), got 0 to 4"),
        ([[-1, 2]], r"rows in \[0, 4\), got -1 to 2"),
        ([[0, 1], [2, 2]], "nobody twice in a group, got group 1"),
        ([[0]], r"two or more, got shape \(1, 1\)"),
        (np.empty((0, 3)), r"two or more, got shape \(0, 3\)"),
    ],
)
def test_members_that_would_be_misread_are_refused(members, message):
    with pytest.raises(ValueError, match=message):
        overlap(members, n_users=4)
    with pytest.raises(ValueError, match=message):
        measure(members, (2,))


def test_sizes_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match=r"add up to 3 members, got \(2, 2\)"):
        measure([[0, 1, 2]], (2, 2))
