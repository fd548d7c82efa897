"""From settings, data and item vectors to the groups of every key, measured."""

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from elsa_groups.cli import schema
from elsa_groups.similarity.ranks import Ranks
from elsa_groups.similarity.work import available_threads

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from elsa_groups.cli.population import Chosen, Population
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.groups.family import Family, Groups
    from elsa_groups.model.embeddings import Embeddings
    from elsa_groups.report.tables import Result
    from elsa_groups.similarity.scores import Users
    from elsa_groups.similarity.thresholds import Thresholds

log = logging.getLogger("elsa_groups.cli")


@dataclass(frozen=True)
class Drawn:
    """All groups of a run, and what they were drawn from.

    Attributes
    ----------
    population : Population
        Users and histories.
    thresholds : Thresholds
        What similar and divergent meant.
    results : list of Result
        Groups of every key, in order of the configuration; on rank 0 alone.
    threads : int
        Threads used; nothing depends on it.
    device : str
        Where all pairs were compared: ``cpu`` or ``cuda``; nothing depends on it.
    """

    population: "Population"
    thresholds: "Thresholds"
    results: "list[Result]"
    threads: int
    device: str

    @property
    def embeddings(self) -> "Embeddings":
        """Users that could be drawn."""
        return self.population.embeddings


def draw_all(
    settings: dict[str, Any],
    interactions: "Interactions",
    encoder: "NDArray[np.float32]",
    chosen: "Chosen",
    ranks: Ranks,
) -> Drawn:
    """Embed the users, find the thresholds, and draw and measure the groups of every key."""
    from tqdm import tqdm

    from elsa_groups.cli.population import embed_population
    from elsa_groups.groups.family import find_partners
    from elsa_groups.similarity.scores import coarsen

    work: dict[str, Any] = {
        "threads": settings["threads"] or max(1, available_threads() // ranks.on_machine),
        "ranks": ranks,
    }
    population = embed_population(settings, interactions, encoder, chosen, threads=work["threads"])
    users = population.users
    if population.embeddings.n_without_history:
        log.info("left out %d users who have no similarity", population.embeddings.n_without_history)
    device = _sweep_device(settings["device"], ranks)
    thresholds = _thresholds_of(settings, population, device, work)
    work |= {"coarse": coarsen(users)}
    families = schema.families_of(settings)
    keys = [(family, sizes) for family in families for sizes in family.compositions]
    partners = find_partners(families)
    members: dict[str, NDArray[np.int64]] = {}
    hidden = True if ranks.rank else None
    results = []
    with tqdm(keys, desc="groups", unit="key", disable=hidden, leave=False) as progress:
        for family, sizes in progress:
            key, given = family.key(sizes), None
            if key in partners:
                given = members[partners[key]][: family.n_groups, : sizes[0]]
            drawn = _draw_key(settings, users, thresholds, family, sizes, given, work=work)
            members[key] = drawn[0].members
            if not ranks.rank:
                result = _measure_key(settings, users, thresholds, family, *drawn)
                trained_share = population.trained_share(result.groups.members)
                results.append(replace(result, trained_share=trained_share))
    return Drawn(population, thresholds, results, work["threads"], "cuda" if device else "cpu")


def _thresholds_of(
    settings: dict[str, Any], population: "Population", device: "torch.device | None", work: dict[str, Any]
) -> "Thresholds":
    """Find the thresholds over the pairs of the users who make them."""
    from elsa_groups.similarity.thresholds import find_thresholds

    options = {name: settings["thresholds"][name] for name in ("method", "exact_budget", "sampled_pairs")}
    thresholds = find_thresholds(
        population.compared,
        **schema.targets_of(settings),
        seed=settings["seed"],
        device=device,
        **work,
        **options,
    )
    log.info(
        "thresholds over %d users (%s): similar >= %.6f, divergent <= %.6f",
        thresholds.n_users, thresholds.method, thresholds.similar, thresholds.divergent,
    )  # fmt: skip
    return thresholds


def _sweep_device(name: str, ranks: Ranks) -> "torch.device | None":
    """Return the CUDA device of this rank, or None where the CPU sweeps all pairs."""
    import torch

    from elsa_groups.model.training import find_device

    device = torch.device(ranks.device) if ranks.size > 1 else find_device(name)
    return device if device.type == "cuda" else None


def _draw_key(
    settings: dict[str, Any],
    users: "Users",
    thresholds: "Thresholds",
    family: "Family",
    sizes: tuple[int, ...],
    given: "NDArray[np.int64] | None",
    *,
    work: dict[str, Any],
) -> "tuple[Groups, Groups, float]":
    """Draw the groups of one key, and random groups of the same size; time the former."""
    from elsa_groups.groups.family import Linkage, Rule
    from elsa_groups.groups.sampling import draw_groups

    started = time.perf_counter()
    options: dict[str, Any] = {
        **thresholds.limits,
        "seed": settings["seed"],
        **settings["sampling"],
        **work,
    }
    groups = draw_groups(users, family, sizes, given=given, **options)
    seconds = time.perf_counter() - started
    anyone = replace(family, within=Rule.any, across=Rule.any, linkage=Linkage.mean)
    n_random = max(settings["baseline"]["n_groups"], family.n_groups)
    random = draw_groups(users, anyone, sizes, stream="baseline", n_groups=n_random, **options)
    return groups, random, seconds


def _measure_key(
    settings: dict[str, Any],
    users: "Users",
    thresholds: "Thresholds",
    family: "Family",
    groups: "Groups",
    random: "Groups",
    seconds: float,
) -> "Result":
    """Measure the groups of one key beside random groups of the same size."""
    from elsa_groups.groups.family import Rule
    from elsa_groups.groups.quality import measure_overlap, measure_quality
    from elsa_groups.report.tables import Result

    members = groups.members
    limits = thresholds.limits
    quality = measure_quality(
        users, members, groups.sizes, within=family.within, across=family.across, **limits
    )
    baseline = measure_quality(
        users, random.members, groups.sizes, within=Rule.any, across=Rule.any, **limits
    )
    overlap = measure_overlap(members, n_users=users.shape[0], threshold=settings["overlap"]["threshold"])
    return Result(groups, quality, overlap, baseline.similarity, seconds)
