"""Settings from plain values: of a composed configuration, or of the record of a run."""

from collections.abc import Mapping
from typing import Any, TypeVar

from elsa_groups.base.errors import InputError
from elsa_groups.base.nested import flatten
from elsa_groups.settings.commands import GenerateSettings
from elsa_groups.settings.families import read_families
from elsa_groups.settings.plain import from_plain, plain

T = TypeVar("T")


def read_settings(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return the settings of a command that nested plain values describe, families among them.

    Raises
    ------
    InputError
        If they are none of that command.
    """
    if "families" in values:
        n_groups = values.get("n_groups", 0)
        values = {**values, "families": read_families(values["families"], n_groups)}
    return from_plain(kind, values)


def recorded_settings(values: Mapping[str, Any]) -> GenerateSettings:
    """Return the settings that a groups run recorded, checked as those of a command line are.

    Parameters
    ----------
    values : mapping
        ``settings`` of the record, of this or an earlier version: what it lacks means the default.

    Raises
    ------
    InputError
        If they are not settings of the command generate.
    """
    # A record is read as it stands: whoever made it must not choose what is looked up here.
    for name, value in flatten(values).items():
        if "${" in str(value):
            raise InputError(f"settings of the record: {name}: expected a plain value, got an interpolation")
    try:
        return read_settings(GenerateSettings, values)
    except InputError as error:
        raise InputError(f"settings of the record: {error}; was lineage.json changed?") from error


def with_every_setting(lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of groups with all settings; one that is older than a setting means its default.

    Raises
    ------
    InputError
        If its settings are none of the command generate.
    """
    return {**lineage, "settings": plain(recorded_settings(lineage["settings"]))}
