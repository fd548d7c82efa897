"""Users and histories as settings ask for them."""

from pathlib import Path

import numpy as np
import pytest
from elsa_groups.settings.schema import conf_dir
from hydra import compose, initialize_config_dir

from elsa_groups.base.distributed import ONE
from elsa_groups.base.errors import InputError
from elsa_groups.commands.generate import drawing
from elsa_groups.commands.generate.asked import read_user_file
from elsa_groups.commands.generate.drawing import draw_all
from elsa_groups.commands.generate.generate import check_settings
from elsa_groups.commands.generate.population import choose_users, embed_population
from elsa_groups.data.load import load
from elsa_groups.data.split import Split, hold_out, split_users
from elsa_groups.model.embeddings import embed_users
from elsa_groups.settings import schema
from elsa_groups.similarity.scores import reference_similarities

SPLIT = split_users(120, val_ratio=0.2, test_ratio=0.25, seed=3)


def settings_of(*overrides):
    schema.register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        asked = ["dataset=Demo", "seed=5", "n_groups=20", "baseline.n_groups=20", *overrides]
        return schema.complete(compose("generate", asked))


@pytest.fixture(scope="module")
def interactions():
    options = {"n_users": 120, "n_items": 240}
    return load("Demo", Path("unused"), min_user_interactions=1, min_item_interactions=1, **options)


@pytest.fixture(scope="module")
def encoder(interactions):
    rng = np.random.default_rng(8)
    return rng.normal(size=(interactions.n_items, 16)).astype(np.float32)


def median_of(vectors):
    return np.median(reference_similarities(vectors, *np.triu_indices(len(vectors), 1)))


@pytest.mark.parametrize(("users", "compared"), [(None, "test"), ("all", "all"), ("train", "train")])
def test_groups_are_drawn_from_the_set_and_thresholds_are_those_of_their_users(
    interactions, encoder, users, compared
):
    asked = (
        "user_set=test",
        "history=inputs",
        f"thresholds.users={users or 'null'}",
        "threads=1",
        "device=cpu",
    )
    quantiles = ("thresholds.similar.quantile=0.5", "thresholds.divergent.quantile=0.5")
    settings = settings_of(*asked, *quantiles)
    chosen = choose_users(settings, interactions, SPLIT, None)

    drawn = draw_all(settings, interactions, encoder, chosen, ONE)

    inputs, targets = hold_out(interactions.matrix, np.arange(120), target_ratio=0.2, seed=5)
    rows = np.arange(120) if compared == "all" else getattr(SPLIT, compared)
    everyone = embed_users(inputs, encoder, threads=1).vectors
    assert drawn.thresholds.similar == pytest.approx(median_of(everyone[rows]), abs=1e-12)
    assert drawn.embeddings.rows.tolist() == SPLIT.test.tolist()
    assert drawn.embeddings.vectors.tobytes() == everyone[SPLIT.test].tobytes()
    assert (drawn.population.histories != inputs).nnz == (drawn.population.targets != targets).nnz == 0
    assert {result.trained_share for result in drawn.results} == {0.0}
    for result in drawn.results:
        assert set(drawn.embeddings.rows[result.groups.members].ravel()) <= set(SPLIT.test)


def test_of_full_histories_nothing_is_held_out(interactions, encoder):
    settings = settings_of()
    population = embed_population(
        settings, interactions, encoder, choose_users(settings, interactions, None, None), threads=1
    )
    assert population.histories is interactions.matrix
    assert population.targets is None
    assert population.compared is population.users
    assert population.users.vectors is population.embeddings.vectors
    assert population.trained_share(np.array([[0, 1]])) is None
    assert population.record()["n_trained"] is None


def test_the_share_of_members_trained_on_is_that_of_their_places(interactions, encoder):
    split = Split(train=np.arange(60), val=np.arange(60, 70), test=np.arange(70, 120))
    settings = settings_of()
    chosen = choose_users(settings, interactions, split, None)
    population = embed_population(settings, interactions, encoder, chosen, threads=1)
    assert population.trained_share(np.array([[0, 59], [59, 60]])) == 0.75
    assert population.record()["n_trained"] == 60


