"""Drawing groups, beside plain Python loops over a similarity matrix that is there already."""

import torch

from benchmarks import plain
from benchmarks.harness import Options, Row, alternate, main, seconds
from benchmarks.people import KEYS, Vectors, draw_keys, generated_users, real_users, thresholds_of
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.threads import available_threads
from elsa_groups.similarity.vector_users import VectorUsers


def generation_notebook_size(options: Options) -> list[Row]:
    return [_compare("generated", generated_users(992), 75, 75, options, at_least=100)]


def generation_real_listeners(options: Options) -> list[Row]:
    return [_compare("real listeners", real_users(options), 75, 75, options, at_least=100)]


def generation_20_000(options: Options) -> list[Row]:
    sample = 20 if options.quick else 100
    return [_compare("generated", generated_users(20_000), 10_000, sample, options, at_least=250)]


def _compare(
    whose: str, vectors: Vectors, n_groups: int, n_plain: int, options: Options, *, at_least: float
) -> Row:
    """Compare seconds a group: ours over many groups, the loops over as many or fewer."""
    runtime, few = Runtime(available_threads()), VectorUsers(vectors[:100])
    thresholds = thresholds_of(VectorUsers(vectors), runtime)
    draw_keys(few, thresholds_of(few, runtime), 1, runtime)
    matrices: list[torch.Tensor] = []

    def loops() -> None:
        plain.draw_all(matrices[0], KEYS, n_plain, thresholds.limits)

    def ours() -> None:
        # Made anew, so that rows are rounded to 8 bits within the time.
        draw_keys(VectorUsers(vectors), thresholds, n_groups, runtime)

    first = alternate(
        ours, lambda: matrices.append(plain.similarity_matrix(torch.from_numpy(vectors))), rounds=1
    )
    timing = alternate(ours, loops, rounds=3 if options.quick else 7)
    ratio = (timing.against / n_plain) / (timing.ours / n_groups)
    sample = "" if n_plain == n_groups else f" for {len(KEYS)} x {n_plain}"
    return Row(
        f"{len(KEYS)} keys x {n_groups:,}, {whose}, N = {len(vectors):,}",
        seconds(timing.ours),
        f"{seconds(timing.against)}{sample}, plain loops",
        ratio,
        at_least=at_least,
        peak=first.peak,
    )


CASES = (generation_notebook_size, generation_real_listeners, generation_20_000)

if __name__ == "__main__":
    main(*CASES)
