"""From drawn groups to all that is measured of them, beside random groups and with intervals."""

import logging
from fractions import Fraction
from statistics import harmonic_mean

import numpy as np

from elsa_groups.base.threads import SharedTasks, run_workers
from elsa_groups.commands.generate.drawn import DrawnFrom, DrawnKey
from elsa_groups.commands.generate.halves import Halves, draw_from_halves
from elsa_groups.groups.family import GroupType
from elsa_groups.groups.sampler import Members
from elsa_groups.measures.baselines import (
    Measures,
    activity_difference,
    compare_with_baselines,
    match_activity,
)
from elsa_groups.measures.jackknife import ONE_GROUP, Interval, find_interval, share_of_half
from elsa_groups.measures.overlap import measure_overlap
from elsa_groups.measures.registry import measures_of
from elsa_groups.measures.similarity import measure_quality
from elsa_groups.measures.statistics import Result
from elsa_groups.measures.tastes import TOP, Profiles, measure_tastes
from elsa_groups.model.recommendations import top_items

log = logging.getLogger("elsa_groups.cli")


def measure_keys(source: DrawnFrom, keys: list[DrawnKey]) -> list[Result]:
    """Measure the groups of all keys, beside random groups and with intervals."""
    as_active = [_match_activity(source, key) for key in keys]
    matched = [members for members in as_active if members is not None]
    halves = draw_from_halves(source, keys)
    measured = [*matched, *(part for parts in halves.members.values() for part in parts)]
    measured += [groups.members for key in keys for groups in (key.groups, key.random)]
    profiles = _profile(source, measured)
    results: dict[str, Result] = {}

    def worker(tasks: SharedTasks[tuple[DrawnKey, Members | None]]) -> None:
        for key, matched in tasks:
            name = key.groups.key
            results[name] = _measure_key(source, profiles, key, matched, halves)

    run_workers(worker, zip(keys, as_active, strict=True), threads=min(source.runtime.threads, len(keys)))
    return [results[key.groups.key] for key in keys]


def _match_activity(source: DrawnFrom, key: DrawnKey) -> Members | None:
    """Return groups as active as those of a type; None where nothing is known of activity."""
    if not source.population.has_histories:
        return None
    groups, activity, seed = key.groups, source.population.lookup.lengths, source.settings.seed
    n_groups = len(key.random.members)
    return match_activity(groups.members, activity, seed=seed, key=groups.key, n_groups=n_groups)


def _profile(source: DrawnFrom, measured: list[Members]) -> Profiles:
    """Return the users with what is recommended to those of them who are in a group."""
    population = source.population
    vectors, histories, known = population.uncentred, population.lookup.histories, population.lookup.top_items
    if known is not None:
        return Profiles.of(histories, np.asarray(known, np.int32))
    if not population.encoder.shape[1]:
        return Profiles.of(histories, None)
    somewhere = np.zeros(len(vectors), np.bool_)
    for members in measured:
        somewhere[members] = True
    users = np.flatnonzero(somewhere)
    top = np.full((len(vectors), TOP), -1, np.int32)
    threads = source.runtime.threads
    top[users] = top_items(vectors, population.encoder, histories, TOP, users=users, threads=threads)
    return Profiles.of(histories, top)


def _measure_key(
    source: DrawnFrom,
    profiles: Profiles,
    key: DrawnKey,
    as_active: Members | None,
    halves: Halves,
) -> Result:
    """Measure the groups of one type, beside random groups of the same size and others as active."""
    groups, sizes, anyone = key.groups, key.kind.sizes, key.kind.without_rules
    users, limits = source.population.users, source.thresholds.limits
    quality = measure_quality(users, groups.members, key.kind, limits)
    tastes = measure_tastes(profiles, groups.members, sizes)
    measures = measures_of(quality, tastes)
    beside = {"random": key.random.members} | ({} if as_active is None else {"as_active": as_active})
    baselines = {name: measure_members(source, profiles, m, anyone) for name, m in beside.items()}
    again, missing = halves.members.get(groups.key), halves.missing.get(groups.key)
    of_halves = _measure_each(source, profiles, again, anyone) if again else []
    if of_halves and len(groups.members) == 1:
        missing = ONE_GROUP
        log.warning("no intervals of %s: %s", groups.key, missing)
    intervals = find_intervals(measures, of_halves, share_of_half(users.n_users))
    return Result(
        groups=groups,
        quality=quality,
        overlap=measure_overlap(
            groups.members,
            n_users=len(profiles.activity),
            threshold=source.settings.overlap.threshold,
        ),
        baseline=baselines["random"]["similarity"],
        seconds=key.seconds,
        tastes=tastes,
        random_overlap=baselines["random"].get("recommendation_overlap_at_20"),
        evidence=compare_with_baselines(measures, baselines, intervals),
        activity_difference=None
        if as_active is None
        else activity_difference(profiles.activity, groups.members),
        no_interval=missing,
    )


def measure_members(source: DrawnFrom, profiles: Profiles, members: Members, kind: GroupType) -> Measures:
    """Measure groups of a type, one number each."""
    quality = measure_quality(source.population.users, members, kind, source.thresholds.limits)
    return measures_of(quality, measure_tastes(profiles, members, kind.sizes))


def _measure_each(
    source: DrawnFrom, profiles: Profiles, parts: list[Members], kind: GroupType
) -> list[Measures]:
    """Measure the groups of several halves in one go, which takes as long as those of a few."""
    together = measure_members(source, profiles, np.concatenate(parts), kind)
    ends = np.cumsum([len(part) for part in parts])
    starts = ends - [len(part) for part in parts]
    return [
        {name: values[first:last].copy() for name, values in together.items()}
        for first, last in zip(starts, ends, strict=True)
    ]


def find_intervals(measures: Measures, of_halves: list[Measures], share: float) -> dict[str, Interval]:
    """Return the interval of every measure by the groups drawn from halves of the users, if there are any.

    Halves, which have this share of the users, may have had different numbers of groups. As the variance by
    chance is that of groups over their number, what halves have on average is by the harmonic mean.
    """
    if not of_halves:
        return {}
    found = {
        name: find_interval(
            values,
            np.array([half[name].mean() for half in of_halves]),
            float(harmonic_mean([Fraction(len(half[name])) for half in of_halves])),
            share,
        )
        for name, values in measures.items()
    }
    return {name: interval for name, interval in found.items() if interval is not None}
