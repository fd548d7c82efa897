"""From settings, data and item vectors to the groups of every type, measured."""

import logging
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from elsa_groups.base.digests import array_digest
from elsa_groups.base.distributed import Ranks
from elsa_groups.base.errors import Unfilled
from elsa_groups.base.keeping import kept
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.stages import stage
from elsa_groups.base.threads import available_threads
from elsa_groups.commands.generate.advice import Trial, advise
from elsa_groups.commands.generate.drawn import DrawnFrom, DrawnKey
from elsa_groups.commands.generate.measuring import measure_keys
from elsa_groups.commands.generate.population import Chosen, Population, embed_population
from elsa_groups.data.interactions import Interactions
from elsa_groups.groups.family import GroupType, find_partners
from elsa_groups.groups.groups import first_subgroups
from elsa_groups.groups.rejection import draw_kept_groups
from elsa_groups.groups.room import check_room
from elsa_groups.groups.sampler import Law, sample_groups
from elsa_groups.measures.statistics import Result
from elsa_groups.model.embeddings import Embeddings
from elsa_groups.model.training import find_device
from elsa_groups.settings.commands import GenerateSettings, History
from elsa_groups.similarity.limits import Limits, Thresholds
from elsa_groups.similarity.thresholds import find_thresholds

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
        Groups of every type, in order of the configuration; on rank 0 alone.
    absent : dict of str to str
        Why there is not one group of a type, by type; only where fewer groups than asked for are allowed.
    runtime : Runtime
        What it was computed on; nothing depends on it.
    """

    population: Population
    thresholds: Thresholds
    results: list[Result]
    absent: dict[str, str]
    runtime: Runtime

    @property
    def embeddings(self) -> Embeddings:
        """Users that could be drawn."""
        return self.population.embeddings


def draw_all(
    settings: GenerateSettings,
    interactions: Interactions,
    encoder: NDArray[np.float32],
    chosen: Chosen,
    ranks: Ranks,
) -> Drawn:
    """Embed the users, find the thresholds, and draw and measure the groups of every type."""
    runtime = runtime_of(settings, ranks)
    population = find_population(settings, interactions, encoder, chosen, runtime.threads)
    return draw_from(settings, population, runtime)


def draw_from(settings: GenerateSettings, population: Population, runtime: Runtime) -> Drawn:
    """Find the thresholds, and draw and measure the groups of every type from users who are known."""
    _check_room(settings, population)
    if any(each.needs == "top_items" for each in settings.filters.on.values()):
        population = population.with_top_items(threads=runtime.threads)
    thresholds = thresholds_of(settings, population, runtime)
    n_groups = [kind.family.n_groups for kind in settings.types]
    n_random = sum(max(settings.baseline.n_groups, n) for n in n_groups)
    log.info("drawing %s groups, and %s random ones to compare with", f"{sum(n_groups):,}", f"{n_random:,}")
    with stage("drawing", "groups") as done:
        drawn, absent = _draw_or_advise(settings, population, thresholds.limits, runtime)
        done.count = sum(len(each.members) for key in drawn for each in (key.groups, key.random))
    results: list[Result] = []
    if not runtime.ranks.rank:
        with stage("measuring", "groups") as measured:
            for result in measure_keys(DrawnFrom(settings, population, thresholds, runtime), drawn):
                trained_share = population.trained_share(result.groups.members)
                results.append(replace(result, trained_share=trained_share))
            measured.count = done.count
    return Drawn(population, thresholds, results, absent, runtime)


def runtime_of(settings: GenerateSettings, ranks: Ranks) -> Runtime:
    """Return what settings, and this rank's place among others, say that is computed on."""
    threads = settings.threads or max(1, available_threads() // ranks.on_machine)
    device = torch.device(ranks.device) if ranks.size > 1 else find_device(settings.device)
    return Runtime(threads, ranks, str(device) if device.type == "cuda" else "cpu")


def find_population(
    settings: GenerateSettings,
    interactions: Interactions,
    encoder: NDArray[np.float32],
    chosen: Chosen,
    threads: int,
) -> Population:
    """Embed the users, and say how many have no embedding."""
    with stage("embedding", "users") as done:
        population = _embed_once(settings, interactions, encoder, chosen, threads)
        done.count = population.users.n_users
    if population.embeddings.n_without_history:
        log.info("left out %d users who have no similarity", population.embeddings.n_without_history)
    return population


def _embed_once(
    settings: GenerateSettings,
    interactions: Interactions,
    encoder: NDArray[np.float32],
    chosen: Chosen,
    threads: int,
) -> Population:
    """Embed the users, or take those of the job before, where it asked for the same."""
    holds_out = settings.history == History.inputs
    follows_from = (
        *(interactions.digest, array_digest(encoder), settings.similarity, settings.history),
        *(array_digest(chosen.drawn), array_digest(chosen.compared)),
        None
        if chosen.given is None
        else (array_digest(chosen.given.vectors), array_digest(chosen.given.rows)),
        (settings.holdout, settings.seed) if holds_out else None,
    )
    made = kept(
        "population",
        follows_from,
        lambda: embed_population(settings, interactions, encoder, chosen, threads=threads),
    )
    return replace(made, chosen=chosen)


def _check_room(settings: GenerateSettings, population: Population) -> None:
    """Refuse keys that filters leave no room for, before thresholds and the keys ahead of them."""
    if not settings.allow_partial:
        for kind in settings.types:
            check_room(settings.filters, kind, population.users.n_users, population.lookup)


def thresholds_of(settings: GenerateSettings, population: Population, runtime: Runtime) -> Thresholds:
    """Find the thresholds over the pairs of the users who make them."""
    with stage("thresholds", "pairs") as done:
        thresholds = _find_thresholds(settings, population, runtime)
        done.count = thresholds.pairs
    log.info(
        "thresholds over %d users (%s): similar >= %.6f, divergent <= %.6f",
        thresholds.n_users, thresholds.method, thresholds.similar, thresholds.divergent,
    )  # fmt: skip
    return thresholds


def _find_thresholds(settings: GenerateSettings, population: Population, runtime: Runtime) -> Thresholds:
    return find_thresholds(
        population.compared,
        settings.thresholds,
        seed=settings.seed,
        runtime=runtime,
        needs_band=settings.needs_band,
    )


def _draw_or_advise(
    settings: GenerateSettings, population: Population, limits: Limits, runtime: Runtime
) -> tuple[list[DrawnKey], dict[str, str]]:
    """Draw the groups of every type, and say which are fewer than wanted; or which settings would do."""
    try:
        drawn, absent = draw_keys(settings, population, limits, runtime)
    except Unfilled as error:
        trial = Trial(
            settings,
            limits,
            population.compared,
            lambda tried, looser: draw_keys(tried, population, looser, runtime),
            lambda asked: _find_thresholds(replace(settings, thresholds=asked), population, runtime).limits,
        )
        raise Unfilled(f"{error} {advise(trial)}".rstrip()) from error
    if not runtime.ranks.rank:
        for key in drawn:
            if key.groups.accounting.shortfall:
                said = key.groups.accounting.reason
                log.warning("%s: fewer groups than wanted: %s", key.groups.key, said)
        for reason in absent.values():
            log.warning("left out %s", reason)
    return drawn, absent


def draw_keys(
    settings: GenerateSettings, population: Population, limits: Limits, runtime: Runtime
) -> tuple[list[DrawnKey], dict[str, str]]:
    """Draw the groups of every type in order, as later ones may be paired with those of earlier ones.

    With ``allow_partial`` a type that has not one group is left out, unless all are; why is returned, too.
    """
    partners = find_partners(list(settings.families.values()))
    drawn: list[DrawnKey] = []
    members: dict[str, NDArray[np.int64]] = {}
    unfilled: dict[str, Unfilled] = {}
    for kind in settings.types:
        partner = partners.get(kind.name)
        try:
            if partner and partner not in members:
                raise Unfilled(f"{kind.name}: there is no group of {partner} to be paired with")
            given = first_subgroups(partner, members, kind)
            key = _draw_key(settings, population, kind, limits, given, runtime)
        except Unfilled as error:
            if not settings.allow_partial:
                raise
            unfilled[kind.name] = error
            continue
        members[kind.name] = key.groups.members
        drawn.append(key)
    if not drawn:
        raise next(iter(unfilled.values()))
    return drawn, {name: str(error) for name, error in unfilled.items()}


def _draw_key(
    settings: GenerateSettings,
    population: Population,
    kind: GroupType,
    limits: Limits,
    given: NDArray[np.int64] | None,
    runtime: Runtime,
) -> DrawnKey:
    """Draw the groups of one type, and random groups of the same size; time the former."""
    started = time.perf_counter()
    law = Law(limits, settings.seed, settings.sampling.max_draws, settings.sampling.max_restarts)
    groups = draw_kept_groups(
        population.users, kind, law, settings.filters, population.lookup,
        given=given, allow_partial=settings.allow_partial, runtime=runtime,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    draws = groups.accounting
    log.debug(
        "%s: %d draws, %d accepted, %d restarts, %.3f s",
        groups.key, draws.draws.sum(), draws.accepted.sum(), draws.restarts.sum(), seconds,
    )  # fmt: skip
    n_random = max(settings.baseline.n_groups, kind.n_groups)
    law = replace(law, stream="baseline")
    random = sample_groups(population.users, kind.without_rules, law, n_groups=n_random, runtime=runtime)
    return DrawnKey(kind, groups, random, seconds)
