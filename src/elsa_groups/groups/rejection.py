"""Draw groups until filters have kept as many as wanted: the notebook's way, and what research asks beyond.

Candidate groups 0, 1, 2, ... of a key are drawn, each from its number alone, and pass the filters in order.
So which are kept depends on nothing but the law, and whoever asks for more gets the same ones first.
"""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.errors import InputError, Unfilled
from elsa_groups.groups.family import Accounting, Family, Groups
from elsa_groups.groups.filters import NAMES, Filters, Lookup, Members, OwnFilters, Verdicts
from elsa_groups.groups.kept import KeptGroups
from elsa_groups.groups.sampler import draw_groups, explain_incomplete
from elsa_groups.similarity.scores import Users

NO_FILTERS = Filters()
# Candidates in memory at a time.
MOST_AT_ONCE = 1 << 16

_FEWEST_AT_ONCE = 64
# So many more are drawn at once than the share kept so far lets expect to be needed.
_MARGIN = 1.1


def draw_kept_groups(
    users: Users,
    family: Family,
    sizes: tuple[int, ...],
    *,
    seed: int,
    filters: Filters = NO_FILTERS,
    lookup: Lookup | None = None,
    given: NDArray[np.int64] | None = None,
    allow_partial: bool = False,
    threads: int = 1,
    most_at_once: int = MOST_AT_ONCE,
    **law: Any,
) -> Groups:
    """Draw the groups of one key, and keep those that pass filters.

    Parameters
    ----------
    users : (n_users, dim) float32, or BinaryHistories
        Unit rows, C-contiguous, or histories.
    family, sizes, seed, threads
        As for :func:`~elsa_groups.groups.sampler.draw_groups`.
    filters : Filters
        What is asked of groups beyond the rules of the family.
    lookup : Lookup, optional
        What these look up, a row for each one of ``users``.
    given : (n_given, sizes[0]) int64, optional
        The first subgroup of each candidate by its number: there are no more candidates than these.
    allow_partial : bool
        Return fewer groups, if any, where a candidate cannot be completed, or the budget or what
        is given is spent.
    most_at_once : int
        Candidates in memory at a time; the groups do not depend on it.
    **law
        The other arguments of ``draw_groups``.

    Returns
    -------
    Groups
        Numbered by the candidates that they are; the accounting covers all candidates up to the last that
        was needed.

    Raises
    ------
    InputError
        If a candidate could not be completed, or the budget was spent; then the message says how many were
        kept, how many each filter rejected, and what to loosen.

    Notes
    -----
    Memory: the groups wanted, and 24 bytes for each candidate.
    """
    law |= {"seed": seed, "threads": threads}
    if not filters.on and not allow_partial:
        return draw_groups(
            users, family, sizes, given=None if given is None else given[: family.n_groups], **law
        )
    key, n_users = family.key(sizes), users.shape[0]
    if not allow_partial:
        check_room(filters, family, sizes, n_users)
    own = OwnFilters(filters, users, lookup, seed=seed)
    kept = KeptGroups(filters, n_users=n_users, n_groups=family.n_groups, size=sum(sizes))
    tally = _Tally(filters, family.n_groups, given)
    draw = partial(draw_part, users, family, sizes, given, **law)
    explain = partial(_explain_candidate, users, family, sizes, given, **law)
    reason = _fill(kept, tally, draw, partial(own.judge, threads=threads), explain, most_at_once)
    if reason and not (allow_partial and kept.count):
        way_out = " Or set allow_partial=true, which keeps what there is." if kept.count else ""
        raise Unfilled(f"{key}: {reason}{way_out}")
    accounting = tally.accounting(kept.n_groups - kept.count, reason)
    return Groups(key, kept.members[: kept.count], sizes, accounting, kept.numbers[: kept.count])


def draw_part(
    users: Users,
    family: Family,
    sizes: tuple[int, ...],
    given: NDArray[np.int64] | None,
    *,
    first: int,
    n_groups: int,
    **law: Any,
) -> Groups:
    """Draw candidates from a number on, each with what is given for it."""
    own = None if given is None else given[first : first + n_groups]
    return draw_groups(users, family, sizes, given=own, first=first, n_groups=n_groups, **law)


def _explain_candidate(
    users: Users,
    family: Family,
    sizes: tuple[int, ...],
    given: NDArray[np.int64] | None,
    number: int,
    **law: Any,
) -> str:
    """Say why the candidate of a number cannot be completed."""
    own = None if given is None else given[number : number + 1]
    return explain_incomplete(users, family, sizes, given=own, **law)


