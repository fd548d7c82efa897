"""The groups of one type, and what drawing them took."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.family import GroupType

Kind = TypeVar("Kind")


class ByType(Mapping[str, Kind]):
    """What is known of the groups of each type, by the type's name; those that derive from it hold it."""

    _groups: Mapping[str, Kind]

    def __getitem__(self, key: str) -> Kind:
        return self._groups[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)


@dataclass(frozen=True)
class Accounting:
    """What drawing the groups of a type took.

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

    draws: NDArray[np.int64]
    accepted: NDArray[np.int64]
    restarts: NDArray[np.int64]
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
    """The groups of one type.

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
    members: NDArray[np.int64]
    sizes: tuple[int, ...]
    accounting: Accounting
    kept: NDArray[np.int64] | None = None

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Number by which each group was drawn, ascending, shape (n_groups,): its draws follow from it."""
        return np.arange(len(self.members)) if self.kept is None else self.kept

    @property
    def family(self) -> str:
        """Name of the family: the key without its sizes."""
        return self.key.removesuffix("".join(f"_{size}" for size in self.sizes))

    @property
    def subgroup_of_position(self) -> NDArray[np.int64]:
        """Subgroup number of each position, shape (size,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


def first_subgroups(
    partner: str | None, members: Mapping[str, NDArray[np.int64]], kind: GroupType
) -> NDArray[np.int64] | None:
    """Return the first subgroup of each group that is paired with one of the partner, by its place there."""
    return None if partner is None else members[partner][:, : kind.sizes[0]]
