"""Exact thresholds, beside the matrix product alone over the same tiles with the same threads."""

from collections.abc import Sequence

import torch

from benchmarks.harness import Options, Row, alternate, main, seconds
from benchmarks.people import DIM, Vectors, generated_users, thresholds_of
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.threads import SharedTasks, available_threads, run_workers
from elsa_groups.similarity.limits import Method
from elsa_groups.similarity.tiles import TILE
from elsa_groups.similarity.vector_users import VectorUsers

Tile = tuple[int, int]


def tiles_of(n_users: int) -> list[Tile]:
    """Return the first row and column of every tile of the upper triangle."""
    starts = range(0, n_users, TILE)
    return [(u, v) for u in starts for v in starts if v >= u]


def multiply(vectors: Vectors, tiles: Sequence[Tile], *, threads: int) -> None:
    """Multiply tiles and look at none of them: one worker a core, each with single-threaded products."""
    rows = torch.from_numpy(vectors)

    def worker(tasks: SharedTasks[Tile]) -> None:
        torch.set_num_threads(1)
        buffer = torch.empty(TILE * TILE)
        for u, v in tasks:
            left, right = rows[u : u + TILE], rows[v : v + TILE]
            torch.mm(left, right.T, out=buffer[: len(left) * len(right)].view(len(left), len(right)))

    run_workers(worker, tiles, threads=threads)


def exact_thresholds_20_000(options: Options) -> list[Row]:
    return [_compare(20_000, rounds=5 if options.quick else 9)]


def exact_thresholds_100_000(options: Options) -> list[Row]:
    return [] if options.quick else [_compare(100_000, rounds=3)]


def _compare(n_users: int, *, rounds: int) -> Row:
    threads = available_threads()
    vectors = generated_users(n_users)
    tiles = tiles_of(n_users)
    multiply(vectors, tiles[:8], threads=threads)
    users, runtime = VectorUsers(vectors), Runtime(threads)
    thresholds_of(VectorUsers(vectors[:2000]), runtime, Method.exact)
    timing = alternate(
        lambda: thresholds_of(users, runtime, Method.exact),
        lambda: multiply(vectors, tiles, threads=threads),
        rounds=rounds,
    )
    return Row(
        f"exact thresholds, N = {n_users:,}, d = {DIM}",
        seconds(timing.ours),
        f"{seconds(timing.against)}, the product alone",
        timing.ours / timing.against,
        at_most=1.4,
        peak=timing.peak,
    )


CASES = (exact_thresholds_20_000, exact_thresholds_100_000)

if __name__ == "__main__":
    main(*CASES)
