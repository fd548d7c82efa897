"""From the record of a groups run to its settings and data as they are on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from elsa_groups.base.errors import InputError, InputsMissing
from elsa_groups.settings import schema
from elsa_groups.settings.schema import conf_dir

if TYPE_CHECKING:
    from elsa_groups.data.interactions import Interactions


def settings_again(lineage: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the recorded settings, with the places that were given for this machine.

    Parameters
    ----------
    lineage : dict
        The record of a groups run; one that is older than a setting means its default.
    settings : dict
        Of the command that reads it: ``data_dir`` and ``path``, both None where the record's own are meant.

    Raises
    ------
    InputError
        If the recorded settings are none of entry point generate.
    """
    asked = schema.complete_recorded(lineage["settings"])
    if settings["data_dir"] is not None:
        asked["data_dir"] = settings["data_dir"]
    if settings["path"] is not None:
        asked["dataset"]["path"] = settings["path"]
    if asked["dataset"].get("urls"):
        # Whoever made the record must not choose what is fetched here.
        published = yaml.safe_load(
            (conf_dir() / "dataset" / f"{asked['dataset']['name']}.yaml").read_text("utf-8")
        )
        asked["dataset"]["urls"] = published["urls"]
    return asked


def load_again(lineage: dict[str, Any], asked: dict[str, Any], settings: dict[str, Any]) -> "Interactions":
    """Load the data from the place given, or else from the very file that was recorded, if it is there.

    Parameters
    ----------
    lineage : dict
        The record of a groups run.
    asked : dict
        From :func:`settings_again`.
    settings : dict
        As there.

    Raises
    ------
    InputsMissing
        If they cannot be loaded.
    """
    from elsa_groups.commands.inputs import load_interactions

    places = asked
    if "path" in asked["dataset"] and settings["path"] is None:
        places = asked | _find_file(Path(lineage["data"]["source"]["uri"]), asked, settings["data_dir"])
    try:
        return load_interactions(places)
    except InputError as error:
        raise InputsMissing(f"{error} (or say where the data are: data_dir=..., path=...)") from error


def _find_file(file: Path, asked: dict[str, Any], data_dir: str | None) -> dict[str, Any]:
    """Return the settings by which a recorded file is found again."""
    dataset = asked["dataset"]
    if data_dir is not None:
        root = Path(data_dir).expanduser()
        there = [place for place in (root / dataset["name"] / file.name, root / file.name) if place.is_file()]
        # Without it there, what the dataset looks for by itself.
        return {"dataset": dataset | {"path": str(there[0]) if there else None}}
    if not file.is_file():
        return {}
    # A relative data_dir was that of another working folder; filtered pairs are kept there.
    roots = [folder.parent for folder in file.parents if folder.name == dataset["name"]]
    return {
        "dataset": dataset | {"path": str(file)},
        "data_dir": str(roots[0]) if roots else asked["data_dir"],
    }
