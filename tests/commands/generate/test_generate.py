import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.commands.generate.generate import check_settings, run_name
from elsa_groups.groups.filters import NAMES

EVERYTHING = {"user_set": "all", "user_sample": None, "user_file": None, "history": "full"}


@pytest.mark.parametrize(
    ("similar", "divergent", "name"),
    [
        ((0.9, None), (0.1, None), "groups q0.90/0.10 seed 7"),
        ((0.975, None), (0.025, None), "groups q0.975/0.025 seed 7"),
        ((0.9, 0.7), (0.1, None), "groups =0.70/q0.10 seed 7"),
        ((0.9, None), (0.1, 0.45), "groups q0.90/=0.45 seed 7"),
    ],
)
def test_a_run_is_named_after_its_thresholds_and_seed(similar, divergent, name):
    thresholds = {
        which: dict(zip(("quantile", "value"), target, strict=True))
        for which, target in (("similar", similar), ("divergent", divergent))
    }
    assert run_name({"thresholds": thresholds, "seed": 7} | EVERYTHING) == name


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"user_set": "test", "history": "inputs"}, " (user_set=test, history=inputs)"),
        ({"user_file": "ids.txt", "user_sample": 50}, " (user_set=file, user_sample=50)"),
    ],
)
def test_a_run_is_named_after_users_and_histories_that_are_not_all(asked, words):
    target = {"quantile": 0.5, "value": None}
    settings = {"thresholds": {"similar": target, "divergent": target}, "seed": 7} | EVERYTHING | asked
    assert run_name(settings) == f"groups q0.50/0.50 seed 7{words}"


def _settings(
    within="similar", source="elsa", center="none", paired_with=None, scope="history", history="full"
):
    nowhere = {"quantile": None, "value": None}
    family = {"within": "similar", "across": "any", "linkage": "mean", "n_groups": 5}
    filters = {"budget": 1, **{name: {"value": None} for name in NAMES}}
    return {
        "similarity": {"source": source, "center": center},
        "thresholds": {
            "similar": {"quantile": 0.9, "value": None},
            "divergent": {"quantile": 0.1, "value": None},
            "band": {"low": nowhere, "high": nowhere},
        },
        "families": {
            "similar": family | {"compositions": [[3]], "within": within},
            "pair": family | {"compositions": [[2, 1]], "paired_with": paired_with},
        },
        "device": "cpu",
        "holdout": {"target_ratio": 0.2},
        "filters": filters | {"min_common_items": {"value": 2, "scope": scope}},
        **EVERYTHING,
        "history": history,
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"within": "band"}, r"thresholds\.band\.high: expected a quantile or a value, got neither"),
        ({"source": "pearson", "center": "mean"}, r"similarity\.center: expected none with .*source=pearson"),
        ({"source": "history_cosine", "center": "mean"}, "only embeddings are centred"),
        ({"paired_with": "divergent_3"}, r"families\.pair\.paired_with: expected one key .*, of similar_3"),
        ({"scope": "targets"}, r"filters\.min_common_items\.scope: expected .* got targets"),
    ],
)
def test_settings_that_no_data_could_satisfy_are_refused_before_any_work(changed, message):
    check_settings(_settings(paired_with="similar_3"))
    check_settings(_settings(source="pearson"))
    check_settings(_settings(scope="targets", history="inputs"))
    with pytest.raises(InputError, match=message):
        check_settings(_settings(**changed))
