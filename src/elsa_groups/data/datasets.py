"""The datasets: what each is read by, and with which options. Light, as start-up checks settings by it.

To add one: a module with its reader, a class here and its line in DATASETS, and a file in conf/dataset.
"""

from dataclasses import dataclass
from typing import ClassVar

from elsa_groups.base.ranges import at_least

# What data sets are cited by, as BibTeX: by LastFM-1K's own README, and as others cite the others.
_LASTFM1K = r"""
@book{celma2010music,
  author = {Celma, {\`O}scar},
  title = {Music Recommendation and Discovery in the Long Tail},
  publisher = {Springer},
  year = {2010}
}
""".strip()
_ECHONEST = r"""
@inproceedings{mcfee2012million,
  author = {McFee, Brian and Bertin-Mahieux, Thierry and Ellis, Daniel P. W. and Lanckriet, Gert R. G.},
  title = {The Million Song Dataset Challenge},
  booktitle = {Proceedings of the 21st International Conference on World Wide Web, WWW '12 Companion},
  pages = {909--916},
  year = {2012},
  doi = {10.1145/2187980.2188222}
}
""".strip()
_MOVIELENS = r"""
@article{harper2015movielens,
  author = {Harper, F. Maxwell and Konstan, Joseph A.},
  title = {The {MovieLens} Datasets: History and Context},
  journal = {ACM Transactions on Interactive Intelligent Systems},
  volume = {5},
  number = {4},
  pages = {19:1--19:19},
  year = {2015},
  doi = {10.1145/2827872}
}
""".strip()


@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """What every dataset has; options of one dataset are in its subclass.

    Attributes
    ----------
    reader : str
        Module and function of its reader, as ``module:function``.
    licence : str
        What its makers say of its use; a hint, as only their own words count. Empty: not known.
    reference : str or None
        What it is cited by, an entry of BibTeX; empty if there is nothing to cite, None if it is the user's.
    """

    reader: ClassVar[str]
    licence: ClassVar[str] = ""
    reference: ClassVar[str | None] = None
    name: str
    min_user_interactions: int = at_least(0)
    min_item_interactions: int = at_least(0)


@dataclass(frozen=True, kw_only=True)
class LastFM1kSettings(DatasetSettings):
    """Last.fm 1K listening events."""

    reader: ClassVar[str] = "elsa_groups.data.lastfm1k:read_lastfm1k"
    licence = "The data set LastFM-1K is for non-commercial use, with the permission of Last.fm."
    reference = _LASTFM1K
    path: str | None = None
    urls: tuple[str, ...]
    archive_md5: str | None = None
    member_md5: str | None = None


@dataclass(frozen=True, kw_only=True)
class EchoNestSettings(LastFM1kSettings):
    """Echo Nest Taste Profile triplets."""

    reader: ClassVar[str] = "elsa_groups.data.echonest:read_echonest"
    licence = "The Taste Profile data set is for research, not for commercial use."
    reference = _ECHONEST
    exclude_mismatches: str | None = None


@dataclass(frozen=True, kw_only=True)
class MovieLensSettings(DatasetSettings):
    """MovieLens ratings of one variant."""

    reader: ClassVar[str] = "elsa_groups.data.movielens:read_movielens"
    licence = (
        "The MovieLens data sets are for non-commercial use; the README of each archive says how they may be"
        " passed on."
    )
    reference = _MOVIELENS
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
    licence = "The data are generated: nobody has rights in them."
    reference = ""
    n_users: int
    n_items: int


DATASETS: dict[str, type[DatasetSettings]] = {
    "LastFM1k": LastFM1kSettings,
    "EchoNest": EchoNestSettings,
    "MovieLens": MovieLensSettings,
    "Custom": CustomSettings,
    "Demo": DemoSettings,
}


def dataset_class(dataset: str) -> type[DatasetSettings]:
    """Return the settings of a dataset by its name; those that every dataset has if there is none of it."""
    return DATASETS.get(dataset, DatasetSettings)
