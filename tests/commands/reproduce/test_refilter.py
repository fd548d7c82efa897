"""Recorded groups that filters let pass, judged where rounding or somebody has changed something."""

from dataclasses import replace

import numpy as np
import pytest

from elsa_groups.commands.reproduce.filtering import Filtering
from elsa_groups.commands.reproduce.refilter import refilter
from elsa_groups.commands.reproduce.replay import replay_group
from elsa_groups.commands.reproduce.verdict import Verdict, judge_groups
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.groups.filters import Filters
from elsa_groups.groups.rejection import draw_kept_groups
from elsa_groups.groups.sampler import draw_groups

LAW = {"similar": 0.6, "divergent": 0.4, "seed": 3}


@pytest.fixture(scope="module")
def vectors(unit_rows):
    return unit_rows(np.random.default_rng(3).normal(size=(60, 8)))


def _family(sizes, n_groups=40):
    return Family("similar", (sizes,), Rule.similar, Rule.any, Linkage.mean, n_groups)


def _judge(vectors, recorded, filters, n_groups=40, **law):
    """Judge recorded groups by what is drawn now."""
    family, law = _family(recorded.sizes, n_groups), LAW | law
    present = draw_kept_groups(vectors, family, recorded.sizes, filters=filters, allow_partial=True, **law)
    about = vectors, family, recorded.sizes
    (verdict,) = judge_groups(
        {"k": recorded.members},
        {"k": present.members},
        lambda _, number, members: replay_group(*about, number, members, **law),
        Filtering(
            {"k": recorded.numbers},
            {"k": present.numbers},
            lambda _: refilter(
                *about, recorded.numbers, recorded.members, filters=filters, lookup=None, **law
            ),
        ),
    )
    return verdict, present


def _draw(vectors, filters, sizes=(3,), n_groups=40, **law):
    asked = {"filters": filters, "allow_partial": True}
    return draw_kept_groups(vectors, _family(sizes, n_groups), sizes, **asked, **(LAW | law))


def _nearest_to_limit(vectors, similarity_matrix, name, limit):
    """The pair similarity, of the groups that a filter keeps, which is nearest to its limit."""
    members = _draw(vectors, Filters(**{name: limit}, no_duplicates=True)).members
    similarities = similarity_matrix(vectors)
    values = [similarities[members[:, i], members[:, j]] for i, j in ((0, 1), (0, 2), (1, 2))]
    return float(np.min(values) if name.startswith("min") else np.max(values))


@pytest.mark.parametrize("recorded_it", [True, False], ids=["recorded", "not recorded"])
@pytest.mark.parametrize(("by", "verdict"), [(5e-7, Verdict.equivalent), (2e-6, Verdict.different)])
@pytest.mark.parametrize(("name", "limit"), [("min_pair_similarity", 0.55), ("max_pair_similarity", 0.8)])
def test_a_pair_near_a_limit_may_be_on_either_side(
    vectors, similarity_matrix, name, limit, by, verdict, recorded_it
):
    nearest = _nearest_to_limit(vectors, similarity_matrix, name, limit)
    inwards = 1 if name.startswith("min") else -1
    moves = (0.0, by) if recorded_it else (1e-9, -by)
    before, now = (Filters(**{name: nearest + inwards * move}, no_duplicates=True) for move in moves)
    recorded = _draw(vectors, before)

    found, present = _judge(vectors, recorded, now)

    assert len(np.setxor1d(recorded.numbers, present.numbers)) == 2
    assert (found.verdict, found.n_differing) == (verdict, 2)
    turned = [group.replay for group in found.groups if group.replay.refiltered or group.replay.turned]
    assert len(turned) == 1
    if verdict == Verdict.equivalent:
        assert found.margin == pytest.approx(by, abs=1e-12)
    else:
        assert "not kept" in found.text()
        assert found.text().endswith("; filters decide otherwise")


