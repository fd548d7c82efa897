"""What one process computes from given inputs: a program, run with other instruction sets by the tests."""

import sys
from unittest.mock import patch

import numba
import numpy as np
import torch
from scipy.sparse import csr_array

from elsa_groups.base.runtime import Runtime
from elsa_groups.groups.family import Family, Linkage, Rule
from elsa_groups.groups.sampler import Law, sample_groups
from elsa_groups.model.embeddings import embed_users
from elsa_groups.similarity import exact, vector_users
from elsa_groups.similarity.limits import Limits, Method, Target, ThresholdSettings
from elsa_groups.similarity.scores import fast_dot
from elsa_groups.similarity.thresholds import find_thresholds, share_of_pairs
from elsa_groups.similarity.tiles import TILE
from elsa_groups.similarity.vector_users import VectorUsers

Inputs = dict[str, np.ndarray]
Found = dict[str, np.ndarray]

KINDS = {
    "similar": ((4,), Rule.similar, Rule.any),
    "divergent": ((4,), Rule.divergent, Rule.any),
    "opposing": ((2, 1), Rule.similar, Rule.divergent),
}
FAMILIES = [
    Family(f"{kind}_{linkage.name}", (sizes,), within, across, linkage, 300)
    for kind, (sizes, within, across) in KINDS.items()
    for linkage in Linkage
]


def quantiles(inputs: Inputs, method: str, threads: int) -> np.ndarray:
    asked = ThresholdSettings(
        method=Method(method), similar=Target(0.95), divergent=Target(0.5), exact_budget=1e13,
        sampled_pairs=100_001,
    )  # fmt: skip
    found = find_thresholds(VectorUsers(inputs["vectors"]), asked, seed=5, runtime=Runtime(threads))
    return np.array([found.similar, found.divergent, *sum(found.intervals.values(), ())])


def all_thresholds(inputs: Inputs, threads: int) -> Found:
    found = {name: quantiles(inputs, name, threads) for name in ("exact", "sampled")}
    with patch.multiple(exact, ALL_PAIRS=10):
        found["bracketed"] = quantiles(inputs, "exact", threads)
    with patch.multiple(exact, MAX_INSIDE=0):
        found["tied"] = quantiles(inputs, "exact", threads)
    share = share_of_pairs(VectorUsers(inputs["vectors"]), float(inputs["similar"]), runtime=Runtime(threads))
    return found | {"share": np.array([share.below, share.not_above])}


def all_groups(inputs: Inputs, threads: int) -> Found:
    found, users = {}, VectorUsers(inputs["vectors"])
    law = Law(Limits(float(inputs["similar"]), float(inputs["divergent"])), seed=3)
    for family in FAMILIES:
        groups = sample_groups(users, *family.types, law, runtime=Runtime(threads))
        taken = groups.accounting
        found[family.name] = np.c_[groups.members, taken.draws, taken.accepted, taken.restarts]
    return found


def embeddings(inputs: Inputs) -> Found:
    parts = inputs["data"], inputs["indices"], inputs["indptr"]
    matrix = csr_array(parts, shape=(len(parts[2]) - 1, len(inputs["encoder"])))
    found = embed_users(matrix, inputs["encoder"])
    return {"embeddings": found.vectors, "embedded_rows": found.rows}


@numba.njit
def _fast_cosines(vectors, us, vs):
    values = np.empty(us.shape[0], np.float32)
    for i in range(us.shape[0]):
        values[i] = fast_dot(vectors, us[i], vectors, vs[i])
    return values


def fast_scores(inputs: Inputs) -> Found:
    """What decides far from a threshold: the product of a tile, as a sweep has it, and compiled sums."""
    vectors = inputs["vectors"]
    us, vs = np.triu_indices(len(vectors), 1)
    rows = torch.from_numpy(vectors)
    torch.set_num_threads(1)
    return {
        "tile": torch.mm(rows[:TILE], rows[:TILE].T).numpy(),
        "compiled": _fast_cosines(vectors, us, vs),
    }


def without_bound(inputs: Inputs) -> Found:
    """Let fast scores decide alone."""
    none = {"fast_cosine_bound": lambda dim: 0.0}
    with patch.multiple(exact, **none), patch.multiple(vector_users, **none):
        found = {"exact": quantiles(inputs, "exact", 1)} | all_groups(inputs, 1)
    return {f"careless_{name}": values for name, values in found.items()}


def results(inputs: Inputs) -> Found:
    found = fast_scores(inputs) | embeddings(inputs)
    for threads in (1, 2):
        both = all_thresholds(inputs, threads) | all_groups(inputs, threads)
        found |= {f"{name}_{threads}": values for name, values in both.items()}
    return found | without_bound(inputs)


if __name__ == "__main__":
    np.savez(sys.argv[2], **results(dict(np.load(sys.argv[1]))))
