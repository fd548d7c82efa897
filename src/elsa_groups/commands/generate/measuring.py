"""From drawn groups to all that is measured of them, beside random groups and with intervals."""

import logging
import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import harmonic_mean
from typing import TYPE_CHECKING, Any

from elsa_groups.base.errors import InputError
from elsa_groups.base.progress import progress
from elsa_groups.settings import schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from elsa_groups.commands.generate.population import Population
    from elsa_groups.groups.family import Family, Groups, Rule
    from elsa_groups.groups.filters import Lookup
    from elsa_groups.measures.evidence import Interval, Measures
    from elsa_groups.measures.quality import Quality
    from elsa_groups.measures.tastes import Profiles
    from elsa_groups.report.tables import Result
    from elsa_groups.similarity.scores import Coarse, Users
    from elsa_groups.similarity.thresholds import Thresholds

log = logging.getLogger("elsa_groups.cli")

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
    family : Family
        Their family.
    groups, random : Groups
        The groups, and random groups of the same size.
    seconds : float
        What drawing took.
    """

    family: "Family"
    groups: "Groups"
    random: "Groups"
    seconds: float


@dataclass(frozen=True)
class Source:
    """What groups are drawn from.

    Attributes
    ----------
    settings : dict
        Completed settings of entry point generate.
    users : Users
        Users that could be drawn, by what they are compared by.
    vectors : (n_users, factors) float32
        ELSA's own unit vectors of all users, by which it recommends.
    coarse : Coarse
        The same in 8 bits.
    histories : csr_array, shape (n_users, n_items)
        Their histories.
    encoder : NDArray[np.float32], shape (n_items, factors)
        Item vectors of the parent.
    thresholds : Thresholds
        What similar and divergent meant.
    threads : int
        Workers; nothing depends on it.
    looked_up : Lookup or None
        What filters look up of these users.
    own_thresholds : bool
        Whether the pairs of these users make the thresholds.
    """

    settings: dict[str, Any]
    users: "Users"
    vectors: "NDArray[np.float32]"
    coarse: "Coarse"
    histories: "csr_array"
    encoder: "NDArray[np.float32]"
    thresholds: "Thresholds"
    threads: int
    looked_up: "Lookup | None" = None
    own_thresholds: bool = True

    @classmethod
    def of(
        cls,
        settings: dict[str, Any],
        population: "Population",
        encoder: "NDArray[np.float32]",
        thresholds: "Thresholds",
        looked_up: "Lookup",
        coarse: "Coarse",
        threads: int,
    ) -> "Source":
        """Take the users that can be drawn, by what is looked at of their histories."""
        users, vectors, histories = population.users, population.uncentred, looked_up.histories
        own = population.compared is users
        return cls(settings, users, vectors, coarse, histories, encoder, thresholds, threads, looked_up, own)


def measure_keys(source: Source, keys: list[DrawnKey]) -> "list[Result]":
    """Measure the groups of all keys, beside random groups and with intervals."""
    import numpy as np

    from elsa_groups.measures.resampling import match_activity

    activity = np.diff(source.histories.indptr)
    seed = source.settings["seed"]
    as_active = [
        match_activity(
            key.groups.members, activity, seed=seed, key=key.groups.key, n_groups=len(key.random.members)
        )
        for key in keys
    ]
    halves = _draw_from_halves(source, keys)
    measured = [*as_active, *(part for members in halves.values() for part in members)]
    measured += [groups.members for key in keys for groups in (key.groups, key.random)]
    profiles = _profile(source, measured)
    return [
        _measure_key(source, profiles, key, matched, halves.get(key.groups.key))
        for key, matched in zip(keys, as_active, strict=True)
    ]


def _profile(source: Source, measured: "list[NDArray[np.int64]]") -> "Profiles":
    """Return the users with what is recommended to those of them who are in a group."""
    import numpy as np

    from elsa_groups.measures.tastes import TOP, Profiles
    from elsa_groups.model.recommendations import top_items

    vectors, histories = source.vectors, source.histories
    somewhere = np.zeros(len(vectors), np.bool_)
    for members in measured:
        somewhere[members] = True
    users = np.flatnonzero(somewhere)
    top = np.full((len(vectors), TOP), -1, np.int32)
    top[users] = top_items(vectors, source.encoder, histories, TOP, users=users, threads=source.threads)
    return Profiles.of(histories, top)


def _draw_from_halves(source: Source, keys: list[DrawnKey]) -> "dict[str, list[NDArray[np.int64]]]":
    """Repeat thresholds and groups on random halves of the users; return the members by key.

    A key that cannot be filled from some half is left out; all are where a half has no thresholds.
    """
    from elsa_groups.measures.resampling import random_halves, share_of_half

    n_users, seed = source.users.shape[0], source.settings["seed"]
    count = source.settings["evidence"]["halves"] or 0
    drawn: dict[str, list[NDArray[np.int64]]] = {}
    for key in keys if count else []:
        if _affordable(key) < min(_FEWEST_OF_HALF, len(key.groups.members)):
            log.warning("no intervals of %s, whose groups take too many attempts", key.groups.key)
        else:
            drawn[key.groups.key] = []
    halves = random_halves(n_users, count, seed=seed)
    for half, rows in enumerate(progress(halves, label="halves of the users", unit="half", total=count)):
        try:
            part = _half_of(source, rows)
        except InputError as error:
            log.warning("no intervals, as half of the users makes no thresholds: %s", error)
            return {}
        members = _draw_keys_again(part, keys, drawn, share=share_of_half(n_users), stream=f"half {half}")
        for name in list(drawn):
            if name in members:
                drawn[name].append(rows[members[name]])
            else:
                del drawn[name]
    return drawn


def _affordable(key: DrawnKey) -> int:
    """Return how many groups of a key a half of the users is asked for at most, by what they took."""
    took = key.groups.accounting
    attempts = took.candidates + int(took.restarts.sum())
    return _ATTEMPTS_OF_HALF * len(key.groups.members) // attempts


def _draw_keys_again(
    half: Source, keys: list[DrawnKey], wanted: Collection[str], **law: Any
) -> "dict[str, NDArray[np.int64]]":
    """Draw the wanted keys from a half of the users; return the members, as its rows, by key that has any.

    ``law`` is handed on to :func:`_draw_again`.
    """
    from elsa_groups.groups.family import find_partners, first_subgroups

    partners = find_partners(list(dict.fromkeys(key.family for key in keys)))
    members: dict[str, NDArray[np.int64]] = {}
    for key in [key for key in keys if key.groups.key in wanted]:
        name, partner = key.groups.key, partners.get(key.groups.key)
        try:
            if partner is not None and partner not in members:
                raise InputError(f"{name}: expected groups of {partner} to be paired with, came none")
            given = first_subgroups(partner, members, key.groups.sizes)
            members[name] = _draw_again(half, key, given, **law)
        except InputError as error:
            log.warning("no intervals of %s, which half of the users cannot fill: %s", name, error)
    return members


def _half_of(source: Source, rows: "NDArray[np.int64]") -> Source:
    """Return the source with these users alone, and their own thresholds where those are of users' pairs."""
    from elsa_groups.similarity.scores import take_users

    half = replace(
        source,
        users=take_users(source.users, rows),
        coarse=replace(source.coarse, rows=source.coarse.rows[rows]),
        looked_up=_rows_of(source.looked_up, rows),
    )
    return replace(half, thresholds=_thresholds_of_half(half)) if source.own_thresholds else half


