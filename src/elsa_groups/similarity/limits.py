"""Where thresholds are wanted, and what they are: light, as start-up checks settings by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from elsa_groups.base.errors import InputError
from elsa_groups.base.ranges import at_least
from elsa_groups.data.user_sets import UserSet

# Lowest and highest similarity.
Band = tuple[float, float]


class Limits(NamedTuple):
    """What the rules similar, divergent and band mean, as similarities in [0, 1].

    Attributes
    ----------
    similar : float
        Users are similar from here up.
    divergent : float
        They are divergent from here down.
    band : (float, float), optional
        Lowest and highest similarity by the rule band, where a family asks for it.
    """

    similar: float
    divergent: float
    band: Band | None = None

    @property
    def by_setting(self) -> dict[str, float]:
        """The thresholds by the names of their settings, those of the band where there is one."""
        ends = dict(zip(("band.low", "band.high"), self.band or (), strict=False))
        return {"similar": self.similar, "divergent": self.divergent} | ends

    @classmethod
    def of_settings(cls, values: Mapping[str, float]) -> "Limits":
        """Return thresholds that are given by the names of their settings."""
        band = (values["band.low"], values["band.high"]) if "band.low" in values else None
        return cls(values["similar"], values["divergent"], band)


@dataclass(frozen=True)
class Thresholds:
    """Thresholds on similarity, and how they were obtained.

    Attributes
    ----------
    similar : float in [0, 1]
        Similar from here up.
    divergent : float in [0, 1]
        Divergent from here down.
    method : str
        ``exact``, ``sampled`` or, where both are given, ``value``.
    n_users : int
        Users whose pairs were looked at.
    pairs : int
        Pairs looked at: all of them, or the sample's.
    intervals : dict
        For sampled quantiles: 95% distribution-free interval of each by name, those of the band being
        ``band_low`` and ``band_high``.
    band : (float, float) or None
        Lowest and highest similarity by the rule band, where it was asked for.
    """

    similar: float
    divergent: float
    method: str
    n_users: int
    pairs: int
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    band: Band | None = None

    @property
    def limits(self) -> Limits:
        """The thresholds alone."""
        return Limits(self.similar, self.divergent, self.band)


@dataclass(frozen=True)
class Target:
    """Where one threshold is to lie: at a quantile of all pairs, unless a value of similarity is given."""

    quantile: float | None = None
    value: float | None = None


@dataclass(frozen=True)
class BandTarget:
    """Where the rule band is to begin and to end; neither is needed unless a family asks for it."""

    low: Target = Target()
    high: Target = Target()


class Method(StrEnum):
    """How quantiles are found: over all pairs, from a sample of them, or whichever the budget allows."""

    auto = "auto"
    exact = "exact"
    sampled = "sampled"


@dataclass(frozen=True, kw_only=True)
class ThresholdSettings:
    """Which thresholds are wanted, and how they are found.

    Attributes
    ----------
    method : Method
        ``auto`` is exact while comparing all pairs costs at most ``exact_budget``.
    users : UserSet, optional
        Whose pairs make the thresholds; by default the users that groups are drawn from.
    similar, divergent : Target
        Quantile (linear interpolation between order statistics, as :func:`numpy.quantile`) or value.
    band : BandTarget
        Where the rule band begins and ends.
    exact_budget : float
        Multiply-adds that comparing all pairs may cost.
    sampled_pairs : int
        Pairs of the method ``sampled``, drawn with replacement, never a user with itself.
    """

    method: Method
    users: UserSet | None = None
    similar: Target
    divergent: Target
    band: BandTarget = BandTarget()
    exact_budget: float = at_least(0)
    sampled_pairs: int = at_least(100)

    def targets(self, *, needs_band: bool) -> dict[str, Target]:
        """Return the targets by the names that thresholds have in records."""
        found = {"similar": self.similar, "divergent": self.divergent}
        return found | {"band_low": self.band.low, "band_high": self.band.high} if needs_band else found


def check_targets(settings: ThresholdSettings, needs_band: bool = False) -> None:
    """Refuse quantiles and values outside [0, 1], none at all, and a lower threshold above its upper one."""
    _check_order("similar", settings.similar, "divergent", settings.divergent)
    if needs_band:
        _check_order("band.high", settings.band.high, "band.low", settings.band.low)


def _check_order(upper: str, high: Target, lower: str, low: Target) -> None:
    for name, target in ((upper, high), (lower, low)):
        if target.quantile is None and target.value is None:
            raise InputError(
                f"thresholds.{name}: expected a quantile or a value, got neither; give"
                f" thresholds.{name}.quantile"
            )
        for what, number in (("quantile", target.quantile), ("value", target.value)):
            if number is not None and not 0.0 <= number <= 1.0:
                raise InputError(f"thresholds.{name}.{what}: expected a number in [0, 1], got {number}")
    pairs = (("value", high.value, low.value), ("quantile", high.quantile, low.quantile))
    for what, above, below in pairs if high.value is None and low.value is None else pairs[:1]:
        if above is not None and below is not None and above < below:
            raise InputError(
                f"thresholds: expected {upper}.{what} >= {lower}.{what}, got {above} and {below};"
                " exchange them?"
            )
