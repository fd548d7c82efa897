"""Groups that a reader can judge: who is in them by their items, what they share, how similar they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from elsa_groups.data.interactions import Interactions
from elsa_groups.groups.common_items import items_in_common
from elsa_groups.groups.family import Family, Rule
from elsa_groups.groups.groups import Groups
from elsa_groups.model.embeddings import Embeddings
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.users import Users

Columns = NDArray[np.integer]

# The first by group number: no choice that could flatter a type.
GROUPS_SHOWN = 2
MEMBERS_SHOWN = 12
ITEMS_SHOWN = 5


@dataclass(frozen=True)
class Member:
    """A member of an example.

    Attributes
    ----------
    position, subgroup : int
        As in the files of groups.
    user_id : str
        Who.
    n_items : int
        Length of the history.
    characteristic : tuple of str
        Items of the history that lie closest to the user's embedding, the closest first.
    """

    position: int
    subgroup: int
    user_id: str
    n_items: int
    characteristic: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """Similarity of two members, and whether it is on the right side of its threshold; None by rule any."""

    similarity: float
    right: bool | None


@dataclass(frozen=True)
class Shared:
    """Items in every history of a group or subgroup.

    Attributes
    ----------
    subgroup : int or None
        None for the whole group.
    count : int
        How many.
    names : tuple of str
        Those with the fewest users first.
    """

    subgroup: int | None
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class ExampleGroup:
    """One group.

    Attributes
    ----------
    number : int
        Row of the array of groups.
    size : int
        Members, of which the first are shown.
    members : tuple of Member
        Those shown.
    shared : tuple of Shared
        Of the whole group; where there are several subgroups, of those with two members or more as well.
    pairs : tuple of tuple of Pair
        ``pairs[i][j]``, j < i: members shown at the places i and j.
    """

    number: int
    size: int
    members: tuple[Member, ...]
    shared: tuple[Shared, ...]
    pairs: tuple[tuple[Pair, ...], ...]


@dataclass(frozen=True)
class MemberHistories:
    """Users as a reader knows them: by the items of their histories.

    Attributes
    ----------
    interactions : Interactions
        The histories, and the names of items.
    embeddings : Embeddings
        The users, by whose rows members are given.
    encoder : NDArray[np.float32], shape (n_items, factors)
        Item vectors of the parent.
    """

    interactions: Interactions
    embeddings: Embeddings
    encoder: NDArray[np.float32]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Items in the history of each eligible user, shape (n_users,)."""
        lengths: NDArray[np.int64] = np.diff(self.interactions.matrix.indptr).astype(np.int64)
        return lengths[self.embeddings.rows]

    @cached_property
    def _audience(self) -> NDArray[np.int64]:
        """Users of each item."""
        return np.bincount(self.interactions.matrix.indices, minlength=self.interactions.n_items)

    def of(self, member: int) -> Columns:
        """Return the items of a member, ascending columns."""
        matrix, row = self.interactions.matrix, self.embeddings.rows[member]
        columns: Columns = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
        return columns

    def characteristic(self, member: int) -> Columns:
        """Return the items of a member that point most nearly where its embedding does.

        An embedding is the direction of the sum of its items' vectors: these are the items that it, and so
        every similarity of the user, stands for. An item from outside the user's taste, however rare, is not
        among them. Ties by column. Without item vectors, those with the fewest users.
        """
        columns = self.of(member)
        if not self.encoder.shape[1]:
            return columns[np.argsort(self._audience[columns], kind="stable")[:ITEMS_SHOWN]]
        vectors = self.encoder[columns].astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1)
        cosines = vectors @ self.embeddings.vectors[member] / np.where(lengths, lengths, 1.0)
        # Rounding apart, which could order equals otherwise on another machine.
        return columns[np.argsort(-cosines.round(9), kind="stable")[:ITEMS_SHOWN]]

    def shared(self, members: NDArray[np.int64]) -> Columns:
        """Return the items in every member's history, those with the fewest users first."""
        common = items_in_common(self.interactions.matrix, self.embeddings.rows[members][np.newaxis]).indices
        rarest: Columns = common[np.argsort(self._audience[common], kind="stable")]
        return rarest

    def names(self, columns: Columns) -> tuple[str, ...]:
        """Return the names of items, or their ids where they have none."""
        known = self.interactions.item_names or self.interactions.item_ids
        return tuple(known[column] for column in columns)


def first_groups(
    groups: Groups,
    family: Family,
    histories: MemberHistories,
    users: Users,
    limits: Limits,
) -> tuple[ExampleGroup, ...]:
    """Describe the first groups of a type by number; whatever their number, two are looked at.

    Parameters
    ----------
    groups : Groups
        The groups of a type.
    family : Family
        Its rules.
    histories : MemberHistories
        Their members.
    users : Users
        What they are compared by.
    limits : Limits
        What the rules mean.
    """
    return tuple(
        _describe(number, members, groups.subgroup_of_position, family, histories, users, limits)
        for number, members in enumerate(groups.members[:GROUPS_SHOWN])
    )


def _describe(
    number: int,
    members: NDArray[np.int64],
    subgroups: NDArray[np.int64],
    family: Family,
    histories: MemberHistories,
    users: Users,
    limits: Limits,
) -> ExampleGroup:
    rows, shown = histories.embeddings.rows, members[:MEMBERS_SHOWN]
    described = tuple(
        Member(
            position=position,
            subgroup=int(subgroups[position]),
            user_id=histories.interactions.user_ids[rows[member]],
            n_items=int(histories.lengths[member]),
            characteristic=histories.names(histories.characteristic(member)),
        )
        for position, member in enumerate(shown)
    )
    pairs = _judge(shown, subgroups, family, users, limits)
    return ExampleGroup(number, len(members), described, tuple(_shared(members, subgroups, histories)), pairs)


def _shared(
    members: NDArray[np.int64], subgroups: NDArray[np.int64], histories: MemberHistories
) -> Iterator[Shared]:
    parts: list[tuple[int | None, NDArray[np.int64]]] = [(None, members)]
    if subgroups[-1]:
        parts += [(s, members[subgroups == s]) for s in range(subgroups[-1] + 1)]
    for subgroup, part in parts:
        if len(part) > 1:
            common = histories.shared(part)
            yield Shared(subgroup, len(common), histories.names(common[:ITEMS_SHOWN]))


def _judge(
    members: NDArray[np.int64],
    subgroups: NDArray[np.int64],
    family: Family,
    users: Users,
    limits: Limits,
) -> tuple[tuple[Pair, ...], ...]:
    """Judge every pair by the rule of its subgroups, as :func:`measure_quality` does."""
    firsts, seconds = np.tril_indices(len(members), -1)
    values = iter(users.similarities(members[firsts], members[seconds]).tolist())

    def pair(i: int, j: int) -> Pair:
        value = next(values)
        rule = family.within if subgroups[i] == subgroups[j] else family.across
        if rule == Rule.any:
            return Pair(value, None)
        low, high = rule.interval(limits)
        return Pair(value, low <= value <= high)

    return tuple(tuple(pair(i, j) for j in range(i)) for i in range(len(members)))
