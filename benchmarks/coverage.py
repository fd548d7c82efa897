"""How often the 95% interval of a type holds what its mean estimates, over other users of the same kind.

Prints a table: python -m benchmarks.coverage [--repeats 400] [--n-groups 75] [--filter distinct_first]
Of few groups, by simulation: python -m benchmarks.coverage --few [--repeats 400]
"""

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from tqdm import tqdm

from benchmarks.people import Vectors
from elsa_groups.base.runtime import Runtime
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate.drawn import DrawnFrom, DrawnKey
from elsa_groups.commands.generate.measuring import measure_keys
from elsa_groups.commands.generate.population import Chosen, Population
from elsa_groups.data.load import load
from elsa_groups.data.split import split_users
from elsa_groups.groups.candidates import Lookup
from elsa_groups.groups.family import Family, GroupType, Linkage, Rule
from elsa_groups.groups.rejection import draw_kept_groups
from elsa_groups.groups.sampler import Law, sample_groups
from elsa_groups.measures.baselines import BaselineComparison
from elsa_groups.measures.jackknife import find_interval
from elsa_groups.model.embeddings import embed_users
from elsa_groups.model.settings import TrainingSettings
from elsa_groups.model.training import train
from elsa_groups.settings.commands import GenerateSettings
from elsa_groups.similarity.thresholds import find_thresholds
from elsa_groups.similarity.vector_users import VectorUsers

# Share of the users in a half, and what few groups are simulated around: far from 0, where intervals end.
ECHONEST, TRUTH = 5_000 / 571_355, 100.0
FILTERS = ("no_duplicates", "distinct_first", "disjoint")
POPULATION, TRAINED_ON = 20_000, 1_000
MEASURES = ("similarity", "recommendation_overlap_at_20", "common_items", "jaccard", "activity")
KINDS = (
    ("similar", (3,), Rule.similar, Rule.any),
    ("divergent", (3,), Rule.divergent, Rule.any),
    ("opposing", (2, 1), Rule.similar, Rule.divergent),
    ("random", (3,), Rule.any, Rule.any),
)

# Mean, low, high, standard error and effective groups; the latter four are NaN where there is no interval.
Found = dict[tuple[str, str], tuple[float, float, float, float, float]]


@dataclass(frozen=True)
class Generated:
    """Generated listeners, and item vectors trained on a few of them: the model stays, the users change."""

    histories: csr_array
    encoder: Vectors


def demo_population(n_users: int = POPULATION) -> Generated:
    """Generate listeners and train on the first thousand."""
    data = load("Demo", Path(), min_user_interactions=5, min_item_interactions=5, n_users=n_users)
    few = min(TRAINED_ON, n_users)
    split = split_users(few, val_ratio=0.1, test_ratio=0.1, seed=42)
    settings = TrainingSettings(factors=64, epochs=20, batch_size=64, learning_rate=0.003, patience=3)
    encoder = train(data.matrix[:few], split, settings=settings, seed=42, device="cpu").encoder
    return Generated(data.matrix, encoder)


def settings_of(seed: int, halves: int, filter_on: str | None = None) -> GenerateSettings:
    """Return what measuring needs of the settings."""
    filtered = [f"filters.{filter_on}.value=true"] if filter_on else []
    asked = [
        *filtered,
        "dataset=Demo",
        "thresholds.method=exact",
        f"seed={seed}",
        f"evidence.halves={halves}",
    ]
    settings: GenerateSettings = compose_settings("generate", asked)
    return settings


def measure_sample(
    generated: Generated,
    rows: NDArray[np.int64],
    *,
    n_groups: int,
    halves: int,
    seed: int,
    filter_on: str | None = None,
) -> dict[str, list[BaselineComparison]]:
    """Draw and measure groups of some users as a run does; return the evidence by type."""
    settings, runtime = settings_of(seed, halves, filter_on), Runtime()
    histories = generated.histories[rows]
    embeddings = embed_users(histories, generated.encoder, threads=1)
    users, chosen = VectorUsers(embeddings.vectors), Chosen(embeddings.rows, embeddings.rows)
    population = Population(
        embeddings, users, users, embeddings.vectors, histories, None, chosen, generated.encoder,
        Lookup(histories[embeddings.rows]),
    )  # fmt: skip
    thresholds = find_thresholds(users, settings.thresholds, seed=seed, runtime=runtime)
    keys = []
    for name, sizes, within, across in KINDS:
        kind = GroupType(Family(name, (sizes,), within, across, Linkage.mean, n_groups), sizes)
        law = Law(thresholds.limits, seed)
        groups = draw_kept_groups(users, kind, law, settings.filters, population.lookup)
        random = sample_groups(users, kind.without_rules, replace(law, stream="baseline"))
        keys.append(DrawnKey(kind, groups, random, 0.0))
    source = DrawnFrom(settings, population, thresholds, runtime)
    return {result.groups.key: list(result.evidence) for result in measure_keys(source, keys)}


