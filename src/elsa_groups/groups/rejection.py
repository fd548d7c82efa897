"""Draw groups until filters have kept as many as wanted: the notebook's way, and what research asks beyond.

Candidate groups 0, 1, 2, ... of a type are drawn, each from its number alone, and pass the filters in order.
So which are kept depends on nothing but the law, and whoever asks for more gets the same ones first.
"""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from elsa_groups.base.errors import Unfilled
from elsa_groups.base.runtime import ALONE, Runtime
from elsa_groups.base.threads import SharedTasks, run_workers
from elsa_groups.groups.candidates import Candidates, Filtered, Lookup, check_lookup
from elsa_groups.groups.family import GroupType
from elsa_groups.groups.filters import Filters
from elsa_groups.groups.groups import Accounting, Groups
from elsa_groups.groups.kept import KEPT, KeptGroups, Members, Verdicts, number_of
from elsa_groups.groups.possible import list_possible
from elsa_groups.groups.room import Exhaustion, check_room, find_room_among
from elsa_groups.groups.sampler import WANTED, Law, explain_incomplete, sample_groups
from elsa_groups.similarity.users import Users

# Candidates in memory at a time.
MOST_AT_ONCE = 1 << 16

_FEWEST_AT_ONCE = 64
# Candidates at first where all groups are wanted, then as many as before: if in vain, that is soon known.
_FIRST = 1024
# So many more are drawn at once than the share kept so far lets expect to be needed.
_MARGIN = 1.1
_PER_TASK = 1024


