"""Thresholds and groups drawn again from random halves of the users, which intervals are made from."""

import logging
from dataclasses import dataclass, field, replace

import torch

from elsa_groups.base.errors import InputError
from elsa_groups.base.precision import full_float32
from elsa_groups.base.progress import progress
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.threads import SharedTasks, run_workers
from elsa_groups.commands.generate.drawn import DrawnFrom, DrawnKey
from elsa_groups.groups.family import find_partners
from elsa_groups.groups.groups import first_subgroups
from elsa_groups.groups.rejection import draw_kept_groups
from elsa_groups.groups.sampler import Law, Members
from elsa_groups.measures.jackknife import random_halves, size_of_half
from elsa_groups.similarity.limits import Method, Thresholds
from elsa_groups.similarity.thresholds import find_thresholds

log = logging.getLogger("elsa_groups.cli")

# Attempts at groups of a type that a half of the users is worth, and how often one of them may start over: a
# key may take thousands of attempts a group. Intervals allow for fewer groups, but not for hardly any.
_ATTEMPTS_OF_HALF, _FEWEST_OF_HALF = 2_000, 20
# Thresholds of a half are exact where comparing all of its pairs costs at most so many multiply-adds (6,000
# users of 256 dimensions), even if those of all users are sampled: that takes less time than a million
# sampled pairs. Otherwise they come from so many sampled pairs.
EXACT_BUDGET, _SAMPLED_PAIRS = 1e10, 1_000_000

# Why there are no intervals of a type, as records and pages say it.
_TOO_MANY_ATTEMPTS = "its groups take too many attempts to be drawn again from halves of the users"
_NO_THRESHOLDS = "half of the users makes no thresholds"
_NOT_FILLED = "half of the users cannot fill it"


@dataclass(frozen=True)
class _OfHalf:
    """Members by type, as rows of all users, of one half; why not, by type; why there are no thresholds."""

    members: dict[str, Members] = field(default_factory=dict)
    unfilled: dict[str, str] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, eq=False)
class Halves:
    """What was drawn again from random halves of the users.

    Attributes
    ----------
    members : dict of str to list of (n, size) int64
        By key the members of the groups of each half.
    missing : dict of str to str
        By key that was not drawn from every half, why not.
    """

    members: dict[str, list[Members]]
    missing: dict[str, str]


def draw_from_halves(source: DrawnFrom, keys: list[DrawnKey]) -> Halves:
    """Repeat thresholds and groups on random halves of the users.

    A key that cannot be filled from some half is left out; all are where a half has no thresholds. Halves
    are shared by threads, each of which does all that there is to do for one.
    """
    count = source.settings.evidence.halves or 0
    wanted = _worth_it(keys) if count else []
    drawn = Halves({}, {key.groups.key: _TOO_MANY_ATTEMPTS for key in keys if count and key not in wanted})
    if not wanted:
        return drawn
    found = _draw_halves(source, wanted, count)
    if fault := next((half.fault for half in found if half.fault), ""):
        log.warning("no intervals, as half of the users makes no thresholds: %s", fault)
        return Halves({}, {key.groups.key: _NO_THRESHOLDS for key in keys})
    for name in [key.groups.key for key in wanted]:
        if reason := next((half.unfilled[name] for half in found if name in half.unfilled), ""):
            log.warning("no intervals of %s, which half of the users cannot fill: %s", name, reason)
            drawn.missing[name] = _NOT_FILLED
        else:
            drawn.members[name] = [half.members[name] for half in found]
    return drawn


def _worth_it(keys: list[DrawnKey]) -> list[DrawnKey]:
    """Return the keys of which halves can be asked for groups enough."""
    worth = [key for key in keys if _affordable(key) >= min(_FEWEST_OF_HALF, len(key.groups.members))]
    for name in [key.groups.key for key in keys if key not in worth]:
        log.warning("no intervals of %s, whose groups take too many attempts", name)
    return worth


