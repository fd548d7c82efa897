"""The nearest quantiles of a threshold by which a key could be drawn."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.family import Rule
from elsa_groups.similarity.limits import Limits

Ends = dict[str, float]

# Quantiles are looked for to three decimals.
_GRID = 1_000
# The thresholds of each rule, and the way in which each admits more.
_LOOSER = {
    Rule.any: (),
    Rule.similar: (("similar", -1),),
    Rule.divergent: (("divergent", 1),),
    Rule.band: (("band.low", -1), ("band.high", 1)),
}


@dataclass(frozen=True)
class Looser:
    """Thresholds that would do.

    Attributes
    ----------
    quantiles : dict of str to float
        By name of the threshold; others stay as they are.
    values : dict of str to float
        Similarities that these are, estimated.
    completing_share : float
        Share of attempts that complete by them.
    """

    quantiles: dict[str, float]
    values: dict[str, float]
    completing_share: float


def find_looser(
    rules: Collection[Rule],
    limits: Limits,
    ordered: NDArray[np.float64],
    completing_share: Callable[[Limits], float],
    *,
    wanted: float,
) -> tuple[Looser, ...]:
    """Find how little thresholds must be loosened.

    Parameters
    ----------
    rules : collection of Rule
        Of the family.
    limits : Limits
        Thresholds as they are.
    ordered : (m,) float64
        Ascending similarities of random pairs.
    completing_share : callable
        Says of thresholds which share of attempts complete.
    wanted : float
        Share that is enough.

    Returns
    -------
    tuple of Looser
        For each threshold that is enough to loosen by itself, how far; if none is, for all of them
        together, moved by the same step; empty if that is not enough either. The similar threshold stays
        at or above the divergent one.

    Notes
    -----
    By bisection, as more attempts complete the looser a threshold is: about ten trials for each threshold.
    What is returned has been tried.
    """
    ways = [way for rule in sorted(rules) for way in _LOOSER[rule]]
    found = [_Steps([way], limits.by_setting, ordered, completing_share).fewest(wanted) for way in ways]
    if len(ways) > 1 and not any(found):
        found = [_Steps(ways, limits.by_setting, ordered, completing_share).fewest(wanted)]
    return tuple(each for each in found if each is not None)


@dataclass(frozen=True, eq=False)
class _Steps:
    """Steps on the grid of quantiles, of some thresholds each in its way."""

    ways: Sequence[tuple[str, int]]
    now: Ends
    ordered: NDArray[np.float64]
    completing_share: Callable[[Limits], float]

    def quantiles(self, steps: int) -> Ends:
        # Of pairs that are just as similar as a threshold, all are admitted already.
        starts = {
            name: np.searchsorted(self.ordered, self.now[name], "left" if way < 0 else "right")
            for name, way in self.ways
        }
        n = len(self.ordered)
        return {name: (round(starts[name] / n * _GRID) + way * steps) / _GRID for name, way in self.ways}

    def values(self, quantiles: Ends) -> Ends:
        last = len(self.ordered) - 1
        return {name: float(self.ordered[round(q * last)]) for name, q in quantiles.items()}

    def is_possible(self, steps: int) -> bool:
        quantiles = self.quantiles(steps)
        if not all(0 <= quantile <= 1 for quantile in quantiles.values()):
            return False
        trial = self.now | self.values(quantiles)
        # Equal similarities may be of quantiles in the wrong order, which settings refuse.
        at = {
            "similar": float(np.searchsorted(self.ordered, trial["similar"], "left")) / len(self.ordered),
            "divergent": float(np.searchsorted(self.ordered, trial["divergent"], "right"))
            / len(self.ordered),
        } | quantiles
        return trial["similar"] > trial["divergent"] or (
            trial["similar"] == trial["divergent"] and at["similar"] >= at["divergent"]
        )

    def trial(self, steps: int) -> Looser:
        quantiles = self.quantiles(steps)
        values = self.values(quantiles)
        return Looser(quantiles, values, self.completing_share(Limits.of_settings(self.now | values)))

    def fewest(self, wanted: float) -> Looser | None:
        """Return the fewest steps by which enough attempts complete."""
        tight, loose = 0, next((steps for steps in range(_GRID, 0, -1) if self.is_possible(steps)), 0)
        best = self.trial(loose) if loose else None
        if best is None or best.completing_share < wanted:
            return None
        while loose - tight > 1:
            middle = (tight + loose) // 2
            trial = self.trial(middle)
            if trial.completing_share >= wanted:
                loose, best = middle, trial
            else:
                tight = middle
        return best
