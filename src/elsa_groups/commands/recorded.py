"""From the record of a groups run to its settings and data as they are on this machine."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import InputError, InputsMissing, Unreadable
from elsa_groups.commands.inputs import load_interactions
from elsa_groups.data.datasets import CustomSettings, DatasetSettings
from elsa_groups.data.interactions import Interactions
from elsa_groups.record.schema import Document
from elsa_groups.settings.commands import DataPlaces, GenerateSettings
from elsa_groups.settings.conf import conf_dir
from elsa_groups.settings.plain import from_plain, plain
from elsa_groups.settings.recorded import recorded_settings


def settings_again(lineage: Document, places: DataPlaces) -> GenerateSettings:
    """Return the recorded settings, with the places that were given for this machine.

    Parameters
    ----------
    lineage : dict
        The record of a groups run; one that is older than a setting means its default.
    places : DataPlaces
        Where the data are now.

    Raises
    ------
    InputError
        If the recorded settings are none of the command generate.
    InputsMissing
        If a file is given for data that are in none.
    """
    asked = recorded_settings(lineage["settings"])
    if places.data_dir is not None:
        asked = replace(asked, data_dir=places.data_dir)
    if places.path is not None and not _takes_path(asked.dataset):
        raise InputsMissing(
            f"path: expected none for {asked.dataset.name}, which has no file, got {places.path}"
        )
    given: dict[str, Any] = {} if places.path is None else {"path": places.path}
    if getattr(asked.dataset, "urls", None):
        # Whoever made the record must not choose what is fetched here.
        published = yaml.safe_load((conf_dir() / "dataset" / f"{asked.dataset.name}.yaml").read_text("utf-8"))
        given["urls"] = published["urls"]
    return replace(asked, dataset=_changed(asked.dataset, given))


def _takes_path(dataset: DatasetSettings) -> bool:
    return "path" in {field.name for field in fields(dataset)}


def _changed(dataset: DatasetSettings, values: dict[str, Any]) -> DatasetSettings:
    """Return a dataset with other values of what it is read by."""
    return from_plain(DatasetSettings, plain(dataset) | values, "dataset.")


def load_again(lineage: Document, asked: GenerateSettings, places: DataPlaces) -> Interactions:
    """Load the data from the place given, or else from the very file that was recorded, if it is there.

    Parameters
    ----------
    lineage : dict
        The record of a groups run.
    asked : GenerateSettings
        From :func:`settings_again`.
    places : DataPlaces
        As there.

    Raises
    ------
    InputsMissing
        If they cannot be loaded.
    """
    found = asked.dataset, asked.data_dir
    source = Path(lineage["data"]["source"]["uri"])
    if places.data_dir is None and places.path is None:
        _check_source(source, lineage["data"]["source"]["sha256"])
    if _takes_path(asked.dataset) and places.path is None:
        found = _find_file(source, asked, places.data_dir, lineage["data"]["source"]["sha256"])
    try:
        return load_interactions(*found)
    except Unreadable as error:
        # Another file than the recorded one may be private: it is named without its contents.
        where = places.path or places.data_dir or source
        raise InputsMissing(
            f"data: {where} cannot be read as {asked.dataset.name} with the settings of the record; give"
            f" the recorded file (sha256 {lineage['data']['source']['sha256']})"
        ) from error
    except InputError as error:
        raise InputsMissing(f"{error} (or say where the data are: data_dir=..., path=...)") from error


def _check_source(file: Path, recorded: str) -> None:
    """Refuse a file that only the record points at, unless it is the very one that was recorded.

    Whoever made the record must not choose which other file of this machine is read, or told of.
    """
    if file.is_file() and (found := file_digest(file)) != recorded:
        raise InputsMissing(
            f"data: {file} is not the recorded file (sha256 {recorded}, found {found}); restore it, or"
            " give the file yourself to compare it anyway: path=... or data_dir=..."
        )


def _find_file(
    file: Path, asked: GenerateSettings, data_dir: str | None, recorded: str
) -> tuple[DatasetSettings, str]:
    """Return the dataset and the folder by which a recorded file is found again."""
    dataset = asked.dataset
    if data_dir is not None:
        root = Path(data_dir).expanduser()
        there = [place for place in (root / dataset.name / file.name, root / file.name) if place.is_file()]
        if not there and isinstance(dataset, CustomSettings):
            raise InputsMissing(f"data_dir: expected {file.name} in {root}, got none; give it as path=...")
        # Without it there, what the dataset looks for by itself.
        return _changed(dataset, {"path": str(there[0]) if there else None}), asked.data_dir
    if not file.is_file():
        if given := getattr(dataset, "path", None):
            _check_source(Path(given).expanduser(), recorded)
        return dataset, asked.data_dir
    # A relative data_dir was that of another working folder; filtered pairs are kept there.
    roots = [folder.parent for folder in file.parents if folder.name == dataset.name]
    return _changed(dataset, {"path": str(file)}), str(roots[0]) if roots else asked.data_dir
