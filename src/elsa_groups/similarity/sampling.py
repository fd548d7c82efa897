"""Similarities of random pairs of users."""

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.compiled import compiled
from elsa_groups.base.philox import ZERO, block, stream_key, uniform_below
from elsa_groups.base.runtime import ALONE, Runtime
from elsa_groups.base.threads import SharedTasks, run_workers
from elsa_groups.similarity.users import Users

_PAIRS_PER_TASK = 1 << 16


@compiled()
def _sample_pairs(n_users, first, key, us, vs):
    """Draw pairs ``first`` to ``first + len(us) - 1``; each depends on its number alone."""
    for i in range(us.shape[0]):
        draw = 4 * (first + i)
        words = block(draw, ZERO, ZERO, key)
        u = uniform_below(words[0], n_users, draw, ZERO, key)
        v = uniform_below(words[1], n_users - 1, draw + 1, ZERO, key)
        us[i] = u
        vs[i] = v + (v >= u)


def sample_similarities(users: Users, n: int, *, seed: int, runtime: Runtime = ALONE) -> NDArray[np.float64]:
    """Return n reference similarities, float64, of random pairs u != v drawn with replacement."""
    key = stream_key(seed, "pairs")
    values = np.zeros(n, np.float64)

    def worker(tasks: SharedTasks[int]) -> None:
        for first in tasks:
            part = values[first : first + _PAIRS_PER_TASK]
            us, vs = np.empty(len(part), np.int64), np.empty(len(part), np.int64)
            _sample_pairs(users.n_users, first, key, us, vs)
            part[:] = users.similarities(us, vs)

    run_workers(worker, runtime.ranks.share(range(0, n, _PAIRS_PER_TASK)), threads=runtime.threads)
    return runtime.ranks.sum(values)
