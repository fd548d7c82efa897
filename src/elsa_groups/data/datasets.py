"""The datasets: what each is read by, and with which options. Light, as start-up checks settings by it.

To add one: a module with its reader, a class here, and a file in conf/dataset.
"""

from dataclasses import dataclass
from typing import ClassVar

from elsa_groups.base.ranges import at_least


@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """What every dataset has; options of one dataset are in its subclass.

    Attributes
    ----------
    reader : str
        Module and function of its reader, as ``module:function``.
    """

    reader: ClassVar[str]
    name: str
    min_user_interactions: int = at_least(0)
    min_item_interactions: int = at_least(0)


@dataclass(frozen=True, kw_only=True)
class LastFM1kSettings(DatasetSettings):
    """Last.fm 1K listening events."""

    reader: ClassVar[str] = "elsa_groups.data.lastfm1k:read_lastfm1k"
    path: str | None = None
    urls: tuple[str, ...]
    archive_md5: str | None = None
    member_md5: str | None = None


@dataclass(frozen=True, kw_only=True)
class EchoNestSettings(LastFM1kSettings):
    """Echo Nest Taste Profile triplets."""

    reader: ClassVar[str] = "elsa_groups.data.echonest:read_echonest"
    exclude_mismatches: str | None = None


@dataclass(frozen=True, kw_only=True)
class MovieLensSettings(DatasetSettings):
    """MovieLens ratings of one variant."""

    reader: ClassVar[str] = "elsa_groups.data.movielens:read_movielens"
    path: str | None = None
    variant: str | None = None
    min_rating: float
    urls: dict[str, tuple[str, ...]]
    archive_md5: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class CustomSettings(DatasetSettings):
    """Any table with a user and an item column."""

    reader: ClassVar[str] = "elsa_groups.data.table:read_table"
    path: str
    user_column: str
    item_column: str


@dataclass(frozen=True, kw_only=True)
class DemoSettings(DatasetSettings):
    """Generated users with planted communities."""

    reader: ClassVar[str] = "elsa_groups.data.demo:read_demo"
    n_users: int
    n_items: int


DATASETS: dict[str, type[DatasetSettings]] = {
    "LastFM1k": LastFM1kSettings,
    "EchoNest": EchoNestSettings,
    "MovieLens": MovieLensSettings,
    "Custom": CustomSettings,
    "Demo": DemoSettings,
}
