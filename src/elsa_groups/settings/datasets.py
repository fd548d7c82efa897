"""The part of the schema that is about datasets: what each is read by."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING


@dataclass
class DatasetConf:
    """What every dataset has; options of one dataset are in its subclass."""

    name: str = MISSING
    min_user_interactions: int = MISSING
    min_item_interactions: int = MISSING


@dataclass
class LastFM1kConf(DatasetConf):
    """Last.fm 1K listening events."""

    path: str | None = None
    urls: list[str] = MISSING
    archive_md5: str | None = None
    member_md5: str | None = None


@dataclass
class EchoNestConf(LastFM1kConf):
    """Echo Nest Taste Profile triplets."""

    exclude_mismatches: str | None = None


@dataclass
class MovieLensConf(DatasetConf):
    """MovieLens ratings of one variant."""

    path: str | None = None
    variant: str | None = None
    min_rating: float = MISSING
    urls: dict[str, list[str]] = MISSING
    archive_md5: dict[str, str] = MISSING


@dataclass
class CustomConf(DatasetConf):
    """Any table with a user and an item column."""

    path: str = MISSING
    user_column: str = MISSING
    item_column: str = MISSING


@dataclass
class DemoConf(DatasetConf):
    """Generated users with planted communities."""

    n_users: int = MISSING
    n_items: int = MISSING


DATASETS: dict[str, Any] = {
    "LastFM1k": LastFM1kConf,
    "EchoNest": EchoNestConf,
    "MovieLens": MovieLensConf,
    "Custom": CustomConf,
    "Demo": DemoConf,
}
