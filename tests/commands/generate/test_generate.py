import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate.generate import run_name


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "groups q0.90/0.10 seed 7"),
        (
            ["thresholds.similar.quantile=0.975", "thresholds.divergent.quantile=0.025"],
            "groups q0.975/0.025 seed 7",
        ),
        (["thresholds.similar.value=0.7"], "groups =0.70/q0.10 seed 7"),
        (["thresholds.divergent.value=0.45"], "groups q0.90/=0.45 seed 7"),
        (
            ["user_set=test", "history=inputs"],
            "groups q0.90/0.10 seed 7 (user_set=test, history=inputs)",
        ),
        (
            ["user_file=ids.txt", "user_sample=50"],
            "groups q0.90/0.10 seed 7 (user_set=file, user_sample=50)",
        ),
    ],
)
def test_a_run_is_named_after_its_thresholds_seed_and_users(overrides, name):
    assert run_name(compose_settings("generate", ["seed=7", *overrides])) == name


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
