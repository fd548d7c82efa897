"""From drawn groups to all that is measured of them, beside random groups and with intervals."""

import logging
import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import harmonic_mean

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.errors import InputError
from elsa_groups.base.progress import progress
from elsa_groups.base.runtime import Runtime
from elsa_groups.commands.generate.population import Population
from elsa_groups.groups.family import GroupType, find_partners
from elsa_groups.groups.groups import Groups, first_subgroups
from elsa_groups.groups.rejection import draw_kept_groups
from elsa_groups.groups.sampler import Law
from elsa_groups.measures.baselines import (
    Measures,
    activity_difference,
    compare_with_baselines,
    match_activity,
)
from elsa_groups.measures.jackknife import ONE_GROUP, Interval, find_interval, random_halves, share_of_half
from elsa_groups.measures.overlap import measure_overlap
from elsa_groups.measures.registry import measures_of
from elsa_groups.measures.similarity import measure_quality
from elsa_groups.measures.statistics import Result
from elsa_groups.measures.tastes import TOP, Profiles, measure_tastes
from elsa_groups.model.recommendations import top_items
from elsa_groups.settings.commands import GenerateSettings
from elsa_groups.similarity.limits import Method
from elsa_groups.similarity.thresholds import Thresholds, find_thresholds

log = logging.getLogger("elsa_groups.cli")

Members = NDArray[np.int64]

# Attempts at groups of a key that a half of the users is worth, and how often one of them may start over: a
# key may take thousands of attempts a group. Intervals allow for fewer groups, but not for hardly any.
_ATTEMPTS_OF_HALF, _FEWEST_OF_HALF = 2_000, 20
# Thresholds of halves: exact up to about 6,000 users of 256 dimensions, then by so many pairs.
_EXACT_BUDGET, _SAMPLED_PAIRS = 1e10, 1_000_000


@dataclass(frozen=True)
class DrawnKey:
    """The groups of one key before they are measured.

    Attributes
    ----------
    kind : GroupType
        Their rules and sizes.
    groups, random : Groups
        The groups, and random groups of the same size.
    seconds : float
        What drawing took.
    """

    kind: GroupType
    groups: Groups
    random: Groups
    seconds: float


@dataclass(frozen=True, eq=False)
class DrawnFrom:
    """What groups were drawn from.

    Attributes
    ----------
    settings : GenerateSettings
        What is asked for.
    population : Population
        Users that could be drawn.
    thresholds : Thresholds
        What similar and divergent meant.
    runtime : Runtime
        What it is computed on; nothing depends on it.
    """

    settings: GenerateSettings
    population: Population
    thresholds: Thresholds
    runtime: Runtime


@dataclass(frozen=True)
class Halves:
    """Groups that were drawn again from random halves of the users.

    Attributes
    ----------
    members : dict of str to list of Members
        For each group type one array a half.
    reasons : dict of str to str
        Why there are none, for the other types that were asked for.
    """

    members: dict[str, list[Members]]
    reasons: dict[str, str]


def measure_keys(source: DrawnFrom, keys: list[DrawnKey]) -> list[Result]:
    """Measure the groups of all keys, beside random groups and with intervals."""
    activity, seed = source.population.lookup.lengths, source.settings.seed
    as_active = [
        match_activity(
            key.groups.members, activity, seed=seed, key=key.groups.key, n_groups=len(key.random.members)
        )
        for key in keys
    ]
    halves = draw_from_halves(source, keys)
    measured = [*as_active, *(part for members in halves.members.values() for part in members)]
    measured += [groups.members for key in keys for groups in (key.groups, key.random)]
    profiles = _profile(source, measured)
    return [
        _measure_key(source, profiles, key, matched, halves)
        for key, matched in zip(keys, as_active, strict=True)
    ]


def _profile(source: DrawnFrom, measured: list[Members]) -> Profiles:
    """Return the users with what is recommended to those of them who are in a group."""
    population = source.population
    vectors, histories, known = population.uncentred, population.lookup.histories, population.lookup.top_items
    if known is not None:
        return Profiles.of(histories, np.asarray(known, np.int32))
    somewhere = np.zeros(len(vectors), np.bool_)
    for members in measured:
        somewhere[members] = True
    users = np.flatnonzero(somewhere)
    top = np.full((len(vectors), TOP), -1, np.int32)
    threads = source.runtime.threads
    top[users] = top_items(vectors, population.encoder, histories, TOP, users=users, threads=threads)
    return Profiles.of(histories, top)


def draw_from_halves(source: DrawnFrom, keys: list[DrawnKey]) -> Halves:
    """Repeat thresholds and groups on random halves of the users.

    A type that cannot be filled from some half is left out; all are where a half has no thresholds.
    """
    n_users, seed = source.population.users.n_users, source.settings.seed
    count = source.settings.evidence.halves or 0
    drawn: dict[str, list[Members]] = {}
    reasons: dict[str, str] = {}
    for key in keys if count else []:
        if _affordable(key) < min(_FEWEST_OF_HALF, len(key.groups.members)):
            reasons[key.groups.key] = "its groups take too many attempts"
        else:
            drawn[key.groups.key] = []
    halves = random_halves(n_users, count, seed=seed)
    for half, rows in enumerate(progress(halves, label="halves of the users", unit="half", total=count)):
        try:
            part = _half_of(source, rows)
        except InputError as error:
            reason = f"half of the users makes no thresholds: {error}"
            return _say(Halves({}, {key.groups.key: reason for key in keys}))
        members, unfilled = _draw_keys_again(
            part, keys, drawn, share=share_of_half(n_users), stream=f"half {half}"
        )
        reasons |= unfilled
        for name in list(drawn):
            if name in members:
                drawn[name].append(rows[members[name]])
            else:
                del drawn[name]
    return _say(Halves(drawn, reasons))


