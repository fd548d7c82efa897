"""What kinds of groups to draw, as data: light, as start-up checks settings by it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from elsa_groups.similarity.limits import Band, Limits


class Rule(IntEnum):
    """A candidate's similarity must be at least ``similar``, at most ``divergent``, in a band, or is any."""

    any = 0
    similar = 1
    divergent = 2
    band = 3

    def interval(self, limits: Limits) -> Band:
        """Return the lowest and the highest similarity that meet the rule; infinite is no limit."""
        if self == Rule.band:
            if limits.band is None:
                raise ValueError("band: expected its lowest and highest similarity, got None")
            return limits.band
        low = float(limits.similar) if self == Rule.similar else -math.inf
        return low, float(limits.divergent) if self == Rule.divergent else math.inf


class Linkage(IntEnum):
    """How a candidate's similarities to the members of a subgroup become one verdict.

    ``mean``: their mean meets the rule (the seed's way); ``all``: every one does; ``any``: at least one does.
    """

    mean = 0
    all = 1
    any = 2


@dataclass(frozen=True)
class Family:
    """A kind of group.

    Attributes
    ----------
    name : str
        Family name, the first part of its keys.
    compositions : tuple of tuple of int
        Subgroup sizes of each type: ``((3,), (5,))`` or ``((2, 1), (3, 2))``.
    within : Rule
        Between members of one subgroup.
    across : Rule
        Between members of different subgroups.
    linkage : Linkage
        For both rules.
    n_groups : int
        Groups wanted of each type.
    paired_with : str, optional
        A key drawn before, or the name of a family that has one key: group g of each type here takes the
        first members of group g there as its first subgroup, and only the others are drawn.
    """

    name: str
    compositions: tuple[tuple[int, ...], ...]
    within: Rule
    across: Rule
    linkage: Linkage
    n_groups: int
    paired_with: str | None = None

    def __post_init__(self) -> None:
        """Check name, sizes and counts."""
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", self.name):
            raise ValueError(
                f"families.{self.name}: expected a name of letters, digits and underscores, as in file names"
            )
        if not self.compositions:
            raise ValueError(f"families.{self.name}.compositions: expected at least one, got none")
        for sizes in self.compositions:
            if not sizes or min(sizes) < 1 or sum(sizes) < 2:
                raise ValueError(
                    f"families.{self.name}.compositions: expected sizes >= 1 that add up to 2 or more,"
                    f" got {list(sizes)}"
                )
            if self.paired_with and len(sizes) < 2:
                raise ValueError(
                    f"families.{self.name}.compositions: expected two subgroups or more, the first of which"
                    f" is that of {self.paired_with}, got {list(sizes)}"
                )
        if len(set(self.compositions)) != len(self.compositions):
            raise ValueError(
                f"families.{self.name}.compositions: the same composition twice in {self.compositions}"
            )
        if self.n_groups < 1:
            raise ValueError(f"families.{self.name}.n_groups: expected >= 1, got {self.n_groups}")

    @property
    def types(self) -> "tuple[GroupType, ...]":
        """The types of group that the family has, one for each composition."""
        return tuple(GroupType(self, sizes) for sizes in self.compositions)


def has_rule(family: Mapping[str, Any]) -> bool:
    """Whether a family asks anything of pairs, by the rules that settings and records name."""
    return {family.get("within"), family.get("across")} != {Rule.any.name}


@dataclass(frozen=True)
class GroupType:
    """One type of group: a family's rules with one composition; all groups of a type have the same size.

    Attributes
    ----------
    family : Family
        Rules, linkage and number of groups.
    sizes : tuple of int
        Subgroup sizes.
    """

    family: Family
    sizes: tuple[int, ...]

    @property
    def has_rule(self) -> bool:
        """Whether it matters to anyone who joins who is there; not in random groups."""
        return {self.family.within, self.family.across} != {Rule.any}

    @property
    def name(self) -> str:
        """The key by which its groups are stored: ``similar_3``, ``opposing_2_1``."""
        return "_".join([self.family.name, *map(str, self.sizes)])

    @property
    def size(self) -> int:
        """Members of a group."""
        return sum(self.sizes)

    @property
    def n_groups(self) -> int:
        """Groups wanted."""
        return self.family.n_groups

    @property
    def without_rules(self) -> "GroupType":
        """The type of random groups of the same name and sizes."""
        anyone = replace(self.family, within=Rule.any, across=Rule.any, linkage=Linkage.mean)
        return GroupType(anyone, self.sizes)

    def asking_for(self, n_groups: int) -> "GroupType":
        """Return the same type, with another number of groups wanted."""
        return GroupType(replace(self.family, n_groups=n_groups), self.sizes)


def find_partners(families: Sequence[Family]) -> dict[str, str]:
    """Return by key the one that it is paired with, where it is.

    Raises
    ------
    ValueError
        If that is no single key drawn before, or its groups are fewer or smaller than needed.
    """
    before: dict[str, GroupType] = {}
    partners = {}
    for family in families:
        for kind in family.types if family.paired_with else ():
            named = [key for key, other in before.items() if family.paired_with in (key, other.family.name)]
            setting = f"families.{family.name}.paired_with"
            if len(named) != 1:
                raise ValueError(
                    f"{setting}: expected one key of a family before it, of {', '.join(before) or 'none'},"
                    f" got {family.paired_with}, which names {len(named)}"
                )
            partner = before[named[0]]
            if partner.size < kind.sizes[0] or partner.n_groups < kind.n_groups:
                raise ValueError(
                    f"{setting}: expected {kind.n_groups} groups of {kind.sizes[0]} members or more, got"
                    f" {partner.name} with {partner.n_groups} of {partner.size}"
                )
            partners[kind.name] = partner.name
        before |= {kind.name: kind for kind in family.types}
    return partners
