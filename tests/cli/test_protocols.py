"""Published protocols as families files: what each promises, checked apart from the code that draws."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from elsa_groups.settings.schema import conf_dir
from hydra import compose, initialize_config_dir

from elsa_groups.base.distributed import ONE
from elsa_groups.base.errors import InputError
from elsa_groups.commands.generate.drawing import draw_all
from elsa_groups.commands.generate.generate import check_settings
from elsa_groups.commands.generate.population import choose_users
from elsa_groups.data.load import load
from elsa_groups.data.split import split_users
from elsa_groups.groups.filters import half_of_catalogue
from elsa_groups.settings import schema

FEW = ["n_groups=6", "allow_partial=true", "sampling.max_restarts=500", "baseline.n_groups=10"]
NAMES = sorted(path.stem for path in (conf_dir() / "families").glob("*.yaml"))
N_USERS = 400
# Eight who all diverge from each other are not to be had of so few users at the default.
LOOSE = "thresholds.divergent.quantile=0.5"


@pytest.fixture(scope="module")
def interactions():
    options = {"n_users": N_USERS, "n_items": 240}
    return load("Demo", Path("unused"), min_user_interactions=5, min_item_interactions=5, **options)


def settings_of(*overrides):
    schema.register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        asked = ["dataset=Demo", "seed=5", "evidence.halves=null", *overrides]
        settings = schema.complete(compose("generate", asked))
    check_settings(settings)
    return settings


@pytest.fixture(scope="module")
def draw(interactions):
    encoder = np.random.default_rng(4).normal(size=(interactions.n_items, 32)).astype(np.float32)
    split = split_users(interactions.n_users, val_ratio=0.1, test_ratio=0.4, seed=1)

    def draw(families, *overrides):
        settings = settings_of(f"families={families}", *FEW, *overrides)
        drawn = draw_all(
            settings, interactions, encoder, choose_users(settings, interactions, split, None), ONE
        )
        rows = drawn.embeddings.rows
        groups = {result.groups.key: rows[result.groups.members] for result in drawn.results}
        vectors = np.zeros((interactions.n_users, 32))
        vectors[rows] = drawn.embeddings.vectors
        return settings, drawn.thresholds, groups, (1 + vectors @ vectors.T) / 2

    draw.test_users = set(split.test)
    return draw


def of_sizes(groups, family):
    return [members for key, members in groups.items() if key.startswith(f"{family}_")]


def distinct(groups):
    return all(len({frozenset(g) for g in members.tolist()}) == len(members) for members in groups.values())


@pytest.mark.parametrize("families", NAMES)
def test_every_protocol_draws_its_keys_from_small_data(draw, families):
    loose = [LOOSE] if families == "standard" else []
    settings, _, groups, _ = draw(families, "filters.min_common_items.value=null", *loose)
    keys = [
        f"{name}_{'_'.join(map(str, sizes))}"
        for name, family in settings["families"].items()
        for sizes in family["compositions"]
    ]
    assert list(groups) == keys
    assert distinct(groups)
    assert all(1 <= len(members) <= 6 for members in groups.values())


def test_standard_has_every_pair_on_its_side_in_sizes_2_to_8(draw):
    _, found, groups, similarity = draw("standard", LOOSE)
    assert [members.shape[1] for members in of_sizes(groups, "similar")] == list(range(2, 9))
    for family, holds in (("similar", np.greater_equal), ("divergent", np.less_equal)):
        limit = getattr(found, family)
        for members in of_sizes(groups, family):
            pairs = [similarity[u, v] for group in members for u, v in combinations(group, 2)]
            assert holds(pairs, limit).all()


def test_sagea_keeps_threes_of_test_users_with_six_common_items_of_half_the_catalogue(draw, interactions):
    settings, found, groups, similarity = draw("sagea", "~families.opposing")
    pairs = similarity[np.ix_(sorted(draw.test_users), sorted(draw.test_users))]
    upper = pairs[np.triu_indices(len(pairs), 1)]
    assert (found.similar, found.divergent) == pytest.approx(np.quantile(upper, [0.75, 0.25]), abs=1e-6)
    matrix = interactions.matrix.toarray()
    assert settings["filters"]["min_common_items"] == {"value": 6, "scope": "half"}
    for members in groups.values():
        assert members.shape[1] == 3
        assert set(members.ravel()) <= draw.test_users
        common = (matrix[members].sum(axis=1) == 3) & half_of_catalogue(
            interactions.n_items, settings["seed"]
        )
        assert common.sum(axis=1).min() >= 6


def test_kaya_joins_by_one_pearson_correlation_and_starts_from_different_users(draw, interactions):
    _, _, groups, _ = draw("kaya")
    correlation = np.corrcoef(interactions.matrix.toarray())
    assert [members.shape[1] for members in of_sizes(groups, "divergent")] == list(range(2, 9))
    for family, joins in (("similar", lambda c: c.max() >= 0.3), ("divergent", lambda c: c.min() <= 0.1)):
        for members in of_sizes(groups, family):
            assert len(set(members[:, 0])) == len(members)
            for group in members:
                assert all(joins(correlation[group[i], group[:i]]) for i in range(1, len(group)))


@pytest.mark.parametrize("families", ["minority", "coalitional", "three_camps"])
def test_subgroups_are_alike_within_and_divergent_across(draw, families):
    _, found, groups, similarity = draw(families)
    keys = [key for key in groups if not key.startswith("random")]
    for key in keys:
        sizes = [int(size) for size in key.split("_")[1:]]
        camp = np.repeat(range(len(sizes)), sizes)
        for group in groups[key]:
            for (i, u), (j, v) in combinations(enumerate(group), 2):
                value = similarity[u, v]
                assert value >= found.similar if camp[i] == camp[j] else value <= found.divergent


def test_pairs_share_the_majority_and_differ_in_who_diverges(draw):
    _, found, groups, similarity = draw("paired")
    minority, similar = groups["minority_4_1"], groups["similar_4_1"]
    shared = min(len(minority), len(similar))
    assert (minority[:shared, :4] == similar[:shared, :4]).all()
    assert max(similarity[group[4], u] for group in minority for u in group[:4]) <= found.divergent
    assert min(similarity[group[4], u] for group in similar for u in group[:4]) >= found.similar


def test_a_band_lies_between_its_quantiles(draw):
    _, found, groups, similarity = draw("band")
    low, high = np.quantile(similarity[np.triu_indices(len(similarity), 1)], [0.4, 0.6])
    assert found.band == pytest.approx((low, high), abs=1e-6)
    for members in of_sizes(groups, "band"):
        pairs = [similarity[u, v] for group in members for u, v in combinations(group, 2)]
        assert found.band[0] <= min(pairs) <= max(pairs) <= found.band[1]


def test_no_group_is_recommended_nearly_the_same_by_the_limit_of_the_notebook(interactions):
    # By two factors those who are alike are recommended much the same.
    encoder = np.random.default_rng(4).normal(size=(interactions.n_items, 2)).astype(np.float32)
    settings = settings_of(
        "experiment=recommendations_differ", "families.similar.compositions=[[3]]", "~families.divergent",
        "~families.opposing", *FEW, "n_groups=20",
    )  # fmt: skip
    chosen = choose_users(settings, interactions, None, None)
    similar, random = draw_all(settings, interactions, encoder, chosen, ONE).results
    assert distinct({"similar_3": similar.groups.members, "random_3": random.groups.members})
    assert dict(similar.groups.accounting.rejected)["max_recommendation_overlap"] > 0
    for result in (similar, random):
        # Measured apart from the filter.
        assert result.tastes.recommendation_overlap_at_20.max() <= 0.8


ONE_RULE = ["~families.divergent", "~families.opposing", "thresholds.similar.value=0.9999"]


def test_a_key_that_has_not_one_group_is_left_out_if_fewer_will_do(draw, caplog):
    _, _, groups, _ = draw("seed", *ONE_RULE)
    assert list(groups) == ["random_3"]
    assert "left out similar_3: " in caplog.text


@pytest.mark.parametrize("overrides", [["allow_partial=false"], ["~families.random"]])
def test_a_run_without_a_key_asked_for_or_without_any_is_an_error(draw, overrides):
    with pytest.raises(InputError, match="similar_3: "):
        draw("seed", *ONE_RULE, *overrides)


def test_a_key_whose_partner_was_left_out_is_left_out(draw, caplog):
    _, _, groups, _ = draw("paired", "thresholds.similar.value=0.9999")
    assert list(groups) == ["random_5"]
    assert "similar_4_1: there is no group of minority_4_1 to be paired with" in caplog.text
