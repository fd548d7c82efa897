"""How many groups filters leave room for, and when it is known that no more will be found."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from elsa_groups.base.errors import InputError
from elsa_groups.groups.family import GroupType
from elsa_groups.groups.filters import Filters

if TYPE_CHECKING:
    from elsa_groups.groups.candidates import Lookup

Members = NDArray[np.int64]

# Log likelihood ratio by which candidates are given up: a chance of at most e^-50 that it was wrong.
_CERTAIN = 50.0
# Candidates in vain after which more groups are unlikely: so many, and so many times what one took before.
LONG, _GAPS = 1 << 18, 50
# Candidates for each group there can be where that is fewer than wanted: most of them have occurred then.
_ROUNDS, _FEWEST = 4, 1024


def find_room(
    filters: Filters, kind: GroupType, n_users: int, lookup: "Lookup | None" = None
) -> tuple[float, str]:
    """Count how many groups of a type there can be at most, whatever the similarities.

    Parameters
    ----------
    filters : Filters
        What is asked of groups beyond the rules of the family.
    kind : GroupType
        Its size counts; filters compare groups by their members, whatever the subgroup.
    n_users : int
        Whom groups are drawn from.
    lookup : Lookup, optional
        With it only users whose histories pass ``min_history`` count.

    Returns
    -------
    room : float
        An integer; infinite if no filter is on that bounds it.
    why : str
        From whom, and what bounds it.

    Notes
    -----
    ``no_duplicates`` leaves the C(n, k) sets of k of n users. Of groups that share at most t members with
    each other there are at most ``n / k * ((n - 1) / (k - 1) * ...)``, t + 1 factors each rounded down.

    References
    ----------
    Johnson, "A New Upper Bound for Error-Correcting Codes", IRE Transactions on Information Theory 8, 1962,
    doi 10.1109/TIT.1962.1057714.
    """
    n, size = n_users, kind.size
    shortest = filters.min_history.value
    whom = f"{n_users:,} users"
    if shortest is not None and lookup is not None:
        n = int((lookup.lengths >= shortest).sum())
        whom = f"the {n:,} of {n_users:,} users with {shortest:,} items or more"
    bounds = _bounds(filters, size, members=n, firsts=n, sets=math.comb(n, size))
    if n < size and "min_history" in filters.on:
        bounds["min_history"] = 0
    if not bounds:
        return math.inf, ""
    name = min(bounds, key=lambda each: bounds[each])
    return bounds[name], f"{whom}, as filters.{name} leaves room for no more"


def find_room_among(filters: Filters, possible: Members) -> float:
    """Count how many groups that filters compare with each other there can be at most among those listed.

    Parameters
    ----------
    filters : Filters
        What is asked of groups beyond the rules of the family.
    possible : (n, size) int64
        All groups that can be drawn and that pass the filters which look at a group alone, the user whom a
        group starts from first; a set of members may occur more than once.

    Returns
    -------
    float
        An integer; infinite if no filter is on that bounds it.
    """
    sets = len(np.unique(np.sort(possible, axis=1), axis=0))
    if not sets:
        return 0
    firsts, members = len(np.unique(possible[:, 0])), len(np.unique(possible))
    bounds = _bounds(filters, possible.shape[1], members=members, firsts=firsts, sets=sets)
    return min(bounds.values(), default=math.inf)


def _bounds(filters: Filters, size: int, *, members: int, firsts: int, sets: int) -> dict[str, float]:
    """Return by filter how many groups it leaves room for, of so many users, first members and sets."""
    exact: dict[str, float] = {
        "no_duplicates": sets,
        "distinct_first": firsts,
        "disjoint": members // size,
        "max_participation": members * (filters.max_participation.value or 0) // size,
        "max_member_overlap": _overlapping(members, size, filters.max_member_overlap.value or 0.0, sets),
    }
    return {name: bound for name, bound in exact.items() if name in filters.on}


def _overlapping(n: int, size: int, overlap: float, sets: int) -> float:
    """Return Johnson's bound on groups of which any two share at most this part of their members.

    Unless that is all of them, they are different sets, of which there may be fewer.
    """
    shared = max(m for m in range(size + 1) if m / size <= overlap)
    if shared == size:
        return math.inf
    bound = 1
    for i in range(shared, -1, -1):
        bound = bound * max(n - i, 0) // (size - i)
    return min(bound, sets)


def check_room(filters: Filters, kind: GroupType, n_users: int, lookup: "Lookup | None" = None) -> None:
    """Refuse more groups of a type than there can be, before any is drawn.

    Raises
    ------
    InputError
        Naming the filter that leaves no room for them, and how many it does.
    """
    check_size(kind, n_users)
    room, why = find_room(filters, kind, n_users, lookup)
    if kind.n_groups > room:
        raise InputError(
            f"{kind.name}: expected at most {int(room):,} groups of {kind.size} from {why}, got"
            f" {kind.n_groups:,}; loosen it or ask for fewer"
        )


def check_size(kind: GroupType, n_users: int) -> None:
    """Refuse groups of more members than there are users."""
    if n_users < kind.size:
        raise InputError(
            f"{kind.name}: expected at least {kind.size} users to draw a group from, got {n_users};"
            " choose a larger set"
        )


class Exhaustion:
    """Knows from counts alone when drawing more is in vain.

    The share of candidates that filters keep never rises, as the groups kept before only add reasons to
    reject. So a batch of candidates bounds what later ones can bring.

    Attributes
    ----------
    any_will_do : bool
        Whether fewer groups than wanted are welcome.
    room : float, optional
        How many groups there can be at most, infinite if that cannot be known; None before it is counted.
    """

    def __init__(self, budget: int, n_groups: int, *, any_will_do: bool) -> None:
        """Take the candidates allowed and the groups wanted: any of them, or only all."""
        self._budget, self._n_groups = budget, n_groups
        self.any_will_do = any_will_do
        self.room: float | None = None
        self._before, self._last = (0, 0), (0, 0)

    def found(self, drawn: int, kept: int) -> str:
        """Return why no more should be drawn, or nothing.

        Parameters
        ----------
        drawn, kept : int
            Candidates so far, and how many were kept; neither may fall from call to call.

        Notes
        -----
        No more are drawn when all that there can be were found, nor, where more are wanted than there can be,
        after four candidates for each of these. Otherwise, where all groups are wanted: the share kept in the
        last batch is compared with the share that the rest of the budget would have to bring, by the
        likelihood ratio of two binomials. Where any will do: nothing was kept of 262,144 candidates, and of
        50 times as many as a group took before.
        """
        (drawn_before, kept_before), now = self._before, (drawn, kept)
        self._before = now
        if kept > kept_before:
            self._last = now
        if self.room is not None and self.room < self._n_groups:
            enough = drawn >= max(_FEWEST, _ROUNDS * self.room) and not self.any_will_do
            if kept >= self.room or enough:
                count = f"at most {int(self.room):,}" if self.room else "none"
                return f"there can be {count}, counted one by one"
        if self.any_will_do:
            vain = drawn - self._last[0]
            dry = kept and vain >= max(LONG, _GAPS * self._last[0] / kept)
            if not dry:
                return ""
            # Clopper and Pearson's upper limit where none of so many is kept.
            most = -math.expm1(math.log(0.05) / vain)
            bound = f"at most {most:.2g} of candidates are kept now, with 95% confidence"
            return f"none of the last {vain:,}: {bound}, so that more are not to be expected"
        batch, brought = drawn - drawn_before, kept - kept_before
        left, missing = self._budget - drawn, self._n_groups - kept
        if batch and left and _is_less(brought, batch, min(missing, left), left):
            return f"{brought:,} of the last {batch:,}, so that the rest is not to be expected"
        return ""


def _is_less(brought: int, batch: int, missing: int, left: int) -> bool:
    """Whether a share kept is certainly below the share needed, by the likelihood ratio."""
    if brought * left >= missing * batch:
        return False
    seen = np.array([brought, batch - brought, missing, left - missing], np.float64)
    pooled = (brought + missing) / (batch + left)
    expected = np.array([batch, batch, left, left]) * np.array([pooled, 1 - pooled] * 2)
    return bool(rel_entr(seen, expected).sum() > _CERTAIN)
