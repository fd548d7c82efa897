"""Where thresholds are wanted: checked before anything heavy is loaded."""

from dataclasses import dataclass
from typing import TypedDict

from elsa_groups.base.errors import InputError

# Lowest and highest similarity.
Band = tuple[float, float]


class Limits(TypedDict):
    """What the rules similar, divergent and band mean, as numbers."""

    similar: float
    divergent: float
    band: Band | None


@dataclass(frozen=True)
class Target:
    """Where one threshold is to lie: at a quantile of all pairs, or at a value of similarity."""

    quantile: float | None
    value: float | None = None


def check_targets(similar: Target, divergent: Target, band: tuple[Target, Target] | None = None) -> None:
    """Refuse quantiles and values outside [0, 1], none at all, and a lower threshold above its upper one."""
    _check_order("similar", similar, "divergent", divergent)
    if band is not None:
        _check_order("band.high", band[1], "band.low", band[0])


def _check_order(upper: str, high: Target, lower: str, low: Target) -> None:
    for name, target in ((upper, high), (lower, low)):
        if target.quantile is None and target.value is None:
            raise InputError(
                f"thresholds.{name}: expected a quantile or a value, came neither; give"
                f" thresholds.{name}.quantile"
            )
        for what, number in (("quantile", target.quantile), ("value", target.value)):
            if number is not None and not 0.0 <= number <= 1.0:
                raise InputError(f"thresholds.{name}.{what}: expected a number in [0, 1], came {number}")
    pairs = (("value", high.value, low.value), ("quantile", high.quantile, low.quantile))
    for what, above, below in pairs if high.value is None and low.value is None else pairs[:1]:
        if above is not None and below is not None and above < below:
            raise InputError(
                f"thresholds: expected {upper}.{what} >= {lower}.{what}, came {above} and {below};"
                " exchange them?"
            )
