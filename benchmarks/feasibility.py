"""What drawing would take, estimated before any group is drawn."""

import numpy as np

from benchmarks.harness import Options, Row, clock, main, seconds
from benchmarks.people import KEYS, SEED, generated_users, thresholds_of
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.threads import available_threads
from elsa_groups.commands.feasibility.assessment import Effort, assess_key
from elsa_groups.similarity.sampling import sample_similarities
from elsa_groups.similarity.vector_users import VectorUsers


def feasibility_20_000(options: Options) -> list[Row]:
    """Assess every key of the seed's families that has rules."""
    n_users, threads = 2_000 if options.quick else 20_000, available_threads()
    users, activity = VectorUsers(generated_users(n_users)), np.ones(n_users, np.int64)
    runtime = Runtime(threads)
    limits = thresholds_of(users, runtime).limits
    effort = Effort(200, hard_restarts=10, completing_share=0.5, max_draws=1000, max_restarts=10_000)

    def assess(n_keys: int) -> None:
        ordered = np.sort(sample_similarities(users, 1_000_000, seed=0, runtime=runtime))
        for kind in KEYS[:n_keys]:
            assess_key(users, kind, limits, activity, seed=SEED, effort=effort, ordered=ordered)

    assess(1)
    took = clock(lambda: assess(len(KEYS)))
    name = f"feasibility of {len(KEYS)} keys, N = {n_users:,}"
    return [Row(name, seconds(took), "20 s", took / 20.0, at_most=1.0)]


CASES = (feasibility_20_000,)

if __name__ == "__main__":
    main(*CASES)