def _rows_of(lookup: "Lookup | None", rows: "NDArray[np.int64]") -> "Lookup | None":
    if lookup is None:
        return None
    parts = {name: None if part is None else part[rows] for name, part in vars(lookup).items()}
    return replace(lookup, **parts)


def _thresholds_of_half(half: Source) -> "Thresholds":
    from elsa_groups.similarity.thresholds import cost_of_pairs, find_thresholds

    asked, many = half.settings["thresholds"], cost_of_pairs(half.users) > _EXACT_BUDGET
    return find_thresholds(
        half.users,
        **schema.targets_of(half.settings),
        method="sampled" if many or asked["method"] == "sampled" else "exact",
        sampled_pairs=min(_SAMPLED_PAIRS, asked["sampled_pairs"]),
        seed=half.settings["seed"],
        threads=half.threads,
    )


def _draw_again(
    source: Source, key: DrawnKey, given: "NDArray[np.int64] | None", *, share: float, stream: str
) -> "NDArray[np.int64]":
    """Draw groups of a key from a half, this share of the users, on its own stream; return their members.

    Where filters are on or fewer groups will do, all users may hardly have had as many groups as there are.
    Then the same share of them is asked of a half, and fewer will do.
    """
    from elsa_groups.groups.rejection import draw_kept_groups
    from elsa_groups.settings.filters import filters_of

    filters, n_groups = filters_of(source.settings), len(key.groups.members)
    # The partner may have fewer in a half.
    n_groups = n_groups if given is None else min(n_groups, len(given))
    scarce = bool(filters.on) or source.settings["allow_partial"]
    if scarce:
        n_groups = math.ceil(share * n_groups)
    sampling = source.settings["sampling"]
    return draw_kept_groups(
        source.users,
        replace(key.family, n_groups=min(_affordable(key), n_groups)),
        key.groups.sizes,
        filters=filters,
        lookup=source.looked_up,
        given=given,
        allow_partial=scarce,
        **source.thresholds.limits,
        seed=source.settings["seed"],
        coarse=source.coarse,
        stream=stream,
        threads=source.threads,
        **sampling | {"max_restarts": min(_ATTEMPTS_OF_HALF, sampling["max_restarts"])},
    ).members


