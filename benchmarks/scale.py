"""Generate at EchoNest's shape; draws among more users; what exactness costs; what a second rank brings."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from scipy.sparse import csr_array

from benchmarks.harness import (
    Call,
    Case,
    Options,
    Row,
    alternate,
    clock,
    forget_peak,
    main,
    peak_memory,
    seconds,
)
from benchmarks.people import DIM, Vectors, draw_keys, generated_users, thresholds_of
from benchmarks.thresholds import multiply, tiles_of
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.threads import available_threads
from elsa_groups.data.interactions import Interactions, Source
from elsa_groups.model.vectors import unit_rows
from elsa_groups.similarity.limits import Method
from elsa_groups.similarity.vector_users import VectorUsers

# EchoNest after its default filter.
_USERS, _ITEMS, _PAIRS = 571_355, 41_140, 33_637_000
_MOST_MEMORY = 6e9
_SHARE_OF_TILES = 0.05
_N_GROUPS = 1000


def echonest_exact(options: Options) -> list[Row]:
    if options.quick:
        return []
    interactions = generated_interactions(_USERS)
    forget_peak()
    taken = clock_generate(interactions, "exact")
    peak = peak_memory()
    product = product_alone(_USERS, _SHARE_OF_TILES)
    return [
        Row(
            f"generate, {_USERS:,} x {_ITEMS:,}, exact, 8 keys x {_N_GROUPS:,}",
            seconds(taken),
            f"{seconds(product)}, the product, from {_SHARE_OF_TILES:.0%} of its tiles",
            taken / product,
            at_most=1.6,
            peak=peak,
            peak_at_most=_MOST_MEMORY,
        )
    ]


def echonest_sampled(options: Options) -> list[Row]:
    """Compare a run of sampled thresholds with itself without confidence intervals."""
    if options.quick:
        return []
    interactions = generated_interactions(_USERS)
    without = clock_generate(interactions, "sampled", "evidence.halves=null")
    forget_peak()
    taken = clock_generate(interactions, "sampled")
    return [
        Row(
            f"generate, {_USERS:,} x {_ITEMS:,}, sampled, 8 keys x {_N_GROUPS:,}",
            seconds(taken),
            f"{seconds(without)}, without intervals",
            taken / without,
            at_most=1.5,
            peak=peak_memory(),
            peak_at_most=_MOST_MEMORY,
        )
    ]


def generated_interactions(n_users: int) -> Interactions:
    """Draw histories with EchoNest's number of pairs a user, items by a skewed law."""
    rng = np.random.default_rng(7)
    n_pairs = round(_PAIRS * n_users / _USERS * 1.04)
    users = rng.integers(n_users, size=n_pairs)
    pairs = np.unique(users * _ITEMS + (_ITEMS * rng.random(n_pairs) ** 2.0).astype(np.int64))
    users, items = np.divmod(pairs, _ITEMS)
    indptr = np.searchsorted(users, np.arange(n_users + 1))
    matrix = csr_array((np.ones(len(items), np.float32), items.astype(np.int32), indptr), (n_users, _ITEMS))
    user_ids, item_ids = (tuple(f"{number:09d}" for number in range(n)) for n in (n_users, _ITEMS))
    return Interactions("EchoNest", matrix, user_ids, item_ids, None, Source("generated", "0" * 64), 20, 200)


def clock_generate(interactions: Interactions, method: str, *more: str) -> float:
    """Return the seconds of a groups run from random item vectors, logged to an empty store."""
    from elsa_groups.cli.composing import compose_settings
    from elsa_groups.commands.generate.generate import generate_child
    from elsa_groups.tracking.parent import Parent

    encoder = unit_rows(np.random.default_rng(8).normal(size=(interactions.n_items, DIM)))
    overrides = ["dataset=EchoNest", f"thresholds.method={method}", f"n_groups={_N_GROUPS}", *more]
    settings = compose_settings("generate", overrides)
    with _empty_store() as (run_id, experiment_id), Path(os.devnull).open("w") as nowhere:
        parent = Parent(
            run_id, experiment_id, "random", None, encoder, "0" * 64, "items.json", has_users=False
        )
        with redirect_stdout(nowhere):
            return clock(lambda: generate_child(settings, interactions, parent))


