"""What kinds of groups to draw, as data, and the drawn groups themselves."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

from elsa_groups.similarity.limits import Band


class Rule(IntEnum):
    """A candidate's similarity must be at least ``similar``, at most ``divergent``, in a band, or is any."""

    any = 0
    similar = 1
    divergent = 2
    band = 3

    def interval(self, *, similar: float, divergent: float, band: Band | None = None) -> Band:
        """Return the lowest and the highest similarity that meet the rule; infinite is no limit."""
        if self == Rule.band:
            if band is None:
                raise ValueError("band: expected its lowest and highest similarity, came None")
            return band
        low = similar if self == Rule.similar else -math.inf
        return low, divergent if self == Rule.divergent else math.inf


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
        Subgroup sizes of each key: ``((3,), (5,))`` or ``((2, 1), (3, 2))``.
    within : Rule
        Between members of one subgroup.
    across : Rule
        Between members of different subgroups.
    linkage : Linkage
        For both rules.
    n_groups : int
        Groups wanted of each key.
    paired_with : str, optional
        A key drawn before, or the name of a family that has one key: group g of each key here takes the
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
            raise ValueError(f"families.{self.name}.compositions: expected at least one, came none")
        for sizes in self.compositions:
            if not sizes or min(sizes) < 1 or sum(sizes) < 2:
                raise ValueError(
                    f"families.{self.name}.compositions: expected sizes >= 1 that add up to 2 or more,"
                    f" came {list(sizes)}"
                )
            if self.paired_with and len(sizes) < 2:
                raise ValueError(
                    f"families.{self.name}.compositions: expected two subgroups or more, the first of which"
                    f" is that of {self.paired_with}, came {list(sizes)}"
                )
        if len(set(self.compositions)) != len(self.compositions):
            raise ValueError(
                f"families.{self.name}.compositions: the same composition twice in {self.compositions}"
            )
        if self.n_groups < 1:
            raise ValueError(f"families.{self.name}.n_groups: expected >= 1, came {self.n_groups}")

    def key(self, sizes: tuple[int, ...]) -> str:
        """Return the key of one composition: ``similar_3``, ``opposing_2_1``."""
        return "_".join([self.name, *map(str, sizes)])


def find_partners(families: Sequence[Family]) -> dict[str, str]:
    """Return by key the one that it is paired with, where it is.

    Raises
    ------
    ValueError
        If that is no single key drawn before, or its groups are fewer or smaller than needed.
    """
    before: dict[str, tuple[Family, tuple[int, ...]]] = {}
    partners = {}
    for family in families:
        for sizes in family.compositions if family.paired_with else ():
            named = [key for key, (other, _) in before.items() if family.paired_with in (key, other.name)]
            setting = f"families.{family.name}.paired_with"
            if len(named) != 1:
                raise ValueError(
                    f"{setting}: expected one key of a family before it, of {', '.join(before) or 'none'},"
                    f" came {family.paired_with}, which names {len(named)}"
                )
            other, other_sizes = before[named[0]]
            if sum(other_sizes) < sizes[0] or other.n_groups < family.n_groups:
                raise ValueError(
                    f"{setting}: expected {family.n_groups} groups of {sizes[0]} members or more, came"
                    f" {named[0]} with {other.n_groups} of {sum(other_sizes)}"
                )
            partners[family.key(sizes)] = named[0]
        before |= {family.key(sizes): (family, sizes) for sizes in family.compositions}
    return partners


def first_subgroups(
    partner: str | None, members: "dict[str, NDArray[np.int64]]", sizes: tuple[int, ...]
) -> "NDArray[np.int64] | None":
    """Return the first subgroup of each group that is paired with one of the partner, by its place there."""
    return None if partner is None else members[partner][:, : sizes[0]]


@dataclass(frozen=True)
class Accounting:
    """What drawing the groups of a key took.

    Attributes
    ----------
    draws : NDArray[np.int64], shape (n_drawn,)
        Candidates considered per group drawn, whether filters kept it or not, dropped attempts included
        (first members are not candidates).
    accepted : NDArray[np.int64], shape (n_drawn,)
        Candidates accepted per group drawn, dropped attempts included.
    restarts : NDArray[np.int64], shape (n_drawn,)
        Attempts dropped per group drawn after ``max_draws`` draws.
    rejected : tuple of (str, int)
        Groups drawn that each filter rejected, each counted for the first that did; filters that are off
        are not named. Drawn groups are those kept and those rejected.
    shortfall : int
        Groups wanted that are not there.
    reason : str
        Why not; empty if all are.
    """

    draws: "NDArray[np.int64]"
    accepted: "NDArray[np.int64]"
    restarts: "NDArray[np.int64]"
    rejected: tuple[tuple[str, int], ...] = ()
    shortfall: int = 0
    reason: str = ""

    @property
    def candidates(self) -> int:
        """Groups drawn, of which filters kept some."""
        return len(self.draws)

    @property
    def acceptance_rate(self) -> float:
        """Accepted over considered candidates, over all groups drawn."""
        return float(self.accepted.sum() / self.draws.sum())


@dataclass(frozen=True)
class Groups:
    """The groups of one key.

    Attributes
    ----------
    key : str
        ``<family>_<sizes>``.
    members : NDArray[np.int64], shape (n_groups, size)
        Rows of the :class:`Embeddings` they were drawn from (``embeddings.rows[members]`` are rows of the
        parent's users.json), subgroup after subgroup, in the order they joined.
    sizes : tuple of int
        Subgroup sizes; they add up to ``size``.
    accounting : Accounting
        Draws, accepted candidates and restarts.
    kept : NDArray[np.int64], shape (n_groups,), optional
        Ascending numbers of the drawn groups that filters kept; None where all are.
    """

    key: str
    members: "NDArray[np.int64]"
    sizes: tuple[int, ...]
    accounting: Accounting
    kept: "NDArray[np.int64] | None" = None

    @property
    def numbers(self) -> "NDArray[np.int64]":
        """Number by which each group was drawn, ascending, shape (n_groups,): its draws follow from it."""
        import numpy as np

        return np.arange(len(self.members)) if self.kept is None else self.kept

    @property
    def family(self) -> str:
        """Name of the family: the key without its sizes."""
        return self.key.removesuffix("".join(f"_{size}" for size in self.sizes))

    @property
    def subgroup_of_position(self) -> "NDArray[np.int64]":
        """Subgroup number of each position, shape (size,)."""
        import numpy as np

        return np.repeat(np.arange(len(self.sizes)), self.sizes)