def _measure_key(
    source: Source,
    profiles: "Profiles",
    key: DrawnKey,
    as_active: "NDArray[np.int64]",
    halves: "list[NDArray[np.int64]] | None",
) -> "Result":
    """Measure the groups of one key, beside random groups of the same size and others as active."""
    from elsa_groups.measures.evidence import activity_difference, compare, measures_of
    from elsa_groups.measures.quality import measure_overlap
    from elsa_groups.measures.tastes import measure_tastes
    from elsa_groups.report.tables import Result

    groups, sizes = key.groups, key.groups.sizes
    quality = _quality(source, groups.members, sizes, within=key.family.within, across=key.family.across)
    tastes = measure_tastes(profiles, groups.members, sizes)
    measures = measures_of(quality, tastes)
    random, matched = (_measures(source, profiles, m, sizes) for m in (key.random.members, as_active))
    intervals = _intervals(source, profiles, measures, halves, sizes)
    return Result(
        groups=groups,
        quality=quality,
        overlap=measure_overlap(
            groups.members,
            n_users=len(profiles.activity),
            threshold=source.settings["overlap"]["threshold"],
        ),
        baseline=random["similarity"],
        seconds=key.seconds,
        tastes=tastes,
        random_overlap=random["recommendation_overlap_at_20"],
        evidence=compare(measures, {"random": random, "as_active": matched}, intervals),
        activity_difference=activity_difference(profiles.activity, groups.members),
    )


def _quality(
    source: Source, members: "NDArray[np.int64]", sizes: tuple[int, ...], *, within: "Rule", across: "Rule"
) -> "Quality":
    from elsa_groups.measures.quality import measure_quality

    return measure_quality(
        source.users,
        members,
        sizes,
        within=within,
        across=across,
        **source.thresholds.limits,
    )


def _measures(
    source: Source, profiles: "Profiles", members: "NDArray[np.int64]", sizes: tuple[int, ...]
) -> "Measures":
    """Measure groups of which no pair is wrong."""
    from elsa_groups.groups.family import Rule
    from elsa_groups.measures.evidence import measures_of
    from elsa_groups.measures.tastes import measure_tastes

    quality = _quality(source, members, sizes, within=Rule.any, across=Rule.any)
    return measures_of(quality, measure_tastes(profiles, members, sizes))


def _intervals(
    source: Source,
    profiles: "Profiles",
    measures: "Measures",
    halves: "list[NDArray[np.int64]] | None",
    sizes: tuple[int, ...],
) -> "dict[str, Interval]":
    """Return the interval of every measure by the groups drawn from halves of the users, if there are any.

    Halves may have had different numbers of groups. As the variance by chance is that of groups over their
    number, what halves have on average is by the harmonic mean.
    """
    import numpy as np

    from elsa_groups.measures.evidence import find_interval
    from elsa_groups.measures.resampling import share_of_half

    if not halves:
        return {}
    groups_of_half = float(harmonic_mean([Fraction(len(members)) for members in halves]))
    of_halves = [_measures(source, profiles, members, sizes) for members in halves]
    share = share_of_half(source.users.shape[0])
    return {
        name: find_interval(
            values, np.array([half[name].mean() for half in of_halves]), groups_of_half, share
        )
        for name, values in measures.items()
    }
