"""Groups of made-up users, measured and drawn so that what this needs is compiled.

On a fresh installation much of the first run is spent compiling. A process of its own, started with the
settings as its input, compiles a part while the command imports its libraries and compiles the rest.
"""

import os
import pickle
import sys
from contextlib import suppress
from dataclasses import replace
from threading import Thread

import numpy as np
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.base.kernel_folder import REHEARSED, kernel_folder
from elsa_groups.base.runtime import Runtime
from elsa_groups.commands.generate.drawing import draw_keys
from elsa_groups.commands.generate.drawn import DrawnFrom, DrawnKey
from elsa_groups.commands.generate.halves import draw_from_halves
from elsa_groups.commands.generate.measuring import measure_keys
from elsa_groups.commands.generate.population import Chosen, embed_population
from elsa_groups.data.interactions import Interactions, Source
from elsa_groups.groups.family import GroupType
from elsa_groups.groups.filters import NO_FILTERS
from elsa_groups.groups.groups import Accounting, Groups
from elsa_groups.settings.commands import EvidenceSettings, GenerateSettings
from elsa_groups.similarity.limits import BandTarget, Target, Thresholds
from elsa_groups.similarity.users import Users

_USERS, _ITEMS, _FACTORS, _GROUPS = 200, 60, 8, 2
# By which groups are found soon: half of all pairs are similar, the others divergent.
_MEDIAN, _MIDDLE = Target(quantile=0.5), BandTarget(Target(quantile=0.3), Target(quantile=0.7))


def rehearse(settings: GenerateSettings) -> None:
    """Measure made-up groups of each type that settings ask for, and draw some if that is possible."""
    rng = np.random.default_rng(0)
    histories = csr_array((rng.random((_USERS, _ITEMS)) < 0.2).astype(np.float32))
    users, items = (tuple(map(str, range(n))) for n in histories.shape)
    interactions = Interactions("made up", histories, users, items, None, Source("generated", "0" * 64), 1, 1)
    encoder = rng.standard_normal((_ITEMS, _FACTORS)).astype(np.float32)
    asked = replace(
        settings,
        families={name: replace(family, n_groups=_GROUPS) for name, family in settings.families.items()},
        # Some filters reject all of so few groups. What counts the groups kept is compiled without them.
        filters=NO_FILTERS,
        allow_partial=settings.allow_partial or bool(settings.filters.on),
        baseline=replace(settings.baseline, n_groups=_GROUPS),
        thresholds=replace(settings.thresholds, similar=_MEDIAN, divergent=_MEDIAN, band=_MIDDLE),
        evidence=EvidenceSettings(),
        sampling=replace(settings.sampling, max_restarts=10),
    )
    everyone = np.arange(_USERS)
    population = embed_population(asked, interactions, encoder, Chosen(everyone, everyone), threads=1)
    thresholds = _easy_thresholds(population.users)
    source = DrawnFrom(asked, population, thresholds, Runtime())
    # The command compiles what draws first, and what measures last. Here measuring comes first, so that the
    # two do not compile the same code.
    measure_keys(source, [_made_up(kind, rng) for kind in asked.types])
    # So few users may have no group of a type: then the command compiles what is left.
    with suppress(InputError):
        drawn, _ = draw_keys(asked, population, thresholds.limits, Runtime())
        halved = replace(asked, evidence=EvidenceSettings(halves=2))
        draw_from_halves(replace(source, settings=halved), drawn)


def _made_up(kind: GroupType, rng: np.random.Generator) -> DrawnKey:
    """Return groups of anybody, as if they had been drawn by the rules of a type."""
    members = rng.integers(_USERS, size=(_GROUPS, kind.size))
    ones = np.ones(_GROUPS, np.int64)
    groups = Groups(kind.name, members, kind.sizes, Accounting(ones, ones, ones))
    return DrawnKey(kind, groups, groups, 0.0)


def _easy_thresholds(users: Users) -> Thresholds:
    """Return thresholds at about the easy quantiles, without compiling what finds them exactly."""
    some = users.similarities(np.zeros(users.n_users, np.int64), np.arange(users.n_users))
    low, median, high = np.quantile(some, [0.3, 0.5, 0.7]).tolist()
    return Thresholds(median, median, "value", users.n_users, 0, band=(low, high))


def main() -> None:
    """Rehearse by the settings that come in, and note that it is done; end when the other end has gone."""
    settings = pickle.load(sys.stdin.buffer)
    Thread(target=_end_with_input, daemon=True).start()
    rehearse(settings)
    (kernel_folder() / REHEARSED).touch()


def _end_with_input() -> None:
    # Past Python's buffer, whose lock the end of a process would wait for.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
