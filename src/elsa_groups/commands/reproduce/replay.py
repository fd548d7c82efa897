"""Tell whether a recorded group is one the sampler draws, but for decisions that rounding may turn.

Another machine's embeddings, and so its thresholds, may differ in their last digits. A decision then turns
out otherwise only if it lay next to a threshold. Which user a draw offers depends on no similarity, so the
recorded group can be sought along the same draws, with such decisions going either way.
"""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, combinations, count, islice

import numpy as np
from numpy.typing import NDArray

from elsa_groups.commands.reproduce.decisions import Attempt, Decisions
from elsa_groups.groups.family import Family
from elsa_groups.similarity.limits import Band
from elsa_groups.similarity.users import Users

# Float32 embeddings that differ in their last digits move a similarity by some 1e-7.
TOLERANCE = 1e-6
# A handful of decisions lie that near in a group; thousands do only where similarities are tied.
_MAX_TURNED = 3000


@dataclass(frozen=True)
class Replay:
    """How a recorded group relates to the present draws.

    The *slack* of a decision is by how much the candidate's similarity is on the right side of a threshold:
    ``value - similar`` or ``divergent - value``, where the value is the mean (linkage ``mean``), the worst
    (``all``) or the best (``any``) of its similarities to the members of a subgroup; the least slack counts
    where several subgroups have a rule. At 0 or more it joins. Its *margin* is the slack's absolute value:
    so far both thresholds would have to move to turn the decision.

    A *way* to the recorded group is the present draws with some decisions turned. The way meant below is
    the one whose largest margin is least.

    Attributes
    ----------
    explained : bool
        Whether there is a way on which no turned decision has a margin above the tolerance.
    margin : float or None
        The largest margin of a turned decision on the way; 0 if none is turned. None: no way was found, as
        when the recorded members were never drawn, or in an attempt that is not come to any more.
    turned : int
        Decisions turned on the way.
    position : int or None
        If not explained, where the group parts from the draws: the position that the first turned decision
        with a margin above the tolerance was about. Without a way, that or the first position left open,
        where the recorded group can be followed farthest.
    complete : bool
        False if there were too many decisions within the tolerance to try them all: a group that is not
        explained might be, and a margin might not be the least.
    refiltered : bool
        Whether it is about a filter that decides otherwise than the record says; the margin is then that of
        a pair's similarity to its limit, None if no such limit is near.
    """

    explained: bool
    margin: float | None
    turned: int
    position: int | None
    complete: bool
    refiltered: bool = False


def replay_group(
    users: Users,
    family: Family,
    sizes: tuple[int, ...],
    group: int,
    recorded: NDArray[np.int64],
    *,
    similar: float,
    divergent: float,
    band: Band | None = None,
    seed: int,
    stream: str = "groups",
    n_given: int = 0,
    max_draws: int | None = 1000,
    max_restarts: int = 10_000,
    tolerance: float = TOLERANCE,
) -> Replay:
    """Seek a recorded group along the draws of :func:`~elsa_groups.groups.sampler.draw_groups`.

    Parameters
    ----------
    users : (n_users, dim) float32, or BinaryHistories
        Unit rows, C-contiguous, or histories: the present ones.
    family, sizes, similar, divergent, band, seed, stream, max_draws, max_restarts
        As for ``draw_groups``.
    group : int
        Number of the group.
    recorded : (size,) int64
        Its recorded members as numbers of ``users``; -1 stands for a user who has none.
    n_given : int
        So many of its first members were not drawn but given.
    tolerance : float
        Margin up to which a decision may go either way. Margins are distances from the present thresholds:
        those of the recording may have differed by rounding too, which is part of the tolerance.

    Returns
    -------
    Replay

    Raises
    ------
    ValueError
        If ``recorded`` has not as many members as the sizes add up to, or there are fewer users than that.

    Notes
    -----
    Decisions go by reference similarities, as those of ``draw_groups`` do in effect. Those of an attempt
    that was dropped, and those about whom a complete list qualifies (``max_draws`` None), are turned within
    the tolerance only; those of an attempt on the way to the recorded group, whatever their margin. So a
    group is explained if and only if it can be (but for ``complete``), while beyond the tolerance there may
    be ways that are not found.
    """
    recorded = np.asarray(recorded, np.int64)
    if recorded.shape != (sum(sizes),):
        raise ValueError(f"recorded: expected {sum(sizes)} members, came shape {recorded.shape}")
    if users.shape[0] < len(recorded):
        raise ValueError(f"users: expected at least {len(recorded)}, came {users.shape[0]}")
    if (recorded[:n_given] < 0).any():
        return Replay(False, None, 0, 0, True)
    decisions = Decisions(
        users, family, sizes, group, similar=similar, divergent=divergent, band=band, seed=seed,
        stream=stream,
    )  # fmt: skip
    replay = _Search(decisions, recorded, n_given, max_draws, max_restarts, tolerance).run()
    if replay.explained or replay.complete:
        return replay
    some_way = _Search(
        decisions, recorded, n_given, max_draws, max_restarts, tolerance, depth_first=True
    ).run()
    return replace(some_way, complete=False) if some_way.explained else replay


