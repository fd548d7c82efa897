"""Tell whether filters decide about recorded groups as the record says, but for what rounding may turn."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsa_groups.commands.reproduce.replay import TOLERANCE, Replay
from elsa_groups.groups.candidates import Lookup, pair_extremes
from elsa_groups.groups.family import Family
from elsa_groups.groups.filters import Filters
from elsa_groups.groups.kept import KEPT, KeptGroups, Members
from elsa_groups.groups.rejection import OwnFilters
from elsa_groups.similarity.users import Users


def refilter(
    users: Users,
    family: Family,
    sizes: tuple[int, ...],
    numbers: NDArray[np.int64],
    members: Members,
    *,
    filters: Filters,
    lookup: Lookup | None,
    given: NDArray[np.int64] | None = None,
    seed: int,
    tolerance: float = TOLERANCE,
    threads: int = 1,
    **law: Any,
) -> dict[int, Replay]:
    """Find candidates that the filters decide about otherwise than a record says.

    Each is judged beside the recorded groups before it. Candidates that were rejected are not recorded and
    are taken to be the present ones.

    Parameters
    ----------
    users : (n_users, dim) float32, or BinaryHistories
        Unit rows, C-contiguous, or histories: the present ones.
    family, sizes, seed, threads, **law
        As for :func:`~elsa_groups.groups.sampler.draw_groups`.
    numbers : (n_groups,) int64
        Ascending numbers of the recorded groups.
    members : (n_groups, size) int64
        Their members as rows of ``users``, negative for a user who has none.
    filters : Filters
        What was asked.
    lookup : Lookup, optional
        What these look up, as it is now.
    given : (n_given, sizes[0]) int64, optional
        The first subgroup of each candidate by its number, as it is now.
    tolerance : float
        So far similarities of a pair may lie on the wrong side of a filter's limit.

    Returns
    -------
    dict of int to Replay
        By number; explained where a pair's similarity lies within the tolerance of a limit, so that
        rounding may have turned the decision.
    """
    loose, tight = (_with_limits_moved(filters, by) for by in (tolerance, -tolerance))
    # One more than recorded, so that candidates after the last one are looked at too.
    options = {"n_users": users.shape[0], "n_groups": len(numbers) + 1, "size": sum(sizes)}
    judges = [
        (OwnFilters(moved, users, lookup, seed=seed), KeptGroups(moved, **options))
        for moved in (filters, loose, tight)
    ]
    found: dict[int, Replay] = {}
    draw = partial(draw_part, users, family, sizes, given, seed=seed, threads=threads, or_fewer=True, **law)
    # A record of fewer groups than wanted tells of all candidates that there may be.
    short = len(numbers) < family.n_groups
    n_candidates = family.n_groups * filters.budget if short else int(numbers[-1]) + 1
    n_candidates = n_candidates if given is None else min(n_candidates, len(given))
    for first in range(0, n_candidates, MOST_AT_ONCE):
        candidates = draw(first=first, n_groups=min(MOST_AT_ONCE, n_candidates - first)).members
        now = first + np.arange(len(candidates))
        _put_recorded(candidates, now, numbers, members)
        kept = np.isin(now, numbers)
        passes = []
        for own, before in judges:
            verdicts = own.judge(candidates, threads=threads)
            before.sift(candidates, now, verdicts, kept)
            passes.append(verdicts == KEPT)
        explained = np.where(kept, passes[1], ~passes[2])
        for i in np.flatnonzero(passes[0] != kept):
            margin = _margin(filters, users, candidates[i : i + 1]) if explained[i] else None
            found[int(now[i])] = Replay(bool(explained[i]), margin, int(explained[i]), None, True, True)
        if len(candidates) < min(MOST_AT_ONCE, n_candidates - first):
            break
    return found


def _with_limits_moved(filters: Filters, by: float) -> Filters:
    """Return the filters with limits of pair similarities looser by so much."""
    least, most = filters.min_pair_similarity, filters.max_pair_similarity
    return replace(
        filters,
        min_pair_similarity=None if least is None else least - by,
        max_pair_similarity=None if most is None else most + by,
    )


def _put_recorded(candidates: Members, now: Members, numbers: Members, members: Members) -> None:
    """Put recorded groups whose members are all known in the place of the candidates of their numbers."""
    known = (members >= 0).all(axis=1) & np.isin(numbers, now)
    candidates[numbers[known] - now[0]] = members[known]


def _margin(filters: Filters, users: Users, group: Members) -> float:
    """Return how far the pairs of a group are from the nearest limit of a filter."""
    limits = filters.min_pair_similarity, filters.max_pair_similarity
    extremes = pair_extremes(users, group)[0].tolist()
    return min(abs(value - limit) for value, limit in zip(extremes, limits, strict=True) if limit is not None)