def draw_kept_groups(
    users: Users,
    kind: GroupType,
    law: Law,
    filters: Filters,
    lookup: Lookup | None,
    *,
    given: Members | None = None,
    allow_partial: bool = False,
    runtime: Runtime = ALONE,
) -> Groups:
    """Draw the groups of one type, and keep those that pass filters.

    Parameters
    ----------
    users, kind, law, runtime
        As for :func:`~elsa_groups.groups.sampler.sample_groups`.
    filters : Filters
        What is asked of groups beyond the rules of the family.
    lookup : Lookup or None
        What these look up, a row for each one of ``users``.
    given : (n_given, sizes[0]) int64, optional
        The first subgroup of each candidate by its number: there are no more candidates than these.
    allow_partial : bool
        Return fewer groups, if any, where a candidate cannot be completed, or the budget or what
        is given is spent.

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
    source = _Candidacy(users, kind, law, given, runtime)
    if not filters.on and not allow_partial:
        return source.draw(0, kind.n_groups, or_fewer=False)
    if not allow_partial:
        check_room(filters, kind, users.n_users, lookup)
    judge = OwnFilters(filters, users, lookup, law.seed)
    kept = KeptGroups(filters, n_users=users.n_users, n_groups=kind.n_groups, size=kind.size)
    tally = _Tally(filters, kind.n_groups, given)
    exhaustion = Exhaustion(tally.budget, kind.n_groups, any_will_do=allow_partial)
    reason = _fill(kept, tally, source, judge, exhaustion)
    if reason and not (allow_partial and kept.count):
        raise Unfilled(f"{kind.name}: {reason}{_ways_out(tally) if kept.count else ''}")
    accounting = tally.accounting(kept.n_groups - kept.count, reason)
    return Groups(kind.name, kept.members, kind.sizes, accounting, kept.numbers)


@dataclass(frozen=True, eq=False)
class _Candidacy:
    """Whence candidates come, by their numbers, each with what is given for it."""

    users: Users
    kind: GroupType
    law: Law
    given: Members | None
    runtime: Runtime

    def draw(self, first: int, count: int, *, or_fewer: bool) -> Groups:
        own = None if self.given is None else self.given[first : first + count]
        return sample_groups(
            self.users, self.kind, self.law,
            first=first, n_groups=count, given=own, or_fewer=or_fewer, runtime=self.runtime,
        )  # fmt: skip

    def find_room(self, filters: Filters, own: "OwnFilters") -> float:
        """Count how many groups there can be, whatever the seed; infinite where that is not known."""
        # Of halves of the users, which are many, listing would take longer than it saves.
        if not filters.on or self.given is not None or self.law.stream != WANTED:
            return math.inf
        possible = list_possible(self.users, self.kind, self.law.limits)
        # Of a type that cannot be completed the sampler says at which step it starves.
        if possible is None or not len(possible):
            return math.inf
        return find_room_among(filters, possible[own.judge(possible, threads=self.runtime.threads) == KEPT])

    def explain(self, number: int) -> str:
        """Say why the candidate of a number cannot be completed."""
        own = None if self.given is None else self.given[number : number + 1]
        return explain_incomplete(self.users, self.kind, self.law, own)


class OwnFilters:
    """The filters that look at a candidate alone."""

    def __init__(self, filters: Filters, users: Users, lookup: Lookup | None, seed: int) -> None:
        check_lookup(filters, lookup)
        self._filtered = Filtered(users, lookup, seed)
        self._filters = [
            (number_of(name), each) for name, each in filters.on.items() if hasattr(each, "passes")
        ]

    def judge(self, members: Members, *, threads: int = 1) -> Verdicts:
        """Return for each candidate 0, or the number of the first filter that rejects it.

        Parameters
        ----------
        members : (n_candidates, size) int64
            Rows of the users.
        threads : int
            Threads over candidates; nothing depends on it.
        """
        verdicts = np.zeros(len(members), np.int8)
        # So that what is looked up is made once, and not by every thread.
        for _, each in self._filters:
            each.passes(Candidates(members[:0], self._filtered))

        def worker(tasks: SharedTasks[int]) -> None:
            for start in tasks:
                part = slice(start, start + _PER_TASK)
                for number, each in self._filters:
                    standing = start + np.flatnonzero(verdicts[part] == KEPT)
                    passes = each.passes(Candidates(members[standing], self._filtered))
                    verdicts[standing[~passes]] = number

        if self._filters:
            run_workers(worker, range(0, len(members), _PER_TASK), threads=threads)
        return verdicts


class _Tally:
    """What the candidates took, and what became of them; how many there may be."""

    def __init__(self, filters: Filters, n_groups: int, given: Members | None) -> None:
        self.filters, self.n_groups, self.drawn = filters, n_groups, 0
        self.budget = n_groups * (filters.budget if filters.on else 1)
        self.paired = given is not None and len(given) < self.budget
        if given is not None:
            self.budget = min(self.budget, len(given))
        self.starved = False
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
        return tuple((name, self._counts[number_of(name)]) for name in self.filters.on)

    def accounting(self, shortfall: int, reason: str) -> Accounting:
        draws, accepted, restarts = (
            np.concatenate([getattr(part, name) for part in self._parts])
            for name in ("draws", "accepted", "restarts")
        )
        return Accounting(draws, accepted, restarts, self.rejected, shortfall, reason)


def _fill(
    kept: KeptGroups, tally: _Tally, source: _Candidacy, own: OwnFilters, exhaustion: Exhaustion
) -> str:
    """Draw and sift candidates until as many are kept as wanted; return why not, or nothing."""
    while kept.count < kept.n_groups:
        # A few candidates are drawn sooner than the groups that there can be are counted.
        if exhaustion.room is None and max(tally.drawn, kept.n_groups) > _FIRST:
            exhaustion.room = source.find_room(tally.filters, own)
        need = _expected_need(kept, tally.drawn)
        if not exhaustion.any_will_do:
            need = min(need, max(_FIRST, tally.drawn))
        count = min(need, MOST_AT_ONCE, tally.budget - tally.drawn)
        hopeless = exhaustion.found(tally.drawn, kept.count)
        if hopeless or not count:
            return _explain_end(kept, tally, hopeless)
        batch = source.draw(tally.drawn, count, or_fewer=True)
        verdicts = own.judge(batch.members, threads=source.runtime.threads)
        seen = kept.sift(batch.members, tally.drawn, verdicts)
        tally.add(batch.accounting, verdicts[:seen])
        if len(batch.members) < count and kept.count < kept.n_groups:
            tally.starved = True
            before = (
                f" Before it {kept.count:,} of {kept.n_groups:,} groups were found." if kept.count else ""
            )
            return source.explain(tally.drawn) + before
    return ""


def _expected_need(kept: KeptGroups, drawn: int) -> int:
    """Return how many candidates to draw next; those drawn in vain must not outnumber those needed by far."""
    missing = kept.n_groups - kept.count
    if not drawn:
        return missing
    expected = math.ceil(_MARGIN * missing * drawn / kept.count) if kept.count else 2 * drawn
    return max(min(expected, 2 * drawn), _FEWEST_AT_ONCE)


def _explain_end(kept: KeptGroups, tally: _Tally, hopeless: str) -> str:
    """Say why no more candidates are drawn, what filters rejected, and how many groups may be asked for."""
    told = ", ".join(f"{name} {count:,}" for name, count in tally.rejected if count)
    found = f"of {kept.n_groups:,} groups wanted {kept.count:,} were kept of {tally.drawn:,} drawn"
    if tally.paired and not hopeless:
        end = ", one for each group there is to be paired with"
        return f"{found}{end}{told and f'; rejected by {told}'}.{_fewer(kept, tally)}"
    why = hopeless or f"filters.budget={tally.filters.budget} for each one wanted"
    return f"{found} ({why}); rejected by {told or 'none'}.{_fewer(kept, tally)}"


def _ways_out(tally: _Tally) -> str:
    """Say what else would do: to take what there is, or to leave out the filters that compare groups."""
    rejected = dict(tally.rejected)
    comparing = [name for name, each in tally.filters.on.items() if not hasattr(each, "passes")]
    alike = sum(rejected[name] for name in comparing)
    # Where others reject candidates too, nobody knows whether enough of those to come would pass.
    only_alike = 0 < alike == sum(rejected.values())
    ways = ["allow_partial=true, which keeps what there is"]
    if only_alike and not tally.starved and tally.budget >= tally.n_groups:
        without = " ".join(f"filters.{name}.value=null" for name in comparing)
        ways.append(f"{without}, without which groups may be alike")
    return f" Or set {'; or '.join(ways)}."


def _fewer(kept: KeptGroups, tally: _Tally) -> str:
    """Say of how many groups it is certain that they can be had: the first ones kept, within their budget."""
    allowed = tally.filters.budget if tally.filters.on else 1
    enough = [m for m, number in enumerate(kept.numbers.tolist(), start=1) if number < m * allowed]
    return f" Ask for {enough[-1]:,} groups of it, which are there." if enough else ""
