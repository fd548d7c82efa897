"""Temporary: the filters as settings."""

from dataclasses import dataclass
from enum import StrEnum

from elsa_groups.base.ranges import at_least, between


class Scope(StrEnum):
    history = "history"
    targets = "targets"
    half = "half"


@dataclass(frozen=True)
class Switch:
    value: bool | None = None


@dataclass(frozen=True)
class Count:
    value: int | None = at_least(1, default=None)


@dataclass(frozen=True)
class Limit:
    value: float | None = between(0, 1, default=None)


@dataclass(frozen=True)
class CommonItems(Count):
    scope: Scope = Scope.history


@dataclass(frozen=True, kw_only=True)
class Filters:
    min_history: Count = Count()
    min_pair_similarity: Limit = Limit()
    max_pair_similarity: Limit = Limit()
    min_common_items: CommonItems = CommonItems()
    max_recommendation_overlap: Limit = Limit()
    no_duplicates: Switch = Switch()
    distinct_first: Switch = Switch()
    disjoint: Switch = Switch()
    max_participation: Count = Count()
    max_member_overlap: Limit = Limit()
    budget: int = at_least(1, default=100)
