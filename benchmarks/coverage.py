"""How often the 95% interval of a key holds what its mean estimates, over other users of the same kind.

Prints a table: python -m benchmarks.coverage [--repeats 400] [--n-groups 75]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from tqdm import tqdm

from benchmarks.people import TARGETS, Vectors
from elsa_groups.commands.generate.measuring import DrawnKey, Source, measure_keys
from elsa_groups.data.load import load
from elsa_groups.data.split import split_users
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.groups.filters import NAMES
from elsa_groups.groups.rejection import NO_FILTERS
from elsa_groups.groups.sampler import draw_groups
from elsa_groups.measures.baselines import BaselineComparison
from elsa_groups.model.embeddings import embed_users
from elsa_groups.model.settings import TrainingSettings
from elsa_groups.model.training import train
from elsa_groups.similarity.scores import coarsen
from elsa_groups.similarity.thresholds import find_thresholds

POPULATION, TRAINED_ON = 20_000, 1_000
MEASURES = ("similarity", "recommendation_overlap_at_20", "common_items", "jaccard", "activity")
KINDS = (
    ("similar", (3,), Rule.similar, Rule.any),
    ("divergent", (3,), Rule.divergent, Rule.any),
    ("opposing", (2, 1), Rule.similar, Rule.divergent),
    ("random", (3,), Rule.any, Rule.any),
)

Found = dict[tuple[str, str], tuple[float, float, float, float, float]]


@dataclass(frozen=True)
class Population:
    """Generated listeners, and item vectors trained on a few of them: the model stays, the users change."""

    histories: csr_array
    encoder: Vectors


def demo_population(n_users: int = POPULATION) -> Population:
    """Generate listeners and train on the first thousand."""
    data = load("Demo", Path(), min_user_interactions=5, min_item_interactions=5, n_users=n_users)
    few = min(TRAINED_ON, n_users)
    split = split_users(few, val_ratio=0.1, test_ratio=0.1, seed=42)
    settings = TrainingSettings(factors=64, epochs=20, batch_size=64, learning_rate=0.003, patience=3)
    encoder = train(data.matrix[:few], split, settings=settings, seed=42, device="cpu").encoder
    return Population(data.matrix, encoder)


def settings_of(seed: int, halves: int) -> dict[str, Any]:
    """Return what measuring needs of the settings."""
    targets = {name: {"quantile": t.quantile, "value": t.value} for name, t in TARGETS.items()}
    off = {name: {"value": getattr(NO_FILTERS, name), "scope": "history"} for name in NAMES}
    return {
        "seed": seed,
        "thresholds": {"method": "exact", "sampled_pairs": 1_000_000, **targets},
        "sampling": {"max_draws": 1000, "max_restarts": 10_000},
        "overlap": {"threshold": 0.3},
        "filters": {"budget": 1, **off},
        "evidence": {"halves": halves},
        "families": {},
    }


def measure_sample(
    population: Population, users: NDArray[np.int64], *, n_groups: int, halves: int, seed: int
) -> dict[str, list[BaselineComparison]]:
    """Draw and measure groups of some users of the population as a run does; return the evidence by key."""
    histories = population.histories[users]
    embeddings = embed_users(histories, population.encoder, threads=1)
    thresholds = find_thresholds(embeddings.vectors, **TARGETS, method="exact")
    source = Source(
        settings_of(seed, halves), embeddings.vectors, embeddings.vectors, coarsen(embeddings.vectors),
        histories, population.encoder, thresholds, 1,
    )  # fmt: skip
    keys = []
    for name, sizes, within, across in KINDS:
        family = Family(name, (sizes,), within, across, Linkage.mean, n_groups)
        anyone = replace(family, within=Rule.any, across=Rule.any)
        groups, random = (
            draw_groups(
                embeddings.vectors, rules, sizes, similar=thresholds.similar, divergent=thresholds.divergent,
                seed=seed, stream=stream,
            )
            for rules, stream in ((family, "groups"), (anyone, "baseline"))
        )  # fmt: skip
        keys.append(DrawnKey(family, groups, random, 0.0))
    return {result.groups.key: list(result.evidence) for result in measure_keys(source, keys)}


def repeat(
    population: Population, *, n_users: int, n_groups: int, halves: int, repeats: int
) -> Iterator[Found]:
    """Yield mean, low, high, standard error and effective groups by key and measure, each of other users."""
    rng = np.random.default_rng(0)
    for seed in tqdm(range(repeats), "samples of users", disable=None):
        users = np.sort(rng.choice(population.histories.shape[0], n_users, replace=False))
        evidence = measure_sample(population, users, n_groups=n_groups, halves=halves, seed=seed)
        found: Found = {}
        for key, comparisons in evidence.items():
            for of in comparisons:
                if of.measure in MEASURES and of.baseline == "random" and of.interval is not None:
                    i = of.interval
                    numbers = (of.mean, i.low, i.high, i.standard_error, i.effective_groups)
                    found[key, of.measure] = numbers
        yield found


def coverage(found: list[Found]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return by key and measure: share of intervals that hold the mean of means, sd of means, mean error,
    and effective groups."""
    table = {}
    for name in found[0]:
        means, low, high, error, effective = np.array([sample[name] for sample in found]).T
        truth = means.mean()
        held = ((low <= truth) & (truth <= high)).mean()
        table[name] = np.array([held, means.std(ddof=1), (error**2).mean() ** 0.5, effective.mean()])
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the coverage of the intervals.")
    parser.add_argument("--repeats", type=int, default=400, help="samples of users")
    parser.add_argument("--n-users", type=int, default=1000, help="users in each")
    parser.add_argument("--n-groups", type=int, default=75, help="groups of each key")
    parser.add_argument("--halves", type=int, default=50, help="as evidence.halves")
    options = vars(parser.parse_args())
    print("| key | measure | coverage | sd of means | standard error | effective groups |")
    print("|---|---|---|---|---|---|")
    for (key, measure), numbers in coverage(list(repeat(demo_population(), **options))).items():
        held, spread, error, effective = numbers
        print(f"| {key} | {measure} | {held:.1%} | {spread:.5f} | {error:.5f} | {effective:.0f} |")


if __name__ == "__main__":
    main()
