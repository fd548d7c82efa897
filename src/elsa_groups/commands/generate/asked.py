"""What settings of entry point generate ask for, as objects: light, as start-up checks settings by it."""

from pathlib import Path
from typing import Any

from elsa_groups.base.errors import InputError
from elsa_groups.data.user_sets import UserSet
from elsa_groups.groups.family import GroupType, Rule
from elsa_groups.settings import schema
from elsa_groups.similarity.limits import BandTarget, Method, Target, ThresholdSettings

FROM_FILE = "file"


def group_types(settings: dict[str, Any]) -> list[GroupType]:
    """Return the types of group wanted, in order of the configuration."""
    return [kind for family in schema.families_of(settings) for kind in family.types]


def needs_band(settings: dict[str, Any]) -> bool:
    """Whether a family asks for the rule band."""
    return any(Rule.band in (kind.family.within, kind.family.across) for kind in group_types(settings))


def threshold_settings(settings: dict[str, Any]) -> ThresholdSettings:
    """Return which thresholds are wanted."""
    asked = settings["thresholds"]
    return ThresholdSettings(
        method=Method(asked["method"]),
        users=None if asked["users"] is None else UserSet(asked["users"]),
        similar=Target(**asked["similar"]),
        divergent=Target(**asked["divergent"]),
        band=BandTarget(**{end: Target(**target) for end, target in asked["band"].items()}),
        exact_budget=asked["exact_budget"],
        sampled_pairs=asked["sampled_pairs"],
    )


def user_set_of(settings: dict[str, Any]) -> str:
    """Return the name of the set that groups are drawn from: of a part, or ``file``."""
    return FROM_FILE if settings["user_file"] is not None else str(settings["user_set"])


def check_population(settings: dict[str, Any]) -> None:
    """Refuse users and histories that no data could have.

    Raises
    ------
    InputError
        If both a set and a file are given, or the share of targets is out of range.
    """
    if settings["user_file"] is not None and settings["user_set"] != UserSet.all:
        raise InputError(
            f"user_file: expected user_set=all beside it, got user_set={settings['user_set']}; give one"
        )
    ratio = settings["holdout"]["target_ratio"]
    if not 0 < ratio < 1:
        raise InputError(
            f"holdout.target_ratio: expected a share of items in (0, 1), got {ratio}; correct it"
        )


def read_user_file(settings: dict[str, Any]) -> bytes | None:
    """Return the content of the file of ids, if one was given.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if settings["user_file"] is None:
        return None
    try:
        return Path(settings["user_file"]).expanduser().read_bytes()
    except OSError as error:
        raise InputError(f"user_file: expected a file of user ids, one a line, got {error}") from error
