import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate.naming import run_name


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["dataset=Demo", "parent=newest", "data_dir=x", "threads=2", "model.factors=8"], "groups of Demo"),
        (
            ["thresholds.similar.quantile=0.975", "thresholds.divergent.quantile=0.025"],
            "q0.975 d0.025 · groups of Demo",
        ),
        (["thresholds.divergent.value=0.45"], "divergent=0.45 · groups of Demo"),
        (["seed=7", "++families.similar.linkage=all"], "seed=7 all · groups of Demo"),
        (["families.similar.linkage=all", "families.opposing.linkage=all"], "all all · groups of Demo"),
        (["seed=42"], "groups of Demo"),
        (["families=standard", "~families.random"], "standard no random · groups of Demo"),
        (["user_set=test", "history=inputs"], "test inputs · groups of Demo"),
        (["user_file='/home/a/ids.txt'"], "user_file=ids.txt · groups of Demo"),
        (["allow_partial=true"], "allow_partial=true · groups of Demo"),
        (
            ["thresholds.similar.quantile=null", "thresholds.similar.value=0.7"],
            "similar=0.7 · groups of Demo",
        ),
        (
            ["thresholds.band.low.value=0.3", "thresholds.band.high.quantile=0.5"],
            "band.low=0.3 band.high=0.5 · groups of Demo",
        ),
    ],
)
def test_a_run_is_named_after_what_was_asked_for(overrides, name):
    assert run_name(overrides, "Demo") == name


def test_a_name_fits_any_database():
    name = run_name([f"x{number}={number}" for number in range(100)], "Demo")
    assert name.startswith("x0=0 x1=1")
    assert len(name) < 200


PAIR = "+families.pair={compositions: [[2, 1]], paired_with: %s}"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["families.similar.within=band"],
            r"thresholds\.band\.high: expected a quantile or a value, got neither",
        ),
        (
            ["similarity.source=pearson", "similarity.center=mean"],
            r"similarity\.center: expected none with .*source=pearson",
        ),
        (["similarity.source=history_cosine", "similarity.center=mean"], "only embeddings are centred"),
        ([PAIR % "similar_7"], r"families\.pair\.paired_with: expected one key .*, of similar_3"),
        (
            ["filters.min_common_items.value=2", "filters.min_common_items.scope=targets"],
            r"filters\.min_common_items\.scope: expected .* got targets",
        ),
    ],
)
def test_settings_that_no_data_could_satisfy_are_refused_as_they_are_made(overrides, message):
    with pytest.raises(InputError, match=message):
        compose_settings("generate", overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        [PAIR % "similar_3"],
        ["similarity.source=pearson"],
        [
            "filters.min_common_items.value=2",
            "filters.min_common_items.scope=targets",
            "history=inputs",
        ],
    ],
)
def test_settings_that_some_data_could_satisfy_are_made(overrides):
    compose_settings("generate", overrides)
