"""What a record may decide, and what it may not."""

import pytest
import yaml

from elsa_groups.base.errors import InputsMissing
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.recorded import load_again, settings_again
from elsa_groups.settings.commands import DataPlaces
from elsa_groups.settings.conf import conf_dir
from elsa_groups.settings.plain import plain

HERE = DataPlaces()


@pytest.fixture
def recorded() -> dict:
    overrides = ["dataset=LastFM1k", "seed=7", "threads=16", "dataset.urls=[http://example.org/x.tar.gz]"]
    return plain(compose_settings("generate", overrides))


def test_settings_are_those_of_the_record_but_for_places_and_what_is_fetched(recorded):
    published = yaml.safe_load((conf_dir() / "dataset" / "LastFM1k.yaml").read_text())["urls"]

    again = plain(settings_again({"settings": recorded}, HERE))

    dataset = recorded["dataset"] | {"urls": published}
    assert again == recorded | {"dataset": dataset}


def test_a_place_that_is_given_counts(recorded):
    again = settings_again({"settings": recorded}, DataPlaces(data_dir="elsewhere", path="file.tsv"))

    assert (again.data_dir, again.dataset.path) == ("elsewhere", "file.tsv")


# Settings of the first records; whatever came later has a value that means what was done before it.
FIRST = {
    "dataset", "data_dir", "parent", "n_groups", "seed", "threads", "device", "pin", "thresholds", "families",
    "sampling", "baseline", "overlap",
}  # fmt: skip


def test_records_of_before_a_setting_can_be_read(recorded):
    first = {name: value for name, value in recorded.items() if name in FIRST}
    first["thresholds"] = {
        name: v for name, v in first["thresholds"].items() if name not in ("users", "band")
    }

    again = plain(settings_again({"settings": first}, HERE))

    assert again["evidence"] == {"halves": None}
    assert (again["user_set"], again["history"], again["allow_partial"]) == ("all", "full", False)
    assert {name: again[name] for name in first if name not in ("dataset", "thresholds")} == {
        name: first[name] for name in first if name not in ("dataset", "thresholds")
    }


def test_a_folder_without_the_table_is_an_input_missing(tmp_path):
    asked = compose_settings("generate", ["dataset=Custom", f"dataset.path={tmp_path}/gone/mine.csv"])
    source = {"uri": f"{tmp_path}/gone/mine.csv", "sha256": "0" * 64}
    with pytest.raises(InputsMissing, match=r"data_dir: expected mine\.csv in "):
        load_again({"data": {"source": source}}, asked, DataPlaces(data_dir=str(tmp_path)))


def test_a_given_file_that_cannot_be_read_is_named_without_its_contents(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("secret,letters\nprivate,words\n")
    asked = compose_settings("generate", ["dataset=Custom", f"dataset.path={file}"])
    source = {"uri": f"{tmp_path}/gone/mine.csv", "sha256": "0" * 64}
    with pytest.raises(InputsMissing, match=r"mine\.csv cannot be read as Custom") as raised:
        load_again({"data": {"source": source}}, asked, DataPlaces(path=str(file)))
    assert not {"secret", "letters", "private", "words"} & set(str(raised.value).replace("'", " ").split())