def test_a_file_and_a_sample_of_it(interactions, tmp_path):
    ids = [interactions.user_ids[row] for row in (7, 3, 99, 50, 51, 52)]
    path = tmp_path / "my ids.txt"
    path.write_text("\n".join(ids))
    settings = settings_of(f"user_file='{path}'")
    check_settings(settings)
    listed = read_user_file(settings)
    assert choose_users(settings, interactions, None, listed).drawn.tolist() == [3, 7, 50, 51, 52, 99]
    sampled = choose_users(settings | {"user_sample": 5}, interactions, None, listed)
    assert set(sampled.drawn) < {3, 7, 50, 51, 52, 99}
    assert len(sampled.compared) == 5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["user_file=ids.txt", "user_set=test"],
            "expected user_set=all beside it, got user_set=test",
        ),
        (
            ["history=inputs", "holdout.target_ratio=1"],
            "target_ratio: expected a share",
        ),
    ],
)
def test_what_no_data_could_satisfy_is_refused_first(overrides, message):
    with pytest.raises(InputError, match=message):
        check_settings(settings_of(*overrides))


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"user_file: expected a file of .*none\.txt"):
        read_user_file(settings_of(f"user_file={tmp_path}/none.txt"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["user_set=val"],
            "similar_5: expected at least 5 users .* got 3 of user_set=val",
        ),
        (["user_set=train", "user_sample=4"], "similar_5: .* got 4 of user_set=train"),
        (["thresholds.users=test"], "thresholds.users=test: expected at least 2 users to compare, got 1"),
    ],
)
def test_too_few_users_are_told_with_the_name_of_their_set(interactions, overrides, message):
    split = Split(train=np.arange(4, 120), val=np.arange(1, 4), test=np.arange(1))
    with pytest.raises(InputError, match=message):
        choose_users(settings_of(*overrides), interactions, split, None)


@pytest.mark.parametrize("override", ["user_set=train", "thresholds.users=val"])
def test_a_parent_without_split_knows_no_sets(interactions, override):
    with pytest.raises(InputError, match=r"expected a parent with split\.json"):
        choose_users(settings_of(override), interactions, None, None)


def test_records_from_before_these_settings_mean_everybody_and_all_of_their_histories():
    old = settings_of()
    for name in ("user_set", "user_sample", "user_file", "history", "holdout"):
        del old[name]
    del old["thresholds"]["users"]
    again = schema.complete_recorded(old)
    assert (again["user_set"], again["user_sample"], again["user_file"]) == ("all", None, None)
    assert (again["history"], again["thresholds"]["users"]) == ("full", None)


@pytest.mark.parametrize("by", ["similarity.center=mean", "similarity.source=pearson"])
def test_recommendations_are_those_of_the_embeddings_whatever_users_are_compared_by(
    interactions, encoder, by
):
    plain, compared = (
        draw_all(settings, interactions, encoder, choose_users(settings, interactions, SPLIT, None), ONE)
        for settings in (
            settings_of(
                "threads=1",
                "device=cpu",
                "evidence.halves=null",
                "families.divergent.compositions=[[3]]",
                *asked,
            )
            for asked in (
                ["filters.max_recommendation_overlap.value=0.9"],
                ["filters.max_recommendation_overlap.value=0.9", by],
            )
        )
    )
    assert compared.population.uncentred.tobytes() == plain.population.uncentred.tobytes()
    assert compared.population.lookup.top_items.tolist() == plain.population.lookup.top_items.tolist()
    assert compared.thresholds != plain.thresholds
    assert compared.population.compared is compared.population.users


def test_a_key_is_paired_with_the_groups_that_filters_kept_of_its_partner(interactions, encoder):
    paired = "{compositions: [[2, 1]], within: any, across: any, paired_with: random_3, n_groups: 8}"
    settings = settings_of(
        "threads=1", "device=cpu", "evidence.halves=2", "similarity.source=history_cosine",
        "filters.max_participation.value=2", "allow_partial=true", "~families.opposing",
        f"+families.then={paired}",
    )  # fmt: skip
    drawn = draw_all(settings, interactions, encoder, choose_users(settings, interactions, None, None), ONE)
    groups = {result.groups.key: result.groups for result in drawn.results}
    partner, then = groups["random_3"], groups["then_2_1"]
    assert partner.numbers.tolist() != list(range(len(partner.numbers)))
    assert len(then.members) > 0
    assert then.members[:, :2].tolist() == partner.members[then.numbers, :2].tolist()


def test_room_for_all_keys_is_asked_for_before_thresholds(interactions, encoder, monkeypatch):
    def draw(*overrides):
        # Room for 40 groups of three, but not for 25 of five.
        asked = "threads=1", "device=cpu", "filters.disjoint.value=true", "n_groups=25", *overrides
        settings = settings_of(*asked)
        draw_all(settings, interactions, encoder, choose_users(settings, interactions, None, None), ONE)

    monkeypatch.setattr(drawing, "thresholds_of", lambda *_: pytest.fail("thresholds were looked for"))
    with pytest.raises(InputError, match="similar_5: expected at most 24 groups of 5 from 120 users"):
        draw()
    with pytest.raises(pytest.fail.Exception, match="thresholds were looked for"):
        draw("allow_partial=true")