def repeat(
    generated: Generated,
    *,
    n_users: int,
    n_groups: int,
    halves: int,
    repeats: int,
    filter_on: str | None = None,
) -> Iterator[Found]:
    """Yield mean, low, high, standard error and effective groups by key and measure, each of other users."""
    rng = np.random.default_rng(0)
    for seed in tqdm(range(repeats), "samples of users", disable=None):
        users = np.sort(rng.choice(generated.histories.shape[0], n_users, replace=False))
        evidence = measure_sample(
            generated, users, n_groups=n_groups, halves=halves, seed=seed, filter_on=filter_on
        )
        found: Found = {}
        for key, comparisons in evidence.items():
            for of in comparisons:
                if of.measure in MEASURES and of.baseline == "random":
                    names = ("low", "high", "standard_error", "effective_groups")
                    low, high, error, effective = (getattr(of.interval, name, np.nan) for name in names)
                    found[key, of.measure] = (of.mean, low, high, error, effective)
        yield found


def coverage(found: list[Found]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return by key and measure: share of intervals that hold the truth, sd of means, mean error, effective
    groups, and share of samples with an interval.

    The truth is the mean over all samples, also those without an interval, whose groups are all alike in the
    measure: left out, they would make rare events look common.
    """
    table = {}
    for name in found[0]:
        means, low, high, error, effective = np.array([sample[name] for sample in found]).T
        truth, there = means.mean(), ~np.isnan(low)
        held = ((low <= truth) & (truth <= high))[there]
        numbers = (held, error[there] ** 2, effective[there])
        share, variance, groups = (part.mean() if there.any() else np.nan for part in numbers)
        table[name] = np.array([share, means.std(ddof=1), variance**0.5, groups, there.mean()])
    return table


def coverage_of_few(
    n: int, share: float, *, of_half: int, of_users: float, halves: int, repeats: int
) -> float | None:
    """Return how often the interval of n groups holds the truth; None where there is none.

    From each half ``of_half`` groups are drawn.
    Groups vary with variance 1, and users move the mean over all groups with standard deviation ``of_users``.
    """
    rng, scale = np.random.default_rng(n), share / (1.0 - share)
    held = []
    for _ in range(repeats):
        values = TRUTH + rng.normal(0.0, of_users) + rng.normal(size=n)
        of_halves = rng.normal(0.0, of_users / scale**0.5, halves) + rng.normal(size=halves) / of_half**0.5
        interval = find_interval(values, TRUTH + of_halves, of_half, share)
        if interval is None:
            return None
        held.append(interval.low <= TRUTH <= interval.high)
    return float(np.mean(held))


def print_few(halves: int, repeats: int) -> None:
    """Print the coverage of few groups, at EchoNest's share of users in a half and at one half."""
    print("| groups | of a half | share | sd of users | coverage |")
    print("|---|---|---|---|---|")
    few = [(n, n, share) for n, share in itertools.product((1, 2, 3, 5, 10), (ECHONEST, 0.5))]
    for (n, of_half, share), of_users in itertools.product([*few, (1_000, 20, ECHONEST)], (0.0, 0.1, 1.0)):
        held = coverage_of_few(n, share, of_half=of_half, of_users=of_users, halves=halves, repeats=repeats)
        told = "no interval" if held is None else f"{held:.1%}"
        print(f"| {n} | {of_half} | {share:.4f} | {of_users:g} | {told} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the coverage of the intervals.")
    parser.add_argument("--repeats", type=int, default=400, help="samples of users")
    parser.add_argument("--n-users", type=int, default=1000, help="users in each")
    parser.add_argument("--n-groups", type=int, default=75, help="groups of each type")
    parser.add_argument("--halves", type=int, default=50, help="as evidence.halves")
    parser.add_argument("--filter", dest="filter_on", choices=FILTERS, help="a filter that is on")
    parser.add_argument("--few", action="store_true", help="keys of few groups instead, by simulation")
    options = vars(parser.parse_args())
    if options.pop("few"):
        print_few(options["halves"], options["repeats"])
        return
    print("| key | measure | coverage | sd of means | standard error | effective groups | with an interval |")
    print("|---|---|---|---|---|---|---|")
    for (key, measure), numbers in coverage(list(repeat(demo_population(), **options))).items():
        held, spread, error, effective, there = numbers
        cells = f"{held:.1%} | {spread:.5f} | {error:.5f} | {effective:.0f} | {there:.1%}"
        print(f"| {key} | {measure} | {cells} |")


if __name__ == "__main__":
    main()