def _draw_halves(source: DrawnFrom, keys: list[DrawnKey], count: int) -> list[_OfHalf]:
    """Draw from each half; what no longer matters, as another half has failed, is left out."""
    users, threads = source.population.users, source.runtime.threads
    at_once = min(threads, count)
    source = replace(source, runtime=Runtime(max(1, threads // at_once)))
    found, failed = [_OfHalf()] * count, set[str]()

    def worker(tasks: SharedTasks[tuple[int, Members]]) -> None:
        # Products of several halves at once must not each take all cores.
        torch.set_num_threads(1)
        for number, rows in tasks:
            half = _draw_half(source, number, rows, [key for key in keys if key.groups.key not in failed])
            failed.update([key.groups.key for key in keys] if half.fault else half.unfilled)
            found[number] = half
            bar.update()

    halves = enumerate(random_halves(users.n_users, count, seed=source.settings.seed))
    # The number of threads that a worker sets is what torch gives to every thread that is new afterwards.
    before = torch.get_num_threads()
    try:
        with full_float32(), progress(label="halves of the users", unit="half", total=count) as bar:
            run_workers(worker, halves, threads=at_once)
    finally:
        torch.set_num_threads(before)
    return found


def _draw_half(source: DrawnFrom, number: int, rows: Members, keys: list[DrawnKey]) -> _OfHalf:
    """Draw the groups of keys from a half of the users, by its own thresholds."""
    if not keys:
        return _OfHalf()
    try:
        half = _half_of(source, rows)
    except InputError as error:
        return _OfHalf(fault=str(error))
    n_users = source.population.users.n_users
    members, unfilled = _draw_keys_again(half, keys, n_users=n_users, stream=f"half {number}")
    return _OfHalf({name: rows[drawn] for name, drawn in members.items()}, unfilled)


def _affordable(key: DrawnKey) -> int:
    """Return how many groups of a type a half of the users is asked for at most, by what they took."""
    took = key.groups.accounting
    attempts = took.candidates + int(took.restarts.sum())
    return _ATTEMPTS_OF_HALF * len(key.groups.members) // attempts


def _groups_of_half(n_groups: int, n_users: int, *, scarce: bool) -> int:
    """Return how many groups of a type to ask a half for.

    By :func:`~elsa_groups.measures.jackknife.find_interval` the variance of halves' means counts by
    ``f = share / (1 - share)``. With ``f n`` groups of a half, what their chance adds to it is as large,
    beside the variance of the mean of all n groups, as it is where halves are half of the users and have n.

    Parameters
    ----------
    n_groups : int
        Groups that were drawn from all users.
    n_users : int
        All users, not those of the half.
    scarce : bool
        Whether all users may hardly have had as many groups. Then as large a share of the groups is asked
        for as the half is of the users; of fewer than 40 groups half.

    Returns
    -------
    int
        At least 20, if there are as many.
    """
    inside = size_of_half(n_users)
    if scarce:
        fewest = min(_FEWEST_OF_HALF, _divide_up(n_groups, 2))
        return max(fewest, _divide_up(inside * n_groups, n_users))
    return min(n_groups, max(_FEWEST_OF_HALF, _divide_up(inside * n_groups, n_users - inside)))


def _divide_up(a: int, b: int) -> int:
    return -(-a // b)


def _draw_keys_again(
    half: DrawnFrom, keys: list[DrawnKey], *, n_users: int, stream: str
) -> tuple[dict[str, Members], dict[str, str]]:
    """Draw keys from a half of the users; return the members, as its rows, or why there are none, by type."""
    partners = find_partners(list(dict.fromkeys(key.kind.family for key in keys)))
    members: dict[str, Members] = {}
    unfilled: dict[str, str] = {}
    for key in keys:
        name, partner = key.groups.key, partners.get(key.groups.key)
        try:
            if partner is not None and partner not in members:
                raise InputError(f"{name}: expected groups of {partner} to be paired with, got none")
            given = first_subgroups(partner, members, key.kind)
            members[name] = _draw_again(half, key, given, n_users=n_users, stream=stream)
        except InputError as error:
            unfilled[name] = str(error)
    return members, unfilled


def _half_of(source: DrawnFrom, rows: Members) -> DrawnFrom:
    """Return the source with these users alone, and their own thresholds where those are of users' pairs."""
    half = replace(source, population=source.population.take(rows))
    own = source.population.makes_thresholds
    return replace(half, thresholds=_thresholds_of_half(half)) if own else half


def _thresholds_of_half(half: DrawnFrom) -> Thresholds:
    users, asked = half.population.users, half.settings.thresholds
    few_pairs = asked.method == Method.sampled and asked.sampled_pairs < _SAMPLED_PAIRS
    sampled = few_pairs or users.cost_of_pairs > EXACT_BUDGET
    of_half = replace(
        asked,
        method=Method.sampled if sampled else Method.exact,
        sampled_pairs=min(_SAMPLED_PAIRS, asked.sampled_pairs),
    )
    return find_thresholds(
        users,
        of_half,
        seed=half.settings.seed,
        runtime=Runtime(half.runtime.threads),
        needs_band=half.settings.needs_band,
    )


def _draw_again(
    source: DrawnFrom, key: DrawnKey, given: Members | None, *, n_users: int, stream: str
) -> Members:
    """Draw groups of a type from a half, on its own stream; return their members.

    ``n_users`` is the number of all users. Where filters are on or fewer groups will do, all of them may
    hardly have had as many groups as there are; then fewer than are asked of a half will do.
    """
    filters = source.settings.filters
    scarce = bool(filters.on) or source.settings.allow_partial
    n_groups = _groups_of_half(len(key.groups.members), n_users, scarce=scarce)
    # The partner may have fewer in a half.
    n_groups = n_groups if given is None else min(n_groups, len(given))
    sampling = source.settings.sampling
    law = Law(
        source.thresholds.limits,
        source.settings.seed,
        sampling.max_draws,
        min(_ATTEMPTS_OF_HALF, sampling.max_restarts),
        stream,
    )
    return draw_kept_groups(
        source.population.users,
        key.kind.asking_for(min(_affordable(key), n_groups)),
        law,
        filters,
        source.population.lookup,
        given=given,
        allow_partial=scarce,
        runtime=Runtime(source.runtime.threads),
    ).members
