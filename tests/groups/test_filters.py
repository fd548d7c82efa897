"""Filters beside their definitions, read literally and written in plain Python."""

from collections import Counter
from dataclasses import fields, replace
from functools import cache
from itertools import combinations
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.base.philox import stream_key
from elsa_groups.data.sagea import sagea_half
from elsa_groups.groups import rejection
from elsa_groups.groups.candidates import Lookup, half_of_catalogue
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.groups.filters import NAMES, Filters
from elsa_groups.groups.rejection import OwnFilters
from elsa_groups.similarity.histories import binary_histories
from elsa_groups.similarity.scores import reference_similarity

from ..one_by_one import draw_groups, draw_kept_groups, filters_of, users_of

N_USERS, N_ITEMS, TOP = 14, 30, 6
# Few enough draws that one candidate in some ten cannot be completed.
LAW = {"similar": 0.6, "divergent": 0.5, "seed": 11, "max_draws": 8, "max_restarts": 0}
FAMILIES = {
    "random": (Rule.any, Rule.any),
    "similar": (Rule.similar, Rule.any),
    "opposing": (Rule.similar, Rule.divergent),
}


@cache
def vectors():
    rows = np.random.default_rng(5).normal(size=(N_USERS, 4))
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@cache
def lookup():
    rng = np.random.default_rng(6)
    listened = rng.random((N_USERS, N_ITEMS)) < rng.uniform(0.3, 0.9, (N_USERS, 1))
    held_out = rng.random((N_USERS, N_ITEMS)) < 0.6
    top = np.array([rng.permutation(12)[:TOP] for _ in range(N_USERS)])
    # Somebody has fewer recommendations than others.
    top[3, 2:] = -1
    top[5, 4:] = -1
    histories, targets = (csr_array(part.astype(np.float32)) for part in (listened, held_out))
    return Lookup(histories, targets, top, csr_array((rng.random((40, N_ITEMS)) < 0.2).astype(np.float32)))


@cache
def candidate(name, sizes, number):
    """The group of a number, None if it cannot be completed."""
    family = Family(name, (sizes,), *FAMILIES[name], Linkage.mean, 1)
    try:
        return draw_groups(vectors(), family, sizes, n_groups=1, first=number, **LAW).members[0].tolist()
    except InputError:
        return None


@cache
def similarity(u, v):
    total = 0.0
    for a, b in zip(vectors()[u].astype(float), vectors()[v].astype(float), strict=True):
        total += a * b
    return (1 + total) / 2


@cache
def items_of(user, scope):
    matrix = lookup().targets if scope == "targets" else lookup().histories
    items = set(np.flatnonzero(matrix.toarray()[user]).tolist())
    halves = {
        "half": half_of_catalogue(N_ITEMS, LAW["seed"]),
        "sagea": sagea_half(lookup().everybody),
    }
    return items & set(np.flatnonzero(halves[scope])) if scope in halves else items


@cache
def top_of(user):
    return {item for item in lookup().top_items[user].tolist() if item >= 0}


def first_to_reject(group, kept, asked):
    """The name of the first filter that rejects a group beside those kept before it, by the definitions."""
    pairs = list(combinations(group, 2))
    common = set.intersection(*(items_of(user, asked.min_common_items.scope) for user in group))
    shared = [len(top_of(u) & top_of(v)) for u, v in pairs]
    tests = {
        "min_history": lambda least: all(len(items_of(user, "history")) >= least for user in group),
        "min_pair_similarity": lambda least: all(similarity(*pair) >= least for pair in pairs),
        "max_pair_similarity": lambda most: all(similarity(*pair) <= most for pair in pairs),
        "min_common_items": lambda least: len(common) >= least,
        "max_recommendation_overlap": lambda most: sum(shared) / (TOP * len(pairs)) <= most,
        "no_duplicates": lambda _: all(set(group) != set(other) for other in kept),
        "distinct_first": lambda _: all(group[0] != other[0] for other in kept),
        "disjoint": lambda _: all(not set(group) & set(other) for other in kept),
        "max_participation": lambda most: all(sum(user in other for other in kept) < most for user in group),
        "max_member_overlap": lambda most: all(
            len(set(group) & set(other)) / len(group) <= most for other in kept
        ),
    }
    assert tuple(tests) == NAMES
    for name, passes in tests.items():
        value = getattr(asked, name).value
        if value is not None and value is not False and not passes(value):
            return name
    return None


def by_definition(name, sizes, wanted, asked):
    """Kept groups, their numbers, rejections by name, and whether a candidate could not be completed."""
    kept, numbers, rejected = [], [], Counter()
    for number in range(wanted * asked.budget):
        group = candidate(name, sizes, number)
        if group is None:
            return kept, numbers, rejected, True
        reason = first_to_reject(group, kept, asked)
        if reason is None:
            kept.append(group)
            numbers.append(number)
        else:
            rejected[reason] += 1
        if len(kept) == wanted:
            break
    return kept, numbers, rejected, False


