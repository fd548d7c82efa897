"""Where thresholds are wanted: checked before anything heavy is loaded."""

from dataclasses import dataclass

from elsa_groups.errors import InputError


@dataclass(frozen=True)
class Target:
    """Where one threshold is to lie: at a quantile of all pairs, or at a value of similarity."""

    quantile: float
    value: float | None = None


def check_targets(similar: Target, divergent: Target) -> None:
    """Refuse quantiles and values outside [0, 1], and a similar one below the divergent one."""
    for name, target in (("similar", similar), ("divergent", divergent)):
        for what, number in (("quantile", target.quantile), ("value", target.value)):
            if number is not None and not 0.0 <= number <= 1.0:
                raise InputError(f"thresholds.{name}.{what}: expected a number in [0, 1], came {number}")
    pairs = (("value", similar.value, divergent.value), ("quantile", similar.quantile, divergent.quantile))
    for what, high, low in pairs if similar.value is None and divergent.value is None else pairs[:1]:
        if high is not None and low is not None and high < low:
            raise InputError(
                f"thresholds: expected similar.{what} >= divergent.{what}, came {high} and {low};"
                " exchange them?"
            )
