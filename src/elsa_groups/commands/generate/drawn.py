"""What groups were drawn from, and what was drawn, before it is measured."""

from dataclasses import dataclass

from elsa_groups.base.runtime import Runtime
from elsa_groups.commands.generate.population import Population
from elsa_groups.groups.family import GroupType
from elsa_groups.groups.groups import Groups
from elsa_groups.settings.commands import GenerateSettings
from elsa_groups.similarity.limits import Thresholds


@dataclass(frozen=True)
class DrawnKey:
    """The groups of one type before they are measured.

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