share = st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.8, 1.0])
filters = st.builds(
    filters_of,
    min_history=st.none() | st.integers(1, 20),
    min_pair_similarity=st.none() | st.floats(0.0, 0.7),
    max_pair_similarity=st.none() | st.floats(0.5, 1.0),
    min_common_items=st.none() | st.integers(1, 12),
    common_items_scope=st.sampled_from(["history", "targets", "half", "sagea"]),
    max_recommendation_overlap=st.none() | share,
    no_duplicates=st.booleans(),
    distinct_first=st.booleans(),
    disjoint=st.booleans(),
    max_participation=st.none() | st.integers(1, 4),
    max_member_overlap=st.none() | share,
    budget=st.integers(1, 8),
)
# One filter alone meets the others' candidates more often than all ten together.
alone = st.builds(
    lambda all_of_them, name: replace(
        Filters(),
        budget=all_of_them.budget,
        **{name: getattr(all_of_them, name)},
    ),
    filters,
    st.sampled_from(NAMES),
)
keys = st.sampled_from([("random", (2,)), ("random", (3,)), ("similar", (3,)), ("opposing", (2, 1))])


def draw(name, sizes, wanted, asked, **options):
    family = Family(name, (sizes,), *FAMILIES[name], Linkage.mean, wanted)
    options = {"filters": asked, "lookup": lookup(), "allow_partial": True, **LAW, **options}
    return draw_kept_groups(vectors(), family, sizes, **options)


class TestByDefinition:
    @given(keys, st.integers(1, 9), filters | alone, st.sampled_from([1, 2, 5, 1000]), st.integers(1, 2))
    def test_groups_numbers_and_counts_are_those_of_the_definition(
        self, key, wanted, asked, at_once, threads
    ):
        kept, numbers, rejected, exhausted = by_definition(*key, wanted, asked)
        with patch.object(rejection, "MOST_AT_ONCE", at_once):
            if not kept:
                with pytest.raises(InputError):
                    draw(*key, wanted, asked, threads=threads)
                return

            groups = draw(*key, wanted, asked, threads=threads)

        assert groups.members.tolist() == kept
        assert groups.numbers.tolist() == numbers
        assert dict(groups.accounting.rejected) == {name: rejected[name] for name in asked.on}
        assert groups.accounting.candidates == len(kept) + sum(rejected.values())
        assert groups.accounting.shortfall == wanted - len(kept)
        assert ("could not be completed" in groups.accounting.reason) == exhausted
        assert bool(groups.accounting.reason) == (len(kept) < wanted)

    @pytest.mark.parametrize(
        "values",
        [
            {"min_history": 12},
            {"min_pair_similarity": 0.4},
            {"max_pair_similarity": 0.7},
            {"min_common_items": 6},
            {"min_common_items": 11, "common_items_scope": "targets"},
            {"min_common_items": 3, "common_items_scope": "half"},
            {"min_common_items": 5, "common_items_scope": "sagea"},
            {"max_recommendation_overlap": 0.5},
            {"no_duplicates": True},
            {"distinct_first": True},
            {"disjoint": True},
            {"max_participation": 2},
            {"max_member_overlap": 0.5},
        ],
    )
    def test_each_filter_alone_keeps_some_and_rejects_others(self, values):
        # So that the property above is about more than what is never met, and what always is.
        (name, *_), asked = values, filters_of(**values, budget=30)
        kept, _, rejected, exhausted = by_definition("random", (2,), 13, asked)
        groups = draw("random", (2,), 13, asked)
        assert len(kept) > 3
        assert rejected[name] > 0
        assert not exhausted
        assert groups.members.tolist() == kept
        assert groups.accounting.rejected == ((name, rejected[name]),)

    def test_some_candidates_cannot_be_completed(self):
        failed = [candidate("similar", (3,), number) is None for number in range(40)]
        assert 1 < failed.index(True) < 35


