"""The part of the schema that is about filters."""

import math
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from elsa_groups.base.errors import InputError
from elsa_groups.groups.filters import CommonItemsScope, Filters


@dataclass
class SwitchConf:
    """A filter that is on or off."""

    value: bool | None = None


@dataclass
class CountConf:
    """A filter with a number as its limit; null: off."""

    value: int | None = None


@dataclass
class LimitConf:
    """A filter with a share or a similarity as its limit; null: off."""

    value: float | None = None


class ScopeConf(Enum):
    """Where common items are counted."""

    history = "history"
    targets = "targets"
    half = "half"


@dataclass
class CommonItemsConf(CountConf):
    """A filter by items that all members have."""

    scope: ScopeConf = ScopeConf.history


@dataclass
class FiltersConf:
    """What is asked of groups beyond their family; see :class:`elsa_groups.groups.filters.Filters`.

    The defaults are those of a record that was made before there were filters.
    """

    min_history: CountConf = field(default_factory=CountConf)
    min_pair_similarity: LimitConf = field(default_factory=LimitConf)
    max_pair_similarity: LimitConf = field(default_factory=LimitConf)
    min_common_items: CommonItemsConf = field(default_factory=CommonItemsConf)
    max_recommendation_overlap: LimitConf = field(default_factory=LimitConf)
    no_duplicates: SwitchConf = field(default_factory=SwitchConf)
    distinct_first: SwitchConf = field(default_factory=SwitchConf)
    disjoint: SwitchConf = field(default_factory=SwitchConf)
    max_participation: CountConf = field(default_factory=CountConf)
    max_member_overlap: LimitConf = field(default_factory=LimitConf)
    budget: int = 100


# Least and largest values, as in the schema.
FILTER_RANGES: dict[str, tuple[float, float]] = {
    "filters.min_history.value": (1, math.inf),
    "filters.min_pair_similarity.value": (0, 1),
    "filters.max_pair_similarity.value": (0, 1),
    "filters.min_common_items.value": (1, math.inf),
    "filters.max_recommendation_overlap.value": (0, 1),
    "filters.max_participation.value": (1, math.inf),
    "filters.max_member_overlap.value": (0, 1),
    "filters.budget": (1, math.inf),
}


def filters_of(settings: dict[str, Any]) -> Filters:
    """Return what completed settings ask of groups beyond their families.

    Raises
    ------
    InputError
        If no pair of members could pass, or items held out are asked for where nothing is held out.
    """
    asked = settings["filters"]
    parts: dict[str, Any] = {field.name: field for field in fields(Filters)}
    filters = Filters(
        **{
            name: part if name == "budget" else type(parts[name].default)(**part)
            for name, part in asked.items()
            if name in parts
        }
    )
    least, most = filters.min_pair_similarity.value, filters.max_pair_similarity.value
    if least is not None and most is not None and least > most:
        raise InputError(
            f"filters.min_pair_similarity: expected at most {most}, as filters.max_pair_similarity,"
            f" got {least}"
        )
    common = filters.min_common_items
    held_out = CommonItemsScope(common.scope) == CommonItemsScope.targets
    if common.value is not None and held_out and settings["history"] == "full":
        raise InputError(
            "filters.min_common_items.scope: expected history or half with history=full, which holds nothing"
            " out, got targets; set history=inputs"
        )
    return filters
