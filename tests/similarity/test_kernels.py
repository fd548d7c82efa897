"""Other instruction sets give other fast scores, and to the byte the same thresholds, groups, embeddings."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding
import numpy as np
import pytest
import torch
from scipy.sparse import block_diag, csr_array, eye_array, hstack, random_array

PROGRAM = Path(__file__).with_name("kernels.py")
SOURCE = Path(__file__).resolve().parents[2] / "src"
N_USERS, DIM, CENTRES = 600, 64, 8
# An eighth of the pairs share a centre: these quantiles are in the middle of either kind of pairs.
HIGH, LOW = 0.95, 0.5

MKL = {
    "mkl_sse": {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "mkl_compatible": {"MKL_CBWR": "COMPATIBLE"},
}
COMPILED = {"compiled_generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}}
VARIANTS = {
    **MKL,
    **COMPILED,
    "libraries": {"OPENBLAS_CORETYPE": "Prescott", "ATEN_CPU_CAPABILITY": "default"},
    # Brackets come from compiled scores, and a sweep counts by tiles: they may disagree in any way.
    "old_machine": MKL["mkl_compatible"] | COMPILED["compiled_generic"],
}
VARIABLES = {name for variant in VARIANTS.values() for name in variant}

THRESHOLDS = ["exact", "bracketed", "tied", "sampled", "share"]
KINDS = ["similar", "divergent", "opposing"]
GROUPS = [f"{kind}_{linkage}" for kind in KINDS for linkage in ("mean", "all", "any")]

needs_fma = pytest.mark.skipif(
    not llvmlite.binding.get_host_cpu_features().get("fma", False),
    reason="without fused multiply-add there may be no other instructions to choose",
)
needs_mkl = pytest.mark.skipif(
    not torch.backends.mkl.is_available(), reason="torch's products come from another library than MKL"
)


@pytest.fixture(scope="module")
def vectors(unit_rows):
    """Users within 1e-7 of one of eight centres, which are all as far from each other.

    So there are two kinds of pairs, and those of a kind are as similar as each other but for rounding. Rows
    are a little short, so that no cosine is clipped to 1.
    """
    rng = np.random.default_rng(7)
    axes = np.linalg.qr(rng.normal(size=(DIM, CENTRES + 1)))[0].T
    centres = np.sqrt(0.3) * axes[0] + np.sqrt(0.7) * axes[1:]
    values = centres[np.arange(N_USERS) % CENTRES] + 4e-9 * rng.normal(size=(N_USERS, DIM))
    return np.float32(0.9999) * unit_rows(values)


@pytest.fixture(scope="module")
def reference(vectors, similarity_matrix):
    return similarity_matrix(vectors)


@pytest.fixture(scope="module")
def pairs(reference):
    """Similarities of all pairs in ascending order."""
    return np.sort(reference[np.triu_indices(N_USERS, 1)])


@pytest.fixture(scope="module")
def limits(pairs):
    """Similar and divergent: the similarities of two pairs, in the midst of those as similar as they."""
    return {"similar": pairs[int(HIGH * len(pairs))], "divergent": pairs[int(LOW * len(pairs))]}


@pytest.fixture(scope="module")
def delicate():
    """Two items each of 300 users whose embedding is their sum, but only if norms are summed in index order.

    Then the squares of the small numbers are lost next to the first, 1, and the norm is 1. In another order
    they come together first and the norm may be larger; the small numbers, halfway between two float32, are
    then rounded down and not to even.
    """
    rng = np.random.default_rng(9)
    scales = np.repeat([2.0**-27, 2.0**-28], 150)[:, None]
    small = scales * (rng.random((300, DIM)) < rng.random((300, 1)))
    first, second = small * (1.0 + 2.0**-23), small * 2.0**-24
    first[:, 0], second[:, 0] = 1.0, 0.0
    return first, second


@pytest.fixture(scope="module")
def inputs(vectors, limits, delicate, once):
    """A file of the inputs, so that no variant computes them in its own way."""
    rng = np.random.default_rng(8)
    two_items = hstack([eye_array(len(rows)) for rows in delicate])
    histories = csr_array(block_diag([random_array((500, 300), density=0.04, rng=rng), two_items]))
    encoder = np.concatenate([rng.normal(size=(300, DIM)), *delicate]).astype(np.float32)
    parts = {name: getattr(histories, name) for name in ("data", "indices", "indptr")}
    kept = {"vectors": vectors, "encoder": encoder, **limits, **parts}
    return once("kernels", lambda folder: np.savez(folder / "inputs.npz", **kept)) / "inputs.npz"


@pytest.fixture(scope="module")
def run(inputs, once):
    """What a process finds under a variant; each runs once."""
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}

    def compute(variant: str | None, folder: Path) -> None:
        changed = {"PYTHONPATH": str(SOURCE)} | VARIANTS.get(variant, {})
        if COMPILED["compiled_generic"].items() <= changed.items():
            changed["NUMBA_CACHE_DIR"] = str(folder.parent / "compiled for kernels")
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(inputs), str(folder / "found.npz")],
            env=inherited | changed, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]

    @functools.cache
    def found(variant: str | None = None) -> dict[str, np.ndarray]:
        folder = once(f"kernels {variant}", functools.partial(compute, variant))
        return dict(np.load(folder / "found.npz"))

    return found


def test_very_many_pairs_are_next_to_the_limits(pairs, limits):
    for name, share in (("similar", 0.08), ("divergent", 0.8)):
        assert (np.abs(pairs - limits[name]) < 1e-8).mean() > share
    # Nearly all of them differ by reference value, so that a wrong decision shows.
    assert len(np.unique(pairs)) > 0.9 * len(pairs)


@needs_fma
@pytest.mark.parametrize(
    ("score", "variants", "decided"),
    [
        pytest.param("tile", MKL, ["exact"], marks=needs_mkl),
        ("compiled", COMPILED, GROUPS),
    ],
)
def test_fast_scores_differ_and_alone_would_decide_otherwise(run, score, variants, decided):
    default = run()

    def differs(variant: str, name: str) -> bool:
        return bool((run(variant)[name] != default[name]).any())

    for name in (score, *(f"careless_{name}" for name in decided)):
        assert any(differs(variant, name) for variant in variants), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_instruction_sets_change_no_byte(run, variant):
    default, other = run(), run(variant)

    for name in ["embeddings", "embedded_rows", *(f"{name}_1" for name in THRESHOLDS + GROUPS)]:
        assert other[name].dtype == default[name].dtype, name
        assert other[name].shape == default[name].shape, name
        assert other[name].tobytes() == default[name].tobytes(), name


@pytest.mark.parametrize("variant", [None, "old_machine"])
@pytest.mark.parametrize("name", THRESHOLDS + GROUPS)
def test_threads_change_no_byte(run, variant, name):
    found = run(variant)

    assert found[f"{name}_1"].tobytes() == found[f"{name}_2"].tobytes()


def test_thresholds_are_the_quantiles_of_the_reference_similarities(run, pairs):
    found = run()

    assert found["exact_1"] == pytest.approx(np.quantile(pairs, [HIGH, LOW]), abs=1e-15)
    assert found["exact_1"].tobytes() == found["bracketed_1"].tobytes() == found["tied_1"].tobytes()


def test_groups_keep_to_the_limits_by_reference_similarity(run, reference, limits):
    ours, theirs = np.triu_indices(4, 1)

    def similarities(name: str) -> np.ndarray:
        members = run()[name][:, :4]
        return reference[members[:, ours], members[:, theirs]]

    assert (similarities("similar_all_1") >= limits["similar"]).all()
    assert (similarities("divergent_all_1") <= limits["divergent"]).all()
    assert not (similarities("careless_similar_all") >= limits["similar"]).all()
    assert not (similarities("careless_divergent_all") <= limits["divergent"]).all()


def test_embeddings_are_sums_in_index_order(run, delicate):
    first, second = delicate

    np.testing.assert_array_equal(run()["embeddings"][-len(first) :], (first + second).astype(np.float32))
