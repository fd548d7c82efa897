"""The core's functions with their arguments one by one, as tests vary them, instead of objects."""

from dataclasses import fields
from typing import Any

import numpy as np

from elsa_groups.base.distributed import ONE
from elsa_groups.base.runtime import Runtime
from elsa_groups.commands.feasibility import assessment, walks
from elsa_groups.groups import diagnosis, rejection, sampler
from elsa_groups.groups.family import Family, GroupType
from elsa_groups.groups.filters import NO_FILTERS, Filters
from elsa_groups.groups.groups import Groups
from elsa_groups.measures import similarity as quality
from elsa_groups.similarity import thresholds
from elsa_groups.similarity.history_users import HistoryUsers
from elsa_groups.similarity.limits import BandTarget, Limits, Method, ThresholdSettings
from elsa_groups.similarity.users import Users
from elsa_groups.similarity.vector_users import VectorUsers

Sizes = tuple[int, ...]


def users_of(users: Any) -> Users:
    """Users by their vectors, their histories, or as they are."""
    if isinstance(users, np.ndarray):
        return VectorUsers(users)
    return HistoryUsers(users) if hasattr(users, "indptr") else users


def filters_of(*, budget: int = 100, common_items_scope: str = "history", **values: Any) -> Filters:
    """Filters by their values."""
    made = {}
    for field in fields(Filters):
        if field.name in values:
            scope = {"scope": common_items_scope} if field.name == "min_common_items" else {}
            made[field.name] = type(field.default)(values[field.name], **scope)
    assert set(made) == set(values)
    return Filters(**made, budget=budget)


def law_of(
    similar: float, divergent: float, band: Any = None, *, seed: int = 0, max_draws: int | None = 1000,
    max_restarts: int = 10_000, stream: str = "groups",
) -> sampler.Law:  # fmt: skip
    return sampler.Law(Limits(similar, divergent, band), seed, max_draws, max_restarts, stream)


def draw_groups(
    users: Any, family: Family, sizes: Sizes, *, threads: int = 1, ranks: Any = ONE, first: int = 0,
    n_groups: int | None = None, given: Any = None, or_fewer: bool = False, **law: Any,
) -> Groups:  # fmt: skip
    return sampler.sample_groups(
        users_of(users), GroupType(family, sizes), law_of(**law), first=first, n_groups=n_groups,
        given=given, or_fewer=or_fewer, runtime=Runtime(threads, ranks),
    )  # fmt: skip


def draw_kept_groups(
    users: Any, family: Family, sizes: Sizes, *, filters: Filters = NO_FILTERS, lookup: Any = None,
    given: Any = None, allow_partial: bool = False, threads: int = 1, ranks: Any = ONE, **law: Any,
) -> Groups:  # fmt: skip
    return rejection.draw_kept_groups(
        users_of(users), GroupType(family, sizes), law_of(**law), filters, lookup, given=given,
        allow_partial=allow_partial, runtime=Runtime(threads, ranks),
    )  # fmt: skip


def asked_thresholds(
    *, similar: Any, divergent: Any, band: Any = None, method: str = "auto", exact_budget: float = 1e13,
    sampled_pairs: int = 10_000_000,
) -> ThresholdSettings:  # fmt: skip
    return ThresholdSettings(
        method=Method(method), similar=similar, divergent=divergent,
        band=BandTarget(*band) if band else BandTarget(),
        exact_budget=exact_budget, sampled_pairs=sampled_pairs,
    )  # fmt: skip


def find_thresholds(
    users: Any, *, seed: int = 0, threads: int = 1, ranks: Any = ONE, device: str = "cpu", **asked: Any
) -> thresholds.Thresholds:
    return thresholds.find_thresholds(
        users_of(users), asked_thresholds(**asked), seed=seed, runtime=Runtime(threads, ranks, device),
        needs_band=asked.get("band") is not None,
    )  # fmt: skip


def share_of_pairs(users: Any, value: float, *, threads: int = 1, ranks: Any = ONE) -> thresholds.Share:
    return thresholds.share_of_pairs(users_of(users), value, runtime=Runtime(threads, ranks))


def explain_starvation(
    users: Any, family: Family, sizes: Sizes, attempt: Any, *, similar: float, divergent: float,
    band: Any = None,
) -> str:  # fmt: skip
    limits = Limits(similar, divergent, band)
    return diagnosis.explain_starvation(users_of(users), GroupType(family, sizes), attempt, limits)


def measure_quality(
    users: Any, members: Any, sizes: Sizes, *, within: Any, across: Any, similar: float, divergent: float,
    band: Any = None,
) -> quality.Quality:  # fmt: skip
    family = Family("any", (tuple(sizes),), within, across, linkage=0, n_groups=1)
    return quality.measure_quality(
        users_of(users), members, GroupType(family, tuple(sizes)), Limits(similar, divergent, band)
    )


def walk(
    users: Any, family: Family, sizes: Sizes, firsts: Any, *, similar: float, divergent: float,
    band: Any = None, **options: Any,
) -> walks.Walks:  # fmt: skip
    limits = Limits(similar, divergent, band)
    return walks.walk(users_of(users), GroupType(family, sizes), limits, firsts, **options)


def assess_key(
    users: Any, family: Family, sizes: Sizes, activity: Any, *, similar: float, divergent: float,
    band: Any = None, **options: Any,
) -> assessment.Feasibility:  # fmt: skip
    limits = Limits(similar, divergent, band)
    return assessment.assess_key(users_of(users), GroupType(family, sizes), limits, activity, **options)