def test_a_group_drawn_otherwise_explains_what_filters_did_because_of_it(vectors, similarity_matrix):
    similarities, disjoint, family = similarity_matrix(vectors), Filters(disjoint=True), _family((2,))
    followed = 0
    for seed in range(100):
        recorded = _draw(vectors, disjoint, (2,), 15, seed=seed)
        n_drawn = recorded.accounting.candidates
        drawn = draw_groups(vectors, family, (2,), n_groups=n_drawn, **(LAW | {"seed": seed})).members
        least, second = np.sort(similarities[drawn[:, 0], drawn[:, 1]])[:2]
        near = int(similarities[drawn[:, 0], drawn[:, 1]].argmin())
        # A candidate that was rejected is not recorded, and could not be followed.
        if second < least + 1e-6 or near not in recorded.numbers:
            continue
        law = {"similar": float(least) + 5e-7, "seed": seed}
        found, present = _judge(vectors, recorded, disjoint, 15, **law)
        assert found.verdict == Verdict.equivalent, found.text()
        assert found.margin == pytest.approx(5e-7, abs=1e-12)
        followed += len(np.setxor1d(recorded.numbers, present.numbers)) > 0
    assert followed > 3


def test_a_filter_that_somebody_took_away_is_noticed(vectors):
    recorded = _draw(vectors, Filters(no_duplicates=True), (2,), 200)
    assert recorded.accounting.candidates > 200

    found, _ = _judge(vectors, recorded, Filters(disjoint=False, no_duplicates=False, min_history=None), 200)

    assert found.verdict == Verdict.different
    lines = found.text().splitlines()
    assert "recorded not kept" in lines[1]
    assert lines[1].endswith("; filters decide otherwise")


def test_a_group_taken_out_of_the_record_is_noticed(vectors):
    asked = Filters(no_duplicates=True)
    whole = _draw(vectors, asked, (2,), 41)
    kept = np.delete(np.arange(41), 7)
    recorded = replace(whole, members=whole.members[kept], kept=whole.numbers[kept])

    found, _ = _judge(vectors, recorded, asked)

    assert found.verdict == Verdict.different
    wrong = [group for group in found.groups if not group.replay.explained]
    assert [group.group for group in wrong] == [int(whole.numbers[7])]
    assert wrong[0].recorded == ()


@pytest.mark.parametrize("move", [(0.0, 1e-9), (1e-9, 0.0)], ids=["fewer", "more"])
@pytest.mark.parametrize("which", ["among", "last"])
def test_a_turned_rejection_may_make_more_or_fewer_of_too_few_groups(vectors, similarity_matrix, move, which):
    similarities, asked = similarity_matrix(vectors), Filters(min_pair_similarity=0.55, budget=1)
    members = _draw(vectors, asked).members
    assert len(members) < 40
    values = np.min([similarities[members[:, i], members[:, j]] for i, j in ((0, 1), (0, 2), (1, 2))], axis=0)
    # The group whose least similar pair is the limit comes last, or not.
    turned = values.argmin() if which == "among" else len(values) - 1
    limit = float(values[turned])
    before, now = (replace(asked, min_pair_similarity=limit + by) for by in move)
    recorded = _draw(vectors, before)

    found, present = _judge(vectors, recorded, now)

    assert len(present.members) - len(recorded.members) == (1 if move[0] else -1)
    assert (found.verdict, found.n_differing) == (Verdict.equivalent, 1)
    assert found.margin <= 1e-9


@pytest.mark.parametrize("gone", [0, -1])
@pytest.mark.parametrize("side", ["recorded", "present"])
def test_more_or_fewer_groups_that_follow_from_nothing_are_different(vectors, gone, side):
    asked = Filters(min_pair_similarity=0.55, budget=1)
    whole = _draw(vectors, asked)
    kept = np.delete(np.arange(len(whole.members)), gone)
    fewer = replace(whole, members=whole.members[kept], kept=whole.numbers[kept])
    recorded, present = (fewer, whole) if side == "recorded" else (whole, fewer)
    about = vectors, _family((3,)), (3,)

    (found,) = judge_groups(
        {"k": recorded.members},
        {"k": present.members},
        lambda _, number, members: replay_group(*about, number, members, **LAW),
        Filtering(
            {"k": recorded.numbers},
            {"k": present.numbers},
            lambda _: refilter(*about, recorded.numbers, recorded.members, filters=asked, lookup=None, **LAW),
        ),
    )

    assert found.verdict == Verdict.different
