"""Which thresholds are wanted."""

from dataclasses import dataclass
from enum import StrEnum

from elsa_groups.base.errors import InputError
from elsa_groups.base.ranges import at_least
from elsa_groups.data.user_sets import UserSet


@dataclass(frozen=True)
class Target:
    quantile: float | None = None
    value: float | None = None


@dataclass(frozen=True)
class BandTarget:
    low: Target = Target()
    high: Target = Target()


class Method(StrEnum):
    auto = "auto"
    exact = "exact"
    sampled = "sampled"


@dataclass(frozen=True, kw_only=True)
class ThresholdSettings:
    method: Method
    users: UserSet | None = None
    similar: Target
    divergent: Target
    band: BandTarget = BandTarget()
    exact_budget: float = at_least(0)
    sampled_pairs: int = at_least(100)


def check_targets(settings: ThresholdSettings, needs_band: bool = False) -> None:
    from elsa_groups.similarity import limits

    band = (settings.band.low, settings.band.high) if needs_band else None
    limits.check_targets(settings.similar, settings.divergent, band)
