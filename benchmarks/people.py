"""Users to measure with: generated embeddings that look like listeners', and real listeners."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Absent, Options
from elsa_groups.base.runtime import Runtime
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.load import load
from elsa_groups.data.split import split_users
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.groups.groups import Groups
from elsa_groups.groups.sampler import Law, sample_groups
from elsa_groups.model.embeddings import embed_users
from elsa_groups.model.settings import TrainingSettings
from elsa_groups.model.training import train
from elsa_groups.model.vectors import unit_rows
from elsa_groups.similarity.limits import Method, Target, Thresholds, ThresholdSettings
from elsa_groups.similarity.thresholds import find_thresholds
from elsa_groups.similarity.users import Users

Vectors = NDArray[np.float32]

DIM = 256
SEED = 42
FAMILIES = (
    Family("similar", ((3,), (5,)), Rule.similar, Rule.any, Linkage.mean, 1),
    Family("divergent", ((3,), (5,)), Rule.divergent, Rule.any, Linkage.mean, 1),
    Family("opposing", ((2, 1), (3, 2), (4, 1)), Rule.similar, Rule.divergent, Linkage.mean, 1),
)
KEYS = tuple(kind for family in FAMILIES for kind in family.types)
_TASTES = 40
_BLOCK = 50_000


def generated_users(n_users: int, dim: int = DIM) -> Vectors:
    """Draw unit rows, each a mixture of few of forty tastes; users of one number are always the same.

    The quantiles of their cosines and the draws a group are near those of Last.fm listeners.
    """
    rng = np.random.default_rng(20_240_101)
    tastes = rng.normal(size=(_TASTES, dim)) / np.sqrt(dim)
    vectors = np.empty((n_users, dim), np.float32)
    for start in range(0, n_users, _BLOCK):
        count = min(_BLOCK, n_users - start)
        weights = rng.gamma(0.15, size=(count, _TASTES))
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        noise = rng.normal(size=(count, dim)) * (0.5 / np.sqrt(dim))
        vectors[start : start + count] = unit_rows(weights @ tastes + noise)
    return vectors


def listeners(options: Options) -> Interactions:
    """Load the LastFM1k of the data folder, with its default filter."""
    if not (options.data_dir / "LastFM1k").is_dir():
        raise Absent(f"no {options.data_dir}/LastFM1k")
    return load("LastFM1k", options.data_dir, min_user_interactions=5, min_item_interactions=10)


def trained_encoder(interactions: Interactions) -> Vectors:
    """Train item vectors for a few epochs."""
    split = split_users(interactions.n_users, val_ratio=0.1, test_ratio=0.1, seed=0)
    settings = TrainingSettings(factors=DIM, epochs=5, batch_size=64, learning_rate=0.003, patience=5)
    return train(interactions.matrix, split, settings=settings, seed=0, device="cpu").encoder


def real_users(options: Options) -> Vectors:
    """Return the embeddings of the listeners of the data folder."""
    interactions = listeners(options)
    return embed_users(interactions.matrix, trained_encoder(interactions)).vectors


def asked_thresholds(method: Method) -> ThresholdSettings:
    """Ask for the thresholds at the default quantiles."""
    return ThresholdSettings(
        method=method,
        similar=Target(0.9),
        divergent=Target(0.1),
        exact_budget=1e13,
        sampled_pairs=1_000_000,
    )


def thresholds_of(users: Users, runtime: Runtime, method: Method = Method.sampled) -> Thresholds:
    """Find the thresholds at the default quantiles."""
    return find_thresholds(users, asked_thresholds(method), seed=0, runtime=runtime)


def draw_keys(users: Users, thresholds: Thresholds, n_groups: int, runtime: Runtime) -> list[Groups]:
    """Draw groups of all seven keys of the notebook."""
    law = Law(thresholds.limits, SEED)
    return [sample_groups(users, kind, law, n_groups=n_groups, runtime=runtime) for kind in KEYS]
