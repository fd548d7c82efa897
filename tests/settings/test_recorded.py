"""Records of today and of the first versions are read, and today's are written as they were."""

import json
from pathlib import Path
from typing import Any

import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.base.nested import flatten
from elsa_groups.data.user_sets import UserSet
from elsa_groups.groups.family import Linkage, Rule
from elsa_groups.groups.filters import NO_FILTERS
from elsa_groups.settings.commands import EvidenceSettings, History, SimilaritySettings
from elsa_groups.settings.plain import as_params, plain
from elsa_groups.settings.recorded import recorded_settings
from elsa_groups.similarity.limits import BandTarget, Method, Target


def recorded(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / f"{name}.json").read_text())


def test_a_record_of_today_is_read_as_objects_and_written_as_it_was():
    values = recorded("recorded_settings")
    settings = recorded_settings(values)
    assert json.dumps(plain(settings)) == json.dumps(values)
    assert settings.thresholds.method is Method.auto
    assert settings.thresholds.similar == Target(0.9)
    similar = settings.families["similar"]
    assert (similar.within, similar.linkage, similar.paired_with) == (Rule.similar, Linkage.all, "minority")
    assert [kind.name for kind in settings.types] == ["minority_4_1", "similar_4_1", "random_5"]
    assert list(settings.filters.on) == ["no_duplicates"]


def test_what_no_result_depends_on_is_recorded_and_fills_no_list_of_params():
    settings = recorded_settings(recorded("recorded_settings"))
    recorded_paths = {f"conf.{name}" for name in flatten(plain(settings), "")}
    left_out = {name.removeprefix("conf.") for name in recorded_paths - as_params(settings).keys()}
    assert left_out >= {"data_dir", "threads", "device", "pin", "evaluate"}
    assert {name.split(".")[0] for name in left_out} <= {
        "data_dir", "threads", "device", "pin", "evaluate", "dataset",
    }  # fmt: skip
    assert "conf.dataset.min_user_interactions" in as_params(settings)


def test_a_record_of_the_first_version_means_the_defaults_of_what_came_later():
    values = recorded("recorded_settings_first")
    settings = recorded_settings(values)
    assert settings.similarity == SimilaritySettings()
    assert (settings.user_set, settings.user_sample, settings.user_file) == (UserSet.all, None, None)
    assert (settings.history, settings.allow_partial) == (History.full, False)
    assert (settings.thresholds.users, settings.thresholds.band) == (None, BandTarget())
    assert settings.filters == NO_FILTERS
    assert settings.evidence == EvidenceSettings(halves=None)
    again = plain(settings)
    assert {name: again[name] for name in values if name not in ("thresholds", "families")} == {
        name: value for name, value in values.items() if name not in ("thresholds", "families")
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "many"}, "settings of the record: seed: expected an integer, got 'many'; was lineage.json"),
        ({"seed": -1}, "seed: expected at least 0"),
        ({"sed": 1}, "sed: expected one of dataset, "),
        ({"history": "half"}, "history: expected one of full, inputs, got half"),
        ({"pin": 1}, "pin: expected true or false, got 1"),
        ({"families": {}}, "families: expected at least one, got none"),
        (
            {"families": {"a": {"compositions": [[3]], "linkage": "most"}}},
            "families.a.linkage: expected one of",
        ),
        ({"families": {"a": {"compositions": 3}}}, "families.a.compositions: expected a list"),
        ({"families": {"a": {"within": "any"}}}, "families.a.compositions: no value"),
        ({"thresholds": {"method": "auto"}}, "thresholds.similar: no value"),
        ({"dataset": {"name": "Demo"}}, "dataset.min_user_interactions: no value"),
        ({"dataset": 3}, "dataset: expected settings by name, got 3"),
    ],
)
def test_what_was_changed_in_a_record_is_named(change, message):
    with pytest.raises(InputError) as error:
        recorded_settings(recorded("recorded_settings") | change)
    assert message in str(error.value)
