"""Lists and measures against grouprec's own evaluation, and against plain loops."""

import grouprec
import numpy as np
import pandas as pd
import pytest
from grouprec.aggregators import get, normalize_mgains
from grouprec.backends import EASE
from grouprec.split import Split
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.commands.evaluate.measures import LIST, MEASURED
from elsa_groups.commands.evaluate.measuring import (
    Material,
    judge_lists,
    make_lists,
    measure_groups,
    over_members,
    top_of,
)
from elsa_groups.commands.evaluate.scorers import (
    ELSAScores,
    VectorScores,
    find_aggregators,
    find_backends,
    training_dataset,
)
from elsa_groups.commands.export.folders import write_grouprec
from elsa_groups.commands.export.group_histories import KnownHistories, known_histories
from elsa_groups.commands.export.plain import Exported
from elsa_groups.data.split import hold_out
from elsa_groups.settings.commands import Recommender

from .conftest import AGGREGATORS

CONTROLS = [each for each in Recommender if each != Recommender.parent]
DISCOUNT = 1 / np.log2(np.arange(2, 22))


@pytest.fixture(scope="session")
def encoder(unit_rows):
    return unit_rows(np.random.default_rng(7).normal(size=(60, 8)))


@pytest.fixture(scope="session")
def backends(histories, encoder):
    found, absent = find_backends(CONTROLS, histories, None, seed=42)
    assert absent == {}
    return {"parent": ELSAScores(histories.train, encoder)} | found


def own_evaluation(backend, aggregator, histories, members):
    """What grouprec's own ``evaluate`` says: a value by protocol, metric, k and summary over members."""
    dataset = training_dataset(histories)
    users, items = histories.test.nonzero()
    split = Split(dataset, pd.DataFrame({"user": users.astype(np.int64), "item": items.astype(np.int64)}))
    recommender = grouprec.GroupRecommender(backend, aggregator, normalize="minmax")
    report = grouprec.evaluate(
        recommender,
        dataset,
        grouprec.Groups(list(members)),
        split,
        k=20,
        protocol=["coupled", "decoupled"],
        metrics=["ndcg@10", "ndcg@20", "recall@10", "recall@20"],
        group_aggregations=["mean", "min", "minmax", "jain"],
        list_metrics=["novelty@10", "novelty@20"],
    )
    return report.to_dict()


