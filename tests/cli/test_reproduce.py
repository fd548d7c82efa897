"""What a record may decide, and what it may not."""

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir

from elsa_groups.cli import schema
from elsa_groups.cli.arguments import conf_dir
from elsa_groups.cli.judging import in_recorded_rows
from elsa_groups.cli.reproduce import _settings_again

HERE = {"threads": 2, "device": "cpu", "data_dir": None, "path": None}


@pytest.fixture
def recorded() -> dict:
    schema.register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        overrides = ["dataset=LastFM1k", "seed=7", "threads=16", "dataset.urls=[http://example.org/x.tar.gz]"]
        return schema.complete(compose("generate", overrides))


def test_settings_are_those_of_the_record_but_for_places_means_and_what_is_fetched(recorded):
    published = yaml.safe_load((conf_dir() / "dataset" / "LastFM1k.yaml").read_text())["urls"]

    again = _settings_again({"settings": recorded}, HERE)

    dataset = recorded["dataset"] | {"urls": published}
    assert again == recorded | {"threads": 2, "device": "cpu", "dataset": dataset}


def test_a_place_that_is_given_counts(recorded):
    given = HERE | {"data_dir": "elsewhere", "path": "file.tsv"}

    again = _settings_again({"settings": recorded}, given)

    assert (again["data_dir"], again["dataset"]["path"]) == ("elsewhere", "file.tsv")


def test_rows_are_those_of_the_same_users_and_users_without_one_are_told_apart():
    members = {"similar_3": np.array([[0, 1, 3], [2, 1, 0]])}

    found = in_recorded_rows(members, ["a", "b", "c"], ("a", "c", "x", "y"))

    assert found["similar_3"].tolist() == [[0, 2, -4], [-3, 2, 0]]


def test_without_recorded_ids_no_row_is_anybodys():
    found = in_recorded_rows({"similar_3": np.array([[0, 1, 3]])}, None, ("a", "c", "x", "y"))

    assert (found["similar_3"] < 0).all()