class TestPromises:
    @given(keys, st.integers(1, 6), filters | alone)
    def test_whoever_asks_for_more_gets_the_same_groups_first(self, key, wanted, asked):
        if not by_definition(*key, wanted, asked)[0]:
            return
        fewer, more = draw(*key, wanted, asked), draw(*key, 3 * wanted, asked)
        n = len(fewer.members)
        assert more.members[:n].tolist() == fewer.members.tolist()
        assert more.numbers[:n].tolist() == fewer.numbers.tolist()

    def test_the_accounting_covers_every_candidate_to_the_last_one_needed(self):
        asked = filters_of(no_duplicates=True, max_participation=3)
        groups = draw("random", (3,), 9, asked)
        family = Family("random", ((3,),), *FAMILIES["random"], Linkage.mean, 1)
        n_drawn = int(groups.numbers[-1]) + 1
        unfiltered = draw_groups(vectors(), family, (3,), n_groups=n_drawn, **LAW)
        assert n_drawn > 9
        assert groups.members.tolist() == unfiltered.members[groups.numbers].tolist()
        for name in ("draws", "accepted", "restarts"):
            taken = getattr(groups.accounting, name)
            assert taken.tolist() == getattr(unfiltered.accounting, name).tolist()

    def test_without_filters_the_groups_are_the_first_ones(self):
        groups = draw("random", (3,), 9, Filters(), allow_partial=False)
        assert groups.members.tolist() == [candidate("random", (3,), g) for g in range(9)]
        assert groups.numbers.tolist() == list(range(9))
        assert (groups.accounting.rejected, groups.accounting.shortfall) == ((), 0)


class TestShortfall:
    def test_a_spent_budget_says_how_many_were_kept_rejected_by_what_and_what_to_loosen(self):
        asked = filters_of(no_duplicates=True, max_member_overlap=0.0, budget=10)
        kept, _, rejected, _ = by_definition("random", (3,), 4, asked)
        assert 0 < len(kept) < 4
        with pytest.raises(InputError) as error:
            draw("random", (3,), 4, asked, allow_partial=False)
        assert str(error.value) == (
            f"random_3: of 4 groups wanted {len(kept)} were kept of 40 drawn (filters.budget=10 for each one"
            f" wanted); rejected by max_member_overlap {rejected['max_member_overlap']}. Ask for {len(kept)}"
            " groups of it, which are there. Or set allow_partial=true, which keeps what there is; or"
            " filters.no_duplicates.value=null filters.max_member_overlap.value=null, without which groups"
            " may be alike."
        )

    def test_a_candidate_that_cannot_be_completed_ends_the_key(self):
        n_before = next(g for g in range(40) if candidate("similar", (3,), g) is None)
        with pytest.raises(InputError) as error:
            draw("similar", (3,), 40, filters_of(no_duplicates=True), allow_partial=False)
        text = str(error.value)
        assert text.startswith("similar_3: a group could not be completed in 1 attempts of 8 draws. ")
        assert f"Before it {n_before} of 40 groups were found. Or set allow_partial=true" in text

        groups = draw("similar", (3,), 40, Filters())
        assert groups.members.tolist() == [candidate("similar", (3,), g) for g in range(n_before)]
        assert groups.accounting.shortfall == 40 - n_before
        assert "could not be completed" in groups.accounting.reason

    def test_where_a_candidate_cannot_be_completed_no_filter_is_in_the_way(self):
        with pytest.raises(InputError) as error:
            draw("similar", (3,), 9, filters_of(max_participation=2), allow_partial=False)
        assert draw("similar", (3,), 9, filters_of(max_participation=2)).accounting.rejected[0][1] > 0
        assert "Or set allow_partial=true" in str(error.value)
        assert "filters." not in str(error.value)

    def test_a_candidate_that_cannot_be_completed_is_explained_without_drawing_it_again(self, monkeypatch):
        drawn = []

        sample_groups = rejection.sample_groups

        def counting(*args, **options):
            drawn.append((options["first"], options["n_groups"]))
            return sample_groups(*args, **options)

        monkeypatch.setattr(rejection, "sample_groups", counting)
        text = "a group could not be completed in 1 attempts of 8 draws. The attempt that came farthest had"
        with pytest.raises(InputError, match=text):
            draw("similar", (3,), 40, filters_of(no_duplicates=True), similar=0.99)
        assert drawn == [(0, 40)]

    def test_where_nothing_is_found_partial_is_an_error_too(self):
        with pytest.raises(InputError, match=r"random_3: of 4 groups wanted 0 were kept of 400 drawn"):
            draw("random", (3,), 4, filters_of(min_common_items=N_ITEMS))

    @pytest.mark.parametrize(
        ("asked", "wanted", "most"),
        [
            (filters_of(disjoint=True), 5, 4),
            (filters_of(max_participation=2), 10, 9),
            (filters_of(distinct_first=True), 15, 14),
            (filters_of(no_duplicates=True), 365, 364),
            # Two groups may share one member: 14 / 3 * (13 / 2 rounded down), rounded down.
            (filters_of(max_member_overlap=0.4), 29, 28),
        ],
    )
    def test_more_groups_than_there_is_room_for_are_refused_before_any_is_drawn(self, asked, wanted, most):
        with pytest.raises(InputError, match=f"random_3: expected at most {most} groups of 3 from 14 users"):
            draw("random", (3,), wanted, asked, allow_partial=False)