def test_grouprec_s_own_evaluation_of_the_exported_folder_says_the_same(tmp_path, members):
    rng = np.random.default_rng(8)
    whole = rng.random((40, 70)) < 0.15
    whole[:, 0] = True
    train, test = hold_out(csr_array(whole.astype(np.float32)), np.arange(40), target_ratio=0.3, seed=42)
    ids = tuple(f"u{n:02}" for n in range(40)), tuple(f"i{n:02}" for n in range(70))
    exported = Exported("Demo", "all", *ids, train, test, {"similar_4": members}, None, 42)
    write_grouprec(tmp_path, exported)
    files = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in ("train", "test")}
    groups = grouprec.Groups(list(np.load(tmp_path / "groups" / "similar_4.npy")))
    recommender = grouprec.GroupRecommender(EASE(), get("LMS"), normalize="minmax")
    split = Split(grouprec.Dataset(files["train"]), files["test"])
    report = grouprec.evaluate(recommender, split.train, groups, split, k=20, metrics=["ndcg"])
    histories = known_histories(exported, np.arange(40))
    assert len(histories.items) < 70
    backends, _ = find_backends([Recommender.EASE], histories, None, seed=42)
    found = measure_groups(Material.of(histories, find_aggregators(["LMS"])), backends["EASE"], members)
    for over in ("mean", "min", "minmax"):
        place = [of.name for of in MEASURED].index(f"coupled/ndcg_at_20/{over}")
        expected = report.to_dict()["coupled", "ndcg", 20, over]
        assert np.nanmean(found[:, 0, place]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("recommender", ["parent", *map(str, CONTROLS)])
def test_grouprec_s_own_evaluation_says_the_same(recommender, backends, material, histories, members):
    found = measure_groups(material, backends[recommender], members)
    for number, aggregator in enumerate(material.aggregators.values()):
        own = own_evaluation(backends[recommender], aggregator, histories, members)
        for place, of in enumerate(MEASURED):
            metric, _, k = of.metric.partition("_at_")
            protocol, over = ("-", "list") if of.protocol == LIST else (of.protocol, of.over_members)
            expected = own[protocol, metric, int(k), over]
            assert np.nanmean(found[:, number, place]) == pytest.approx(expected, abs=1e-12), of.name


def plain_list(name, scores, excluded, length=20):
    """A list by the aggregator's definition, an item at a time."""
    left = [item for item in range(scores.shape[1]) if item not in excluded]
    value = {
        "ADD": lambda i: scores[:, i].sum(),
        "LMS": lambda i: scores[:, i].min(),
        "MPL": lambda i: scores[:, i].max(),
    }
    if name in value:
        return sorted(left, key=lambda i: (-value[name](i), i))[:length]
    if name == "AVGNM":
        left = [i for i in left if scores[:, i].min() > 0]
        return sorted(left, key=lambda i: (-scores[:, i].mean(), i))[:length]
    chosen = []
    for step in range(min(length, len(left))):
        worth = PLAIN_STEPS[name](scores, chosen, step, length)
        chosen.append(max((i for i in left if i not in chosen), key=lambda i: (worth(i), -i)))
    return chosen


def step_fai(scores, chosen, step, _):
    return lambda i: scores[step % len(scores), i]


def step_greedy_lm(scores, chosen, _, length):
    best = [sum(sorted(row)[-length:]) for row in scores]

    def worth(item):
        shares = [sum(row[j] for j in [*chosen, item]) / most for row, most in zip(scores, best, strict=True)]
        return round(0.5 * np.mean(shares) + 0.5 * min(shares), 12)

    return worth


def step_gfar(scores, chosen, _step, _length):
    """The best of a member's 20 first items, among all items, has 19 points, and the last none."""
    points = np.zeros(scores.shape)
    for row, of in zip(points, scores, strict=True):
        first = sorted(range(len(of)), key=lambda i: (-of[i], i))[:20]
        for item in first:
            row[item] = sum(of[other] <= of[item] for other in first) - 1
        row /= row.sum()

    def worth(item):
        missed = [np.prod([1 - row[j] for j in chosen]) for row in points]
        return round(sum(row[item] * miss for row, miss in zip(points, missed, strict=True)), 12)

    return worth


def step_epfuzzda(scores, chosen, _step, _length):
    got = scores[:, chosen].sum(axis=1)

    def worth(item):
        allowed = (got.sum() + scores[:, item].sum()) / len(scores)
        return round(sum(min(max(0, allowed - g), s) for g, s in zip(got, scores[:, item], strict=True)), 12)

    return worth


PLAIN_STEPS = {"FAI": step_fai, "GreedyLM": step_greedy_lm, "GFAR": step_gfar, "EPFuzzDA": step_epfuzzda}


@pytest.mark.parametrize("name", AGGREGATORS)
def test_lists_are_those_of_plain_loops(name, backends, histories, members):
    users = np.arange(40)
    scores = backends["EASE"].score(users)
    (lists,) = make_lists(find_aggregators([name]), scores, members, histories.train).transpose(1, 0, 2)
    scaled = normalize_mgains(scores, "minmax")
    for group, found in zip(members, lists, strict=True):
        excluded = {*histories.train[group].indices.tolist()}
        expected = plain_list(name, scaled[group], excluded)
        assert [item for item in found.tolist() if item >= 0] == expected


def test_measures_are_those_of_plain_loops(backends, histories, members):
    scores = backends["parent"].score(np.arange(40))
    lists = make_lists(find_aggregators(["ADD"]), scores, members, histories.train)
    held = histories.test.toarray() > 0
    coupled = judge_lists(lists, held.astype(float), held, members)
    decoupled = judge_lists(lists, np.maximum(scores, 0), top_of(scores), members)
    for group, users in enumerate(members):
        items = lists[group, 0][lists[group, 0] >= 0]
        for place, user in enumerate(users):
            for half, k in enumerate((10, 20)):
                n_held = held[user].sum()
                if not n_held:
                    assert np.isnan(coupled[half][group, 0, place])
                    assert np.isnan(coupled[2 + half][group, 0, place])
                    continue
                gained = (held[user, items[:k]] * DISCOUNT[: len(items[:k])]).sum()
                ideal = DISCOUNT[: min(k, n_held)].sum()
                assert coupled[half][group, 0, place] == pytest.approx(gained / ideal, abs=1e-12)
                recall = held[user, items[:k]].sum() / n_held
                assert coupled[2 + half][group, 0, place] == pytest.approx(recall, abs=1e-12)
                worth = np.maximum(scores[user], 0)
                best = (np.sort(worth)[::-1][:k] * DISCOUNT[:k]).sum()
                own = (worth[items[:k]] * DISCOUNT[: len(items[:k])]).sum() / best
                assert decoupled[half][group, 0, place] == pytest.approx(own, abs=1e-12)


def test_members_without_held_out_items_are_skipped_and_groups_of_them_have_no_value():
    values = np.array([[[0.5, np.nan, 0.1]], [[np.nan, np.nan, np.nan]]])
    mean, least, minmax, jain = np.moveaxis(over_members(values), 2, 0)[:, 0, 0]
    assert (mean, least, minmax) == pytest.approx((0.3, 0.1, 0.2))
    assert jain == pytest.approx(0.6**2 / (2 * 0.26))
    assert np.isnan(over_members(values)[1]).all()


def test_a_list_that_serves_nobody_is_not_called_fair():
    assert over_members(np.zeros((1, 1, 3))).tolist() == [[[0.0, 0.0, 0.0, 0.0]]]
    assert over_members(np.full((1, 1, 3), 0.2))[0, 0].tolist() == pytest.approx([0.2, 0.2, 1.0, 1.0])


def test_equal_scores_are_ranked_by_item(histories):
    ties = np.zeros((1, 60))
    ties[0, [50, 40]] = 1.0
    top_10, top_20 = top_of(ties)
    assert np.flatnonzero(top_10[0]).tolist() == [*range(8), 40, 50]
    assert np.flatnonzero(top_20[0]).tolist() == [*range(18), 40, 50]


def test_a_list_is_shorter_where_few_items_are_left():
    train = csr_array(np.ones((2, 5), np.float32) * (np.arange(5) < 3))
    lists = make_lists(find_aggregators(["ADD", "GFAR"]), np.eye(2, 5) + 0.1, np.array([[0, 1]]), train)
    assert lists[0, :, :3].tolist() == [[3, 4, -1], [3, 4, -1]]
    held = csr_array((np.arange(5) == 4) * np.ones((2, 5), np.float32))
    material = Material.of(KnownHistories(np.arange(5), train, held), find_aggregators(["ADD"]))
    backend = VectorScores(np.eye(2, dtype=np.float32), np.arange(2), np.eye(5, 2, dtype=np.float32))
    (values,) = measure_groups(material, backend, np.array([[0, 1]]))[:, 0]
    found = dict(zip([of.name for of in MEASURED], values, strict=True))
    assert found["coupled/ndcg_at_20/mean"] == pytest.approx(DISCOUNT[1])
    assert found["coupled/recall_at_10/mean"] == 1.0
    assert found["list/novelty_at_10"] == pytest.approx(-np.log2(1 / 3))


def test_gfar_counts_relevant_items_among_those_that_are_left_if_asked_to(backends, histories, members):
    scores = backends["EASE"].score(np.arange(40))
    (lists,) = make_lists(find_aggregators(["GFARUnseen"]), scores, members, histories.train).transpose(
        1, 0, 2
    )
    scaled = normalize_mgains(scores, "minmax")
    for group, found in zip(members, lists, strict=True):
        left = np.setdiff1d(np.arange(60), histories.train[group].indices)
        expected = left[plain_list("GFAR", scaled[group][:, left], set())]
        assert [item for item in found.tolist() if item >= 0] == expected.tolist()


def test_vectors_score_by_dot_products_of_those_who_have_them():
    vectors = np.array([[1, 0], [0.6, 0.8]], np.float32)
    items = np.array([[1, 2], [3, -1], [0, 1]], np.float32)
    scores = VectorScores(vectors, np.array([4, 9]), items).score([9, 4])
    assert scores == pytest.approx(np.array([[2.2, 1.0, 0.8], [1.0, 3.0, 0.0]]))


def test_everybody_s_random_scores_are_their_own(backends):
    both, alone = backends["Random"].score([4, 9]), backends["Random"].score([9])
    assert (both[1] == alone[0]).all()
    assert (both[0] != both[1]).all()


@pytest.mark.parametrize(
    ("name", "expected"), [("ADDD", "got ADDD"), ("LTP", "got LTP, which is of several")]
)
def test_aggregators_that_make_no_single_list_are_refused(name, expected):
    with pytest.raises(InputError, match=expected):
        find_aggregators(["ADD", name])


def test_a_parent_without_item_vectors_recommends_nothing(histories):
    found, absent = find_backends([Recommender.parent, Recommender.Popularity], histories, None, seed=1)
    assert [*found] == ["Popularity"]
    assert "no item vectors" in absent["parent"]
    with pytest.raises(InputError, match="recommenders: none is left"):
        find_backends([Recommender.parent], histories, None, seed=1)