def _say(halves: Halves) -> Halves:
    """Log why group types have no intervals, as soon as it is known."""
    for name, reason in halves.reasons.items():
        log.warning("no confidence intervals of %s: %s", name, reason)
    return halves


def _affordable(key: DrawnKey) -> int:
    """Return how many groups of a key a half of the users is asked for at most, by what they took."""
    took = key.groups.accounting
    attempts = took.candidates + int(took.restarts.sum())
    return _ATTEMPTS_OF_HALF * len(key.groups.members) // attempts


def _draw_keys_again(
    half: DrawnFrom, keys: list[DrawnKey], wanted: Collection[str], *, share: float, stream: str
) -> tuple[dict[str, Members], dict[str, str]]:
    """Draw the wanted types from a half; return the members, as its rows, or why there are none, by type."""
    partners = find_partners(list(dict.fromkeys(key.kind.family for key in keys)))
    members: dict[str, Members] = {}
    reasons: dict[str, str] = {}
    for key in [key for key in keys if key.groups.key in wanted]:
        name, partner = key.groups.key, partners.get(key.groups.key)
        try:
            if partner is not None and partner not in members:
                raise InputError(f"{name}: expected groups of {partner} to be paired with, got none")
            given = first_subgroups(partner, members, key.kind)
            members[name] = _draw_again(half, key, given, share=share, stream=stream)
        except InputError as error:
            reasons[name] = f"half of the users cannot fill it: {error}"
    return members, reasons


def _half_of(source: DrawnFrom, rows: Members) -> DrawnFrom:
    """Return the source with these users alone, and their own thresholds where those are of users' pairs."""
    half = replace(source, population=source.population.take(rows))
    own = source.population.makes_thresholds
    return replace(half, thresholds=_thresholds_of_half(half)) if own else half


def _thresholds_of_half(half: DrawnFrom) -> Thresholds:
    users, asked = half.population.users, half.settings.thresholds
    sampled = users.cost_of_pairs > _EXACT_BUDGET or asked.method == Method.sampled
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
    source: DrawnFrom, key: DrawnKey, given: Members | None, *, share: float, stream: str
) -> Members:
    """Draw groups of a key from a half, this share of the users, on its own stream; return their members.

    Where filters are on or fewer groups will do, all users may hardly have had as many groups as there are.
    Then the same share of them is asked of a half, and fewer will do.
    """
    filters, n_groups = source.settings.filters, len(key.groups.members)
    # The partner may have fewer in a half.
    n_groups = n_groups if given is None else min(n_groups, len(given))
    scarce = bool(filters.on) or source.settings.allow_partial
    if scarce:
        n_groups = math.ceil(share * n_groups)
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


def _measure_key(
    source: DrawnFrom,
    profiles: Profiles,
    key: DrawnKey,
    as_active: Members,
    halves: Halves,
) -> Result:
    """Measure the groups of one key, beside random groups of the same size and others as active."""
    groups, sizes, anyone = key.groups, key.kind.sizes, key.kind.without_rules
    users, limits = source.population.users, source.thresholds.limits
    quality = measure_quality(users, groups.members, key.kind, limits)
    tastes = measure_tastes(profiles, groups.members, sizes)
    measures = measures_of(quality, tastes)
    random, matched = (measure_members(source, profiles, m, anyone) for m in (key.random.members, as_active))
    of_halves = [
        measure_members(source, profiles, members, anyone) for members in halves.members.get(groups.key, [])
    ]
    reason = halves.reasons.get(groups.key, "")
    if of_halves and len(groups.members) == 1:
        reason = ONE_GROUP
        log.warning("no confidence intervals of %s: %s", groups.key, reason)
    intervals = find_intervals(measures, of_halves, share_of_half(users.n_users))
    return Result(
        groups=groups,
        quality=quality,
        overlap=measure_overlap(
            groups.members,
            n_users=len(profiles.activity),
            threshold=source.settings.overlap.threshold,
        ),
        baseline=random["similarity"],
        seconds=key.seconds,
        tastes=tastes,
        random_overlap=random["recommendation_overlap_at_20"],
        evidence=compare_with_baselines(measures, {"random": random, "as_active": matched}, intervals),
        activity_difference=activity_difference(profiles.activity, groups.members),
        no_interval=reason,
    )


def measure_members(source: DrawnFrom, profiles: Profiles, members: Members, kind: GroupType) -> Measures:
    """Measure groups of a type, one number each."""
    quality = measure_quality(source.population.users, members, kind, source.thresholds.limits)
    return measures_of(quality, measure_tastes(profiles, members, kind.sizes))


def find_intervals(measures: Measures, of_halves: list[Measures], share: float) -> dict[str, Interval]:
    """Return the interval of every measure by the groups drawn from halves of the users, if there are any.

    Halves, which have this share of the users, may have had different numbers of groups. As the variance by
    chance is that of groups over their number, what halves have on average is by the harmonic mean.
    """
    if not of_halves:
        return {}
    counts = [Fraction(len(next(iter(half.values())))) for half in of_halves]
    groups_of_half = float(harmonic_mean(counts))
    found = {
        name: find_interval(
            values, np.array([half[name].mean() for half in of_halves]), groups_of_half, share
        )
        for name, values in measures.items()
    }
    return {name: interval for name, interval in found.items() if interval is not None}