@dataclass(frozen=True)
class _Way(Attempt):
    """Draws gone through so far, and the decisions turned among them.

    ``parted`` is the number of members joined, and the position, at the first decision turned beyond the
    tolerance. ``follows``: this attempt is to become the recorded group; otherwise it is to be dropped.
    """

    restarts: int
    margin: float
    turned: int
    follows: bool = False
    parted: tuple[int, int] | None = None


class _Search:
    """Ways to the recorded group: least margin first, or depth first, which finds some way among many."""

    def __init__(
        self,
        decisions: Decisions,
        recorded: NDArray[np.int64],
        n_given: int,
        max_draws: int | None,
        max_restarts: int,
        tolerance: float,
        depth_first: bool = False,
    ) -> None:
        self.decisions, self.recorded, self.tolerance = decisions, recorded, tolerance
        self.n_given, self.max_draws, self.max_restarts = n_given, max_draws, max_restarts
        self.ways: list[tuple[float, bool, int, int, _Way]] = []
        self.depth_first = depth_first
        self.numbers = count()
        self.complete = True
        self.n_turned = {True: 0, False: 0}
        self.begun: set[tuple[int, int]] = set()
        self.farthest = 0, 0

    def run(self) -> Replay:
        self._begin(0, 0, 0.0, 0)
        while self.ways:
            way = self._go_on(heapq.heappop(self.ways)[-1])
            if way is not None:
                position = way.parted[1] if way.parted else None
                return Replay(position is None, way.margin, way.turned, position, self.complete)
        return Replay(False, None, 0, self.farthest[1], self.complete)

    def _push(self, way: _Way) -> None:
        # Of equal margins those that follow the record first, then those with fewest decisions turned.
        order = way.margin, not way.follows, way.turned, next(self.numbers)
        if self.depth_first:
            order = float(way.margin > self.tolerance), not way.follows, 0, -order[-1]
        heapq.heappush(self.ways, (*order, way))

    def _push_turned(self, ways: list[_Way]) -> None:
        for way in ways:
            near = way.margin <= self.tolerance
            self.n_turned[near] += 1
            if self.n_turned[near] <= _MAX_TURNED:
                self._push(way)
            elif near:
                self.complete = False

    def _begin(self, draw: int, restarts: int, margin: float, turned: int) -> None:
        """Begin an attempt, unless a way with no larger margin has come to it already."""
        if restarts > self.max_restarts or (draw, restarts) in self.begun:
            return
        self.begun.add((draw, restarts))
        members, counts = np.full_like(self.recorded, -1), np.zeros_like(self.decisions.sizes)
        if self.n_given:
            members[: self.n_given], counts[0] = self.recorded[: self.n_given], self.n_given
        else:
            members[0], counts[0] = self.decisions.first(draw), 1
            draw += 1
        way = _Way(members, counts, 1 % len(counts), draw, draw + self._patience, restarts, margin, turned)
        self._push(way)
        if members[0] == self.recorded[0]:
            self._push(replace(way, follows=True))

    @property
    def _patience(self) -> int:
        return self.decisions.n_users if self.max_draws is None else self.max_draws

    def _go_on(self, way: _Way) -> _Way | None:
        """Go on to the end of the attempt; return the way if that is the recorded group."""
        if not way.follows and self.max_draws is not None and (way.until, way.restarts + 1) in self.begun:
            return None
        turned: list[_Way] = []
        while way.joined < len(self.recorded):
            wanted = self._wanted(way)
            user, turn, draw, slack = self.decisions.next(way, wanted, self.tolerance)
            way = replace(way, turn=turn, draw=draw)
            if user < 0:
                self._run_out(way, turned)
                return None
            joins, is_wanted = slack >= 0, user == wanted[turn]
            near = abs(slack) <= self.tolerance
            # On the way to the recorded group nobody else may join; who is wanted may, or when drawn again.
            choice = joins or is_wanted if way.follows else near
            if choice and math.isfinite(slack):
                turned.append(self._turned(way, user, slack))
            if way.follows and joins and not is_wanted:
                if not math.isfinite(slack):
                    self._end(way)
                break
            way = self._after(way, user, joins)
        else:
            if way.follows:
                return way
        self._push_turned(turned)
        return None

    def _wanted(self, way: _Way) -> NDArray[np.int64]:
        """Return who is to join each subgroup next: nobody in particular in an attempt to be dropped."""
        if not way.follows:
            return np.full_like(way.counts, -1)
        return self.recorded[np.minimum(self.decisions.starts + way.counts, len(self.recorded) - 1)]

    def _turned(self, way: _Way, user: int, slack: float) -> _Way:
        """Return the way on which the decision about a user is turned."""
        position = int(self.decisions.starts[way.turn] + way.counts[way.turn])
        beyond = (way.joined, position) if abs(slack) > self.tolerance else None
        way = replace(
            way,
            margin=max(way.margin, abs(slack)),
            turned=way.turned + 1,
            parted=way.parted or beyond,
        )
        return self._after(way, user, slack < 0)

    def _after(self, way: _Way, user: int, joins: bool) -> _Way:
        """Return the way after a draw, whose user joins or not."""
        turn, draw = (way.turn + 1) % len(way.counts), way.draw + 1
        if not joins:
            return replace(way, turn=turn, draw=draw)
        members, counts = way.members.copy(), way.counts.copy()
        members[self.decisions.starts[way.turn] + counts[way.turn]] = user
        counts[way.turn] += 1
        until = draw + self._patience if self.max_draws is None else way.until
        return replace(way, members=members, counts=counts, turn=turn, draw=draw, until=until)

    def _run_out(self, way: _Way, turned: list[_Way]) -> None:
        """Drop the attempt after its last draw; without ``max_draws``, go on by lists of who qualifies."""
        if self.max_draws is None:
            self._push_turned(turned)
            self._push_of_lists(way)
        elif way.follows:
            self._push_turned(turned)
            self._end(way)
        else:
            # Turned or not, the next attempt begins with the same draw.
            self._end(way)

    def _end(self, way: _Way) -> None:
        """Drop the attempt; a way that follows the record ends here."""
        if not way.follows:
            self._begin(way.draw, way.restarts + 1, way.margin, way.turned)
            return
        still_open = way.counts < self.decisions.sizes
        reached = way.parted or (way.joined, int((self.decisions.starts + way.counts)[still_open][0]))
        self.farthest = max(self.farthest, reached, key=lambda ends: ends[0])

    def _push_of_lists(self, way: _Way) -> None:
        """Go on from complete lists of who qualifies, near decisions in them going either way."""
        slacks = self.decisions.slacks(way)
        near = [(s, user) for s, user in np.argwhere(np.abs(slacks) <= self.tolerance).tolist()]
        room = max(_MAX_TURNED - self.n_turned[True], 0)
        n_others = 2 ** len(near) - 1
        self.complete &= n_others <= room
        self.n_turned[True] += min(n_others, room)
        for chosen in islice(_subsets(near), room + 1):
            self._go_on_by_lists(way, slacks, chosen)

    def _go_on_by_lists(
        self, way: _Way, slacks: NDArray[np.float64], chosen: tuple[tuple[int, int], ...]
    ) -> None:
        """Let the next user join, some decisions of the lists being turned."""
        qualifies = slacks >= 0
        for s, user in chosen:
            qualifies[s, user] = not qualifies[s, user]
        margins = [abs(float(slacks[s, user])) for s, user in chosen]
        way = replace(way, margin=max(way.margin, *margins, 0.0), turned=way.turned + len(chosen))
        if not qualifies.any():
            self._end(way)
            return
        wanted = self._wanted(way)
        user, turn, draw = self.decisions.next_of_lists(way, qualifies)
        if way.follows and user != wanted[turn]:
            self._end(way)
            return
        self._push(self._after(replace(way, turn=turn, draw=draw), user, True))


def _subsets(pairs: list[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], ...]]:
    """All subsets, the empty one first."""
    return chain.from_iterable(combinations(pairs, n) for n in range(len(pairs) + 1))
