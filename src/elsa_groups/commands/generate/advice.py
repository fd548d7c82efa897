"""Settings by which groups can be drawn that could not be: each that is advised has been tried."""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from elsa_groups.base.errors import InputError
from elsa_groups.groups.family import Rule
from elsa_groups.settings.commands import GenerateSettings, SamplingSettings
from elsa_groups.similarity.limits import Limits, Target, ThresholdSettings
from elsa_groups.similarity.thresholds import COUNTED_FOR_ADVICE, share_of_pairs
from elsa_groups.similarity.users import Users

log = logging.getLogger("elsa_groups.cli")

# Groups of each type that are tried at most, and draws for one, in their order of magnitude.
_GROUPS, _DRAWS = 1_000, 200_000_000
_FEWEST_RESTARTS = 20
# Trials by which the way to the loosest thresholds is halved.
_HALVINGS = 6
# Where both thresholds meet, as parts of the way from the divergent one to the similar one.
_MEETINGS = (0.5, 0.25, 0.75)


@dataclass(frozen=True, eq=False)
class Trial:
    """What settings are tried by.

    Attributes
    ----------
    settings : GenerateSettings
        Those that could not be satisfied.
    limits : Limits
        Their thresholds.
    pairs : Users
        Those whose pairs make the thresholds.
    draw : callable
        Draws the groups of all keys by settings and thresholds, or raises an InputError.
    find : callable
        Finds thresholds as a run does, or raises an InputError.
    """

    settings: GenerateSettings
    limits: Limits
    pairs: Users
    draw: Callable[[GenerateSettings, Limits], Any]
    find: Callable[[ThresholdSettings], Limits]

    def fills(self, limits: Limits, sampling: SamplingSettings) -> bool:
        """Whether all keys can be drawn, or as many groups of them as are tried."""
        families = {
            name: replace(family, n_groups=min(family.n_groups, _GROUPS))
            for name, family in self.settings.families.items()
        }
        fewer = max(_FEWEST_RESTARTS, _DRAWS // (sampling.max_draws or 2 * self._longest))
        sampling = replace(sampling, max_restarts=min(sampling.max_restarts, fewer))
        try:
            self.draw(replace(self.settings, families=families, sampling=sampling), limits)
        except InputError:
            return False
        return True

    @property
    def _longest(self) -> int:
        """Draws of an attempt without bound, at most."""
        return self.pairs.n_users * max(kind.size for kind in self.settings.types)


def advise(trial: Trial) -> str:
    """Say which settings are enough for all keys; costs some ten times the drawing of their groups.

    Parameters
    ----------
    trial : Trial
        What could not be drawn.

    Returns
    -------
    str
        A sentence; empty where filters are on and more groups are wanted than are tried. Thresholds are
        loosened one by one and, if that is not enough, together, no farther than to where the similar one
        meets the divergent one, and no more than needed: by bisection.
    """
    many = max(kind.n_groups for kind in trial.settings.types) > _GROUPS
    if many and trial.settings.filters.on:
        # What filters keep of a few groups says little of many.
        return ""
    log.info("not to be drawn so; trying which settings would do")
    ways = []
    sampling = unbounded = trial.settings.sampling
    if sampling.max_draws is not None:
        unbounded = replace(sampling, max_draws=None)
        if trial.fills(trial.limits, unbounded):
            ways.append("sampling.max_draws=null")
    # Where draws without bound are enough, no threshold need be moved together with them.
    for chosen in (sampling,) if ways or unbounded == sampling else (sampling, unbounded):
        looser = _loosen(trial, chosen)
        if looser is not None:
            also = "" if chosen == sampling else " sampling.max_draws=null"
            ways += [way + also for way in _settings_of(trial, looser, chosen)]
            break
    if not ways:
        return "Looser thresholds were tried, and none that are accepted fill it."
    tried = f"Tried with {_GROUPS:,} groups of each type" if many else "Tried"
    return f"{tried}, and enough for every type: {'; or '.join(ways)}."


def _loosen(trial: Trial, sampling: SamplingSettings) -> Limits | None:
    """Return how little thresholds must be loosened, if that helps at all."""
    for loosest in _loosest(trial):
        best = _between(trial.limits, loosest, 1.0)
        if not trial.fills(best, sampling):
            continue
        tight, loose = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (tight + loose) / 2
            limits = _between(trial.limits, loosest, middle)
            if trial.fills(limits, sampling):
                best, loose = limits, middle
            else:
                tight = middle
        return best
    return None


def _loosest(trial: Trial) -> Iterator[Limits]:
    """Yield the loosest thresholds that are accepted: of one kind, then of several together."""
    limits, families = trial.limits, trial.settings.families.values()
    rules = {rule for family in families for rule in (family.within, family.across)}
    similar, divergent, band = limits
    if Rule.band in rules and band:
        low, high = band
        yield from (limits._replace(band=ends) for ends in ((0.0, high), (low, 1.0), (0.0, 1.0)))
    if similar <= divergent:
        return
    if Rule.similar in rules:
        yield limits._replace(similar=divergent)
    if Rule.divergent in rules:
        yield limits._replace(divergent=similar)
    if {Rule.similar, Rule.divergent} <= rules:
        for part in _MEETINGS:
            meeting = round(divergent + part * (similar - divergent), 6)
            yield limits._replace(similar=meeting, divergent=meeting)


def _between(asked: Limits, loosest: Limits, part: float) -> Limits:
    """Return thresholds on the way to looser ones, those that move with six decimals, in their order."""
    ends = loosest.by_setting
    return Limits.of_settings(
        {
            name: _rounded(name, value + part * (ends[name] - value)) if ends[name] != value else value
            for name, value in asked.by_setting.items()
        }
    )


def _rounded(name: str, value: float) -> float:
    inwards = math.ceil if name in _LOWER_ENDS else math.floor
    return inwards(value * 1e6) / 1e6


# Of these less admits more, of the others more does.
_LOWER_ENDS = ("similar", "band.low")


def _settings_of(trial: Trial, limits: Limits, sampling: SamplingSettings) -> Iterator[str]:
    """Yield settings that are these thresholds: by quantiles where those do as well, and by values."""
    before = trial.limits.by_setting
    changed = {name: value for name, value in limits.by_setting.items() if value != before[name]}
    quantiles = _quantiles(trial, changed)
    if quantiles and _quantiles_fill(trial, quantiles, sampling):
        yield " ".join(f"thresholds.{name}.quantile={quantile:g}" for name, quantile in quantiles.items())
    yield " ".join(f"thresholds.{name}.value={value:g}" for name, value in changed.items())


def _quantiles(trial: Trial, values: dict[str, float]) -> dict[str, float]:
    """Return the quantiles, to four decimals, that admit values; none where settings or pairs forbid."""
    asked = trial.settings.thresholds
    if trial.pairs.cost_of_pairs > COUNTED_FOR_ADVICE:
        return {}
    targets = asked.targets(needs_band=True)
    if any(targets[name.replace(".", "_")].value is not None for name in values):
        return {}
    found = {}
    for name, value in values.items():
        share = share_of_pairs(trial.pairs, value)
        lower = name in _LOWER_ENDS
        found[name] = math.floor(share.not_above * 1e4) / 1e4 if lower else math.ceil(share.below * 1e4) / 1e4
    return found if all(0.0 <= quantile <= 1.0 for quantile in found.values()) else {}


def _quantiles_fill(trial: Trial, quantiles: dict[str, float], sampling: SamplingSettings) -> bool:
    asked = trial.settings.thresholds
    for name, quantile in quantiles.items():
        asked = _asking(asked, name, Target(quantile=quantile))
    try:
        limits = trial.find(asked)
    except InputError:
        return False
    return trial.fills(limits, sampling)


def _asking(asked: ThresholdSettings, name: str, target: Target) -> ThresholdSettings:
    """Return the settings with another target for a threshold."""
    kind, _, end = name.partition(".")
    changed = {kind: replace(asked.band, **{end: target}) if end else target}
    return replace(asked, **changed)  # type: ignore[arg-type]
