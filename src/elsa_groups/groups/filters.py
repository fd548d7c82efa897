"""Filters: which of the candidate groups that are drawn, in order of their number, are kept.

Each filter is one class, and one field of :class:`Filters`, which is also what conf/filters is typed by. Some
look at a candidate alone, and have a method ``passes``; the others look at the groups kept before it too
(:mod:`elsa_groups.groups.kept`). Light, as start-up checks settings by it.

To add one: a class and its field here, what it looks up in groups/candidates.py, a line in
conf/filters/none.yaml.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from elsa_groups.base.ranges import at_least, share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from elsa_groups.groups.candidates import Candidates

    Passing = NDArray[np.bool_]


class CommonItemsScope(StrEnum):
    """Where common items are counted.

    In histories, in the interactions held out of them, or in the part of histories that lies within half of
    the catalogue: a random half, or the one in which SAGEA's filter counts them.
    """

    history = "history"
    targets = "targets"
    half = "half"
    sagea = "sagea"


def _asked(value: float | None) -> float:
    """Return the limit of a filter that is on."""
    if value is None:
        raise ValueError("value: expected the limit of a filter that is on, got None")
    return value


class Filter:
    """What every filter has.

    Attributes
    ----------
    asks : str
        What it asks of a group that is kept, as a paper says it, with ``{value}`` and ``{scope}`` filled in.
    value : int, float, bool or None
        Its limit; None and False ask nothing.
    """

    asks: ClassVar[str]
    value: Any

    @property
    def needs(self) -> str:
        """What it looks up: an attribute of ``Lookup`` in groups/candidates.py; empty if nothing."""
        return ""


@dataclass(frozen=True)
class MinHistory(Filter):
    """Items in the history of every member, at least; None is off."""

    asks = "every member has at least {value} items"
    value: int | None = at_least(1, default=None)

    @property
    def needs(self) -> str:
        """Return what it looks up."""
        return "histories"

    def passes(self, candidates: "Candidates") -> "Passing":
        """Return which candidates pass, shape (n_candidates,)."""
        return candidates.shortest_history() >= _asked(self.value)


@dataclass(frozen=True)
class MinPairSimilarity(Filter):
    """Similarity of every pair of members, at least; None is off."""

    asks = "every pair of members has a similarity of at least {value}"
    value: float | None = share(default=None)

    def passes(self, candidates: "Candidates") -> "Passing":
        """Return which candidates pass, shape (n_candidates,)."""
        return candidates.pair_extremes()[:, 0] >= _asked(self.value)


@dataclass(frozen=True)
class MaxPairSimilarity(Filter):
    """Similarity of every pair of members, at most; None is off."""

    asks = "every pair of members has a similarity of at most {value}"
    value: float | None = share(default=None)

    def passes(self, candidates: "Candidates") -> "Passing":
        """Return which candidates pass, shape (n_candidates,)."""
        return candidates.pair_extremes()[:, 1] <= _asked(self.value)


@dataclass(frozen=True)
class MinCommonItems(Filter):
    """Items that every member has, at least; None is off."""

    asks = "the members have at least {value} items in common in {scope}"
    value: int | None = at_least(1, default=None)
    scope: CommonItemsScope = CommonItemsScope.history

    @property
    def needs(self) -> str:
        """Where common items are counted; a half of the catalogue is of histories."""
        elsewhere = {CommonItemsScope.targets: "targets", CommonItemsScope.sagea: "everybody"}
        return elsewhere.get(self.scope, "histories")

    def passes(self, candidates: "Candidates") -> "Passing":
        """Return which candidates pass, shape (n_candidates,)."""
        return candidates.common_items(self.scope) >= _asked(self.value)


@dataclass(frozen=True)
class MaxRecommendationOverlap(Filter):
    """Share of top items that two members have in common, mean over all pairs, at most; None is off."""

    asks = "members share at most {value} of their 20 best recommendations, in the mean over pairs"
    value: float | None = share(default=None)

    @property
    def needs(self) -> str:
        """Return what it looks up."""
        return "top_items"

    def passes(self, candidates: "Candidates") -> "Passing":
        """Return which candidates pass, shape (n_candidates,)."""
        return candidates.recommendation_overlap() <= _asked(self.value)


@dataclass(frozen=True)
class NoDuplicates(Filter):
    """No two groups of the same members."""

    asks = "no other group of the type has the same members"
    value: bool | None = None


@dataclass(frozen=True)
class DistinctFirst(Filter):
    """No two groups with the same first member, as in Kaya et al. (RecSys 2020).

    Its doi is 10.1145/3383313.3412232.
    """

    asks = "no other group of the type starts from the same user [@kaya2020fairness]"
    value: bool | None = None


@dataclass(frozen=True)
class Disjoint(Filter):
    """Nobody is in two groups."""

    asks = "no member is in another group of the type"
    value: bool | None = None


@dataclass(frozen=True)
class MaxParticipation(Filter):
    """Groups that a user may be in, at most; None is off."""

    asks = "no user is in more than {value} groups of the type"
    value: int | None = at_least(1, default=None)


@dataclass(frozen=True)
class MaxMemberOverlap(Filter):
    """``|a & b| / size`` of any two groups, at most; None is off."""

    asks = "no two groups of the type share more than {value} of their members"
    value: float | None = share(default=None)


@dataclass(frozen=True)
class Filters:
    """What is asked of groups beyond the rules of their family.

    A candidate that several filters reject is counted for the first of them, in the order of these fields:
    those that look at a candidate alone, cheapest first, and then the others.

    Attributes
    ----------
    budget : int
        Candidates drawn at most for each group wanted.
    """

    min_history: MinHistory = MinHistory()
    min_pair_similarity: MinPairSimilarity = MinPairSimilarity()
    max_pair_similarity: MaxPairSimilarity = MaxPairSimilarity()
    min_common_items: MinCommonItems = MinCommonItems()
    max_recommendation_overlap: MaxRecommendationOverlap = MaxRecommendationOverlap()
    no_duplicates: NoDuplicates = NoDuplicates()
    distinct_first: DistinctFirst = DistinctFirst()
    disjoint: Disjoint = Disjoint()
    max_participation: MaxParticipation = MaxParticipation()
    max_member_overlap: MaxMemberOverlap = MaxMemberOverlap()
    budget: int = at_least(1, default=100)

    @property
    def on(self) -> dict[str, Filter]:
        """The filters that ask something, by name, in order."""
        filters = {name: getattr(self, name) for name in NAMES}
        # A limit of 0 asks something, though it equals False.
        return {
            name: each for name, each in filters.items() if each.value is not None and each.value is not False
        }


NAMES = tuple(field.name for field in fields(Filters) if field.name != "budget")
NO_FILTERS = Filters()