class TestTastes:
    @pytest.mark.parametrize(
        ("asked", "given", "what"),
        [
            (filters_of(min_history=2), None, "min_history: expected the histories of users, got none"),
            (filters_of(min_common_items=2), None, "min_common_items: expected the histories"),
            (
                filters_of(min_common_items=2, common_items_scope="targets"),
                Lookup(csr_array((N_USERS, N_ITEMS))),
                "min_common_items: expected the held-out targets of users, got none",
            ),
            (
                filters_of(max_recommendation_overlap=0.8),
                Lookup(csr_array((N_USERS, N_ITEMS))),
                "max_recommendation_overlap: expected the recommended items of users, got none",
            ),
        ],
    )
    def test_a_filter_without_what_it_looks_up_is_refused(self, asked, given, what):
        with pytest.raises(InputError, match=what):
            draw("random", (2,), 2, asked, lookup=given)

    def test_histories_need_no_order_of_items(self):
        histories = lookup().histories.copy()
        for user in range(N_USERS):
            part = slice(*histories.indptr[user : user + 2])
            histories.indices[part] = histories.indices[part][::-1].copy()
        histories = csr_array((histories.data, histories.indices, histories.indptr), shape=histories.shape)
        groups = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]])
        asked = filters_of(min_common_items=5)
        found = [
            OwnFilters(asked, users_of(vectors()), Lookup(matrix), seed=0).judge(groups).tolist()
            for matrix in (histories, lookup().histories)
        ]
        assert found[0] == found[1]

    def test_half_of_the_catalogue_is_one_bit_an_item_of_the_seed(self, philox_words):
        key = int(stream_key(7, "half of the catalogue"))
        expected = [philox_words((item, 0, 0, 0), key)[0] % 2 == 1 for item in range(1000)]
        assert half_of_catalogue(1000, 7).tolist() == expected
        assert 450 < sum(expected) < 550
        assert half_of_catalogue(1000, 8).tolist() != expected


def test_every_filter_has_a_name_and_is_off_at_first():
    assert [field.name for field in fields(Filters)] == [*NAMES, "budget"]
    assert Filters().on == {}


def test_a_limit_of_zero_is_one():
    on = filters_of(max_member_overlap=0.0, max_recommendation_overlap=0.0).on
    assert list(on) == ["max_recommendation_overlap", "max_member_overlap"]


class TestPaired:
    @staticmethod
    def _draw(n_given, wanted, asked, **options):
        family = Family("with", ((1, 2),), Rule.any, Rule.divergent, Linkage.mean, wanted, "random_2")
        given = draw("random", (2,), n_given, Filters()).members[:, :1]
        options = {"filters": asked, "lookup": lookup(), "given": given, **LAW, "max_draws": 1000, **options}
        return given, draw_kept_groups(vectors(), family, (1, 2), **options)

    def test_a_candidate_takes_the_row_of_its_number(self):
        given, groups = self._draw(30, 3, filters_of(disjoint=True))
        assert len(groups.members) == 3
        assert groups.numbers.tolist() != list(range(3))
        assert groups.members[:, 0].tolist() == given[groups.numbers, 0].tolist()

    def test_there_are_no_more_candidates_than_groups_to_be_paired_with(self):
        asked = filters_of(no_duplicates=True, distinct_first=True)
        with pytest.raises(
            InputError, match=r"with_1_2: of 12 groups wanted 10 were kept of 12 drawn, one for"
        ):
            self._draw(12, 12, asked)
        given, groups = self._draw(12, 12, asked, allow_partial=True)
        assert groups.accounting.shortfall == 12 - len(set(given.ravel().tolist())) > 0
        assert groups.accounting.candidates == 12
        assert "rejected by no_duplicates 1, distinct_first 1" in groups.accounting.reason

    def test_fewer_groups_to_be_paired_with_than_wanted_are_a_shortfall_without_filters_too(self):
        given, groups = self._draw(5, 8, Filters(), allow_partial=True)
        assert groups.members[:, 0].tolist() == given.ravel().tolist()
        assert groups.accounting.shortfall == 3
        assert "one for each group there is to be paired with." in groups.accounting.reason


@pytest.mark.parametrize("measure", ["history_cosine", "pearson", "jaccard"])
def test_pairs_are_filtered_by_what_users_are_compared_by(measure):
    histories = binary_histories(lookup().histories, measure)
    groups = np.array(list(combinations(range(N_USERS), 3)))
    values = [
        [reference_similarity(histories, u, v) for u, v in combinations(group, 2)]
        for group in groups.tolist()
    ]
    limits = np.quantile(values, (0.2, 0.8)).tolist()
    asked = filters_of(min_pair_similarity=limits[0], max_pair_similarity=limits[1])
    passed = OwnFilters(asked, users_of(histories), None, seed=0).judge(groups) == 0
    assert passed.tolist() == [limits[0] <= min(of) and max(of) <= limits[1] for of in values]
    assert 0 < passed.sum() < len(groups)
