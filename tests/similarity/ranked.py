"""What ranks compute together, and one process alone: a program for torchrun, and a module for the tests."""

import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np

from elsa_groups.base.distributed import ONE, Ranks, launched_ranks
from elsa_groups.base.errors import InputError
from elsa_groups.base.runtime import Runtime
from elsa_groups.groups import rejection
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.groups.filters import Filters, MaxParticipation, MinPairSimilarity, NoDuplicates
from elsa_groups.groups.sampler import Law, sample_groups
from elsa_groups.similarity import exact, thresholds
from elsa_groups.similarity.limits import Limits, Method, Target, ThresholdSettings
from elsa_groups.similarity.thresholds import find_thresholds, share_of_pairs
from elsa_groups.similarity.tiles import bin_window
from elsa_groups.similarity.vector_users import VectorUsers

# Three tiles of unequal size: some of three ranks overflow at 50,000 pairs, and some do not.
FEW = 600
# More than 2**20 pairs: brackets come from a sample.
MANY = 1500


def rows(n_users: int, dim: int = 24) -> np.ndarray:
    values = np.random.default_rng(n_users).normal(size=(n_users, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def near_duplicates() -> np.ndarray:
    """Users whose pairs all lie within float32 rounding of each other."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=64) + 1e-8 * rng.normal(size=(FEW, 64))
    return (0.9999 * values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def users(n_users: int) -> VectorUsers:
    return VectorUsers(rows(n_users))


def quantiles(people: VectorUsers, method: str, runtime: Runtime) -> np.ndarray:
    asked = ThresholdSettings(
        method=Method(method), similar=Target(0.9), divergent=Target(0.1), exact_budget=1e13,
        sampled_pairs=300_001,
    )  # fmt: skip
    found = find_thresholds(people, asked, seed=5, runtime=runtime)
    return np.array([found.similar, found.divergent, *sum(found.intervals.values(), ())])


def family(name: str, sizes: tuple[int, ...], within: Rule, across: Rule, n_groups: int) -> Family:
    return Family(name, (sizes,), within, across, Linkage.mean, n_groups)


FAMILIES = [
    family("divergent", (4,), Rule.divergent, Rule.any, 1001),
    family("opposing", (2, 1), Rule.similar, Rule.divergent, 75),
    family("single", (3,), Rule.any, Rule.any, 1),
]


def all_groups(runtime: Runtime) -> dict[str, np.ndarray]:
    found = {}
    for kind in FAMILIES:
        law = Law(Limits(0.6, 0.4), seed=3, max_draws=100)
        groups = sample_groups(users(FEW), *kind.types, law, runtime=runtime)
        taken = groups.accounting
        found[kind.name] = groups.members
        found[f"{kind.name}_accounting"] = np.array([taken.draws, taken.accepted, taken.restarts])
    return found


def kept_groups(runtime: Runtime) -> dict[str, np.ndarray]:
    """Groups that filters keep, until one cannot be completed."""
    kind = family("divergent", (4,), Rule.divergent, Rule.any, 400)
    asked = Filters(
        min_pair_similarity=MinPairSimilarity(0.27), no_duplicates=NoDuplicates(True),
        max_participation=MaxParticipation(2),
    )  # fmt: skip
    law = Law(Limits(0.6, 0.4), seed=3, max_draws=150, max_restarts=5)
    with patch.multiple(rejection, MOST_AT_ONCE=20):
        groups = rejection.draw_kept_groups(
            users(FEW), *kind.types, law, asked, None, allow_partial=True, runtime=runtime
        )
    counts = [len(groups.members), groups.accounting.shortfall, *dict(groups.accounting.rejected).values()]
    return {"kept": groups.members, "kept_numbers": groups.numbers, "kept_counts": np.array(counts)}


def diagnosis(runtime: Runtime) -> np.ndarray:
    """What is said about a family that nobody can fill."""
    kind = family("similar", (3,), Rule.similar, Rule.any, 4)
    try:
        law = Law(Limits(1.0, 0.0), seed=3, max_draws=50, max_restarts=20)
        sample_groups(users(FEW), *kind.types, law, runtime=runtime)
    except InputError as error:
        return np.array(str(error))
    raise AssertionError("three strangers as similar as one")


def results(ranks: Ranks = ONE, threads: int = 1) -> dict[str, np.ndarray]:
    """Everything that must not depend on the number of ranks or threads."""
    few, many, near = users(FEW), users(MANY), VectorUsers(near_duplicates())
    runtime = Runtime(threads, ranks)
    found = {
        "exact": quantiles(few, "exact", runtime),
        "bracketed": quantiles(many, "exact", runtime),
        "near": quantiles(near, "exact", runtime),
        "sampled": quantiles(few, "sampled", runtime),
    }
    with patch.multiple(exact, ALL_PAIRS=10, BRACKET_ERRORS=1e-3):
        found["missed"] = quantiles(few, "exact", runtime)
    for limit in (0, 50_000):
        with patch.multiple(exact, MAX_INSIDE=limit):
            found[f"tied_{limit}"] = quantiles(near, "exact", runtime)
    bins = bin_window(few.vectors, -0.1, 0.2, n_bins=50, bound=1e-5, runtime=runtime)
    found["bins"] = np.array([np.full(50, bins.below), bins.counts, bins.lowest, bins.highest])
    share = share_of_pairs(few, 0.55, runtime=runtime)
    found["share"] = np.array([share.below, share.not_above])
    with patch.multiple(thresholds, COUNTED_FOR_ADVICE=0.0):
        estimate = share_of_pairs(few, 0.55, runtime=runtime)
    found["estimate"] = np.array([estimate.below, estimate.not_above])
    found |= kept_groups(runtime)
    return found | all_groups(runtime) | {"diagnosis": diagnosis(runtime)}


def exchanges(ranks: Ranks) -> dict[str, np.ndarray]:
    r = ranks.rank
    return {
        "sum": ranks.sum(np.array([[1, r], [10 * r, 0]])),
        "gathered": ranks.gather(np.full(2 * r, r, np.float32)),
        "broadcast": ranks.broadcast(np.arange(3.0) if r == 0 else np.empty(0)),
    }


if __name__ == "__main__":
    mine = launched_ranks()
    with mine.joined():
        # Ranks need not have as many threads as each other.
        kept = results(mine, threads=1 + mine.rank % 2) | exchanges(mine)
        np.savez(Path(sys.argv[1]) / f"{mine.rank}.npz", **kept)
