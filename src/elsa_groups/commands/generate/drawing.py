"""From settings, data and item vectors to the groups of every key, measured."""

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from elsa_groups.base.distributed import Ranks
from elsa_groups.base.stages import stage
from elsa_groups.base.threads import available_threads
from elsa_groups.settings import schema
from elsa_groups.settings.filters import filters_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from elsa_groups.commands.generate.measuring import DrawnKey
    from elsa_groups.commands.generate.population import Chosen, Population
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.groups.family import Family, Groups
    from elsa_groups.groups.filters import Lookup
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
    lookup : Lookup
        What filters looked up of the users.
    """

    population: "Population"
    thresholds: "Thresholds"
    results: "list[Result]"
    threads: int
    device: str
    lookup: "Lookup"

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
    from elsa_groups.commands.generate.measuring import Source, measure_keys
    from elsa_groups.similarity.scores import coarsen

    work: dict[str, Any] = {
        "threads": settings["threads"] or max(1, available_threads() // ranks.on_machine),
        "ranks": ranks,
    }
    population = find_population(settings, interactions, encoder, chosen, work["threads"])
    _check_room(settings, population.users.shape[0])
    lookup = _lookup_of(settings, population, encoder, work["threads"])
    device = sweep_device(settings["device"], ranks)
    thresholds = thresholds_of(settings, population, device, work)
    work |= {"coarse": coarsen(population.users), "lookup": lookup}
    with stage("groups and random ones", "groups") as done:
        drawn = _draw_keys(settings, population.users, thresholds, work)
        done.count = sum(len(each.members) for key in drawn for each in (key.groups, key.random))
    results: list[Result] = []
    if not ranks.rank:
        with stage("measuring", "groups") as measured:
            source = Source.of(
                settings, population, encoder, thresholds, lookup, work["coarse"], work["threads"]
            )
            for result in measure_keys(source, drawn):
                trained_share = population.trained_share(result.groups.members)
                results.append(replace(result, trained_share=trained_share))
            measured.count = done.count
    return Drawn(population, thresholds, results, work["threads"], "cuda" if device else "cpu", lookup)


def find_population(
    settings: dict[str, Any],
    interactions: "Interactions",
    encoder: "NDArray[np.float32]",
    chosen: "Chosen",
    threads: int,
) -> "Population":
    """Embed the users, and say how many have no embedding."""
    from elsa_groups.commands.generate.population import embed_population

    with stage("embedding", "users") as done:
        population = embed_population(settings, interactions, encoder, chosen, threads=threads)
        done.count = population.users.shape[0]
    if population.embeddings.n_without_history:
        log.info("left out %d users who have no similarity", population.embeddings.n_without_history)
    return population


def _check_room(settings: dict[str, Any], n_users: int) -> None:
    """Refuse keys that filters leave no room for, before thresholds and the keys ahead of them."""
    from elsa_groups.groups.rejection import check_room

    if not settings["allow_partial"]:
        for family in schema.families_of(settings):
            for sizes in family.compositions:
                check_room(filters_of(settings), family, sizes, n_users)


def _lookup_of(
    settings: dict[str, Any], population: "Population", encoder: "NDArray[np.float32]", threads: int
) -> "Lookup":
    """Return what filters look up of the users that groups are drawn from."""
    from elsa_groups.groups.filters import Lookup

    rows, histories, targets = population.embeddings.rows, population.histories, population.targets
    if len(rows) < histories.shape[0]:
        histories, targets = histories[rows], None if targets is None else targets[rows]
    top = None
    if "max_recommendation_overlap" in filters_of(settings).on:
        from elsa_groups.model.recommendations import top_items

        top = top_items(population.uncentred, encoder, histories, threads=threads)
    return Lookup(histories, targets, top)


def thresholds_of(
    settings: dict[str, Any], population: "Population", device: "torch.device | None", work: dict[str, Any]
) -> "Thresholds":
    """Find the thresholds over the pairs of the users who make them."""
    from elsa_groups.similarity.thresholds import find_thresholds

    options = {name: settings["thresholds"][name] for name in ("method", "exact_budget", "sampled_pairs")}
    with stage("thresholds", "pairs") as done:
        thresholds = find_thresholds(
            population.compared,
            **schema.targets_of(settings),
            seed=settings["seed"],
            device=device,
            **work,
            **options,
        )
        done.count = thresholds.pairs
    log.info(
        "thresholds over %d users (%s): similar >= %.6f, divergent <= %.6f",
        thresholds.n_users, thresholds.method, thresholds.similar, thresholds.divergent,
    )  # fmt: skip
    return thresholds


def sweep_device(name: str, ranks: Ranks) -> "torch.device | None":
    """Return the CUDA device of this rank, or None where the CPU sweeps all pairs."""
    import torch

    from elsa_groups.model.training import find_device

    device = torch.device(ranks.device) if ranks.size > 1 else find_device(name)
    return device if device.type == "cuda" else None


def _draw_keys(
    settings: dict[str, Any], users: "Users", thresholds: "Thresholds", work: dict[str, Any]
) -> "list[DrawnKey]":
    """Draw the groups of every key in order, as later ones may be paired with those of earlier ones.

    With ``allow_partial`` a key that has not one group is left out, unless all are.
    """
    from elsa_groups.base.errors import Unfilled
    from elsa_groups.commands.generate.measuring import DrawnKey
    from elsa_groups.groups.family import find_partners, first_subgroups

    families = schema.families_of(settings)
    partners = find_partners(families)
    drawn: list[DrawnKey] = []
    members: dict[str, NDArray[np.int64]] = {}
    unfilled: list[Unfilled] = []
    for family, sizes in ((each, sizes) for each in families for sizes in each.compositions):
        partner = partners.get(family.key(sizes))
        try:
            if partner and partner not in members:
                raise Unfilled(f"{family.key(sizes)}: there is no group of {partner} to be paired with")
            given = first_subgroups(partner, members, sizes)
            key = DrawnKey(family, *_draw_key(settings, users, thresholds, family, sizes, given, work=work))
        except Unfilled as error:
            if not settings["allow_partial"]:
                raise
            unfilled.append(error)
            if not work["ranks"].rank:
                log.warning("left out %s", error)
            continue
        members[key.groups.key] = key.groups.members
        drawn.append(key)
    if not drawn:
        raise unfilled[0]
    return drawn


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
    from elsa_groups.groups.rejection import draw_kept_groups
    from elsa_groups.groups.sampler import draw_groups

    started = time.perf_counter()
    options: dict[str, Any] = {
        **thresholds.limits,
        "seed": settings["seed"],
        **settings["sampling"],
        **work,
    }
    asked = {
        "given": given,
        "filters": filters_of(settings),
        "lookup": options.pop("lookup"),
        "allow_partial": settings["allow_partial"],
    }
    groups = draw_kept_groups(users, family, sizes, **asked, **options)
    seconds = time.perf_counter() - started
    draws = groups.accounting
    log.debug(
        "%s: %d draws, %d accepted, %d restarts, %.3f s",
        groups.key, draws.draws.sum(), draws.accepted.sum(), draws.restarts.sum(), seconds,
    )  # fmt: skip
    if draws.shortfall and not work["ranks"].rank:
        log.warning("%s: fewer groups than wanted: %s", groups.key, draws.reason)
    anyone = replace(family, within=Rule.any, across=Rule.any, linkage=Linkage.mean)
    n_random = max(settings["baseline"]["n_groups"], family.n_groups)
    random = draw_groups(users, anyone, sizes, stream="baseline", n_groups=n_random, **options)
    return groups, random, seconds