@contextmanager
def _empty_store() -> Iterator[tuple[str, str]]:
    """Let MLflow log to a new store; give the ids of a run and of its experiment in it."""
    import mlflow

    with TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        experiment_id = mlflow.create_experiment("scale", f"{folder}/artifacts")
        yield mlflow.MlflowClient().create_run(experiment_id).info.run_id, experiment_id


def product_alone(n_users: int, share: float) -> float:
    """Return the seconds that the product of all tiles takes, extrapolated from a share of them."""
    vectors = unit_rows(np.random.default_rng(9).normal(size=(n_users, DIM)).astype(np.float32))
    tiles = tiles_of(n_users)
    chosen = random.Random(0).sample(tiles, round(share * len(tiles)))
    return clock(lambda: multiply(vectors, chosen, threads=available_threads())) * len(tiles) / len(chosen)


def growth(options: Options) -> list[Row]:
    """Time a draw among more and more users: a fixed number of groups, thresholds at the same quantiles."""
    numbers = (1_000, 100_000) if options.quick else (1_000, 10_000, 100_000, 1_000_000)
    times = [_seconds_a_draw(generated_users(n)) for n in numbers]
    return [
        Row(
            f"a draw, 7 keys x {_N_GROUPS:,}, N = {n:,}",
            seconds(time),
            f"{seconds(times[0])}, N = {numbers[0]:,}",
            time / times[0],
            at_most=4.0,
        )
        for n, time in zip(numbers[1:], times[1:], strict=True)
    ]


def _seconds_a_draw(vectors: Vectors) -> float:
    """Return the median seconds of a thread a draw."""
    threads, users = available_threads(), VectorUsers(vectors)
    runtime = Runtime(threads)
    thresholds = thresholds_of(users, runtime)
    groups = draw_keys(users, thresholds, _N_GROUPS, runtime)
    draws = sum(int(key.accounting.draws.sum()) for key in groups)
    times = [clock(lambda: draw_keys(users, thresholds, _N_GROUPS, runtime)) for _ in range(7)]
    return float(np.median(times)) * threads / draws


def adaptive_precision(options: Options) -> list[Row]:
    """Compare with what float32 scores alone decide: every error bound is taken to be zero."""
    n_users = 20_000
    users, runtime = VectorUsers(generated_users(n_users)), Runtime(available_threads())
    thresholds = thresholds_of(users, runtime, Method.exact)
    calls: dict[str, Call] = {
        f"7 keys x {_N_GROUPS:,}": lambda: draw_keys(users, thresholds, _N_GROUPS, runtime),
        "exact thresholds": lambda: thresholds_of(users, runtime, Method.exact),
    }
    rows = []
    for what, call in calls.items():
        timing = alternate(call, partial(_by_float32, call), rounds=5 if options.quick else 11)
        rows.append(
            Row(
                f"{what}, N = {n_users:,}",
                seconds(timing.ours),
                f"{seconds(timing.against)}, float32 scores alone",
                timing.ours / timing.against,
                at_most=1.1,
                peak=timing.peak,
            )
        )
    return rows


def _by_float32(call: Call) -> None:
    names = [f"elsa_groups.similarity.{name}.fast_cosine_bound" for name in ("vector_users", "exact")]
    groups, thresholds = (patch(name, lambda dim: 0.0) for name in names)
    with groups, thresholds:
        call()


def two_ranks(options: Options) -> list[Row]:
    """Compare two ranks with one, one thread each, on the sweep and the groups; their bytes must agree."""
    n_users = 20_000 if options.quick else 40_000
    alone, together = (_launch(ranks, n_users) for ranks in (1, 2))
    if alone["digest"] != together["digest"]:
        raise AssertionError("two ranks found other thresholds or groups than one")
    taken = {name: float(found["seconds"]) for name, found in (("one", alone), ("two", together))}
    return [
        Row(
            f"2 ranks, one thread each, N = {n_users:,}",
            seconds(taken["two"]),
            f"{seconds(taken['one'])}, 1 rank",
            taken["one"] / taken["two"],
            at_least=1.7,
        )
    ]


def _launch(ranks: int, n_users: int) -> dict[str, str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
    done = subprocess.run(
        [*command, "-m", "benchmarks.ranked", str(n_users)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(json.loads(line))


CASES: Sequence[Case] = (growth, adaptive_precision, two_ranks, echonest_sampled, echonest_exact)

if __name__ == "__main__":
    main(*CASES)