class _Tally:
    """What the candidates took, and what became of them; how many there may be."""

    def __init__(self, filters: Filters, n_groups: int, given: NDArray[np.int64] | None) -> None:
        self.filters, self.drawn = filters, 0
        self.budget = n_groups * (filters.budget if filters.on else 1)
        self.paired = given is not None and len(given) < self.budget
        if given is not None:
            self.budget = min(self.budget, len(given))
        self._counts: Counter[int] = Counter()
        self._parts: list[Accounting] = []

    def add(self, accounting: Accounting, verdicts: Verdicts) -> None:
        """Count the first candidates of a batch, those that have verdicts."""
        part = slice(len(verdicts))
        took = accounting.draws[part], accounting.accepted[part], accounting.restarts[part]
        self._parts.append(Accounting(*took))
        self._counts.update(verdicts.tolist())
        self.drawn += len(verdicts)

    @property
    def rejected(self) -> tuple[tuple[str, int], ...]:
        return tuple((name, self._counts[NAMES.index(name) + 1]) for name in self.filters.on)

    def accounting(self, shortfall: int, reason: str) -> Accounting:
        draws, accepted, restarts = (
            np.concatenate([getattr(part, name) for part in self._parts])
            for name in ("draws", "accepted", "restarts")
        )
        return Accounting(draws, accepted, restarts, self.rejected, shortfall, reason)


def _fill(
    kept: KeptGroups,
    tally: _Tally,
    draw: Callable[..., Groups],
    judge: Callable[[Members], Verdicts],
    explain: Callable[[int], str],
    most_at_once: int,
) -> str:
    """Draw and sift candidates until as many are kept as wanted; return why not, or nothing."""
    while kept.count < kept.n_groups:
        count = min(_expected_need(kept, tally.drawn), most_at_once, tally.budget - tally.drawn)
        if not count:
            return _explain_budget(kept, tally)
        batch = draw(n_groups=count, first=tally.drawn, or_fewer=True)
        verdicts = judge(batch.members)
        seen = kept.sift(batch.members, tally.drawn + np.arange(len(verdicts)), verdicts)
        tally.add(batch.accounting, verdicts[:seen])
        if len(batch.members) < count and kept.count < kept.n_groups:
            before = (
                f" Before it {kept.count:,} of {kept.n_groups:,} groups were found." if kept.count else ""
            )
            return explain(tally.drawn) + before
    return ""


def _expected_need(kept: KeptGroups, drawn: int) -> int:
    """Return how many candidates to draw next; those drawn in vain must not outnumber those needed by far."""
    missing = kept.n_groups - kept.count
    if not drawn:
        return missing
    expected = math.ceil(_MARGIN * missing * drawn / kept.count) if kept.count else 2 * drawn
    return max(min(expected, 2 * drawn), _FEWEST_AT_ONCE)


def _explain_budget(kept: KeptGroups, tally: _Tally) -> str:
    """Say that the budget is spent, by which filters, and what to loosen."""
    told = ", ".join(f"{name} {count:,}" for name, count in tally.rejected if count)
    found = f"of {kept.n_groups:,} groups wanted {kept.count:,} were kept of {tally.drawn:,} drawn"
    if tally.paired:
        return (
            f"{found}, one for each group there is to be paired with{told and f'; rejected by {told}'}."
            " Ask for fewer groups, or for more of the key that they are paired with."
        )
    worst = max(tally.rejected, key=lambda pair: pair[1])[0]
    return (
        f"{found} (filters.budget={tally.filters.budget} for each one wanted); rejected by {told}. Loosen"
        f" filters.{worst}, raise filters.budget, or ask for fewer groups."
    )


def check_room(filters: Filters, family: Family, sizes: tuple[int, ...], n_users: int) -> None:
    """Refuse more groups of a key than there can be, before any is drawn.

    Raises
    ------
    InputError
        Naming the filter that leaves no room for them, and how many it does.
    """
    size = sum(sizes)
    bounds = {
        "distinct_first": n_users,
        "disjoint": n_users // size,
        "max_participation": n_users * (filters.max_participation or 0) // size,
    }
    for name in filters.on:
        if family.n_groups > bounds.get(name, family.n_groups):
            raise InputError(
                f"{family.key(sizes)}: expected at most {bounds[name]:,} groups of {size} from {n_users:,}"
                f" users, as filters.{name} leaves room for no more, came {family.n_groups:,}; loosen it or"
                " ask for fewer"
            )
