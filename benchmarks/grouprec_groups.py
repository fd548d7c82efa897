"""Similar and divergent groups by grouprec; runs in an environment that has grouprec and not this project.

    python benchmarks/grouprec_groups.py PAIRS.npz N_GROUPS SIZE ROUNDS

prints as JSON, for its dense and its lazy similarities, the seconds of each round, from the listeners' data
to both kinds of groups, and the groups made of each kind.
"""

import json
import sys
import time
from typing import Any

import numpy as np
import pandas  # type: ignore[import-untyped, unused-ignore]
from grouprec.data import Dataset  # type: ignore[import-not-found, unused-ignore]
from grouprec.groups import similarity_matrix, synthetic  # type: ignore[import-not-found, unused-ignore]

KINDS = ("similar", "divergent")


def dense(data: Any, n_groups: int, size: int) -> list[int]:
    # both kinds share a matrix, which `synthetic` by itself would compute for each
    matrix = similarity_matrix(data, "pearson", lazy=False)
    return [_made(data, kind, n_groups, size, metric=matrix) for kind in KINDS]


def lazy(data: Any, n_groups: int, size: int) -> list[int]:
    return [_made(data, kind, n_groups, size, metric="pearson", lazy=True) for kind in KINDS]


def _made(data: Any, kind: str, n_groups: int, size: int, **how: Any) -> int:
    try:
        return len(synthetic(data, kind, size, n_groups, seed=0, **how))
    except RuntimeError:  # not a single group
        return 0


def main(pairs: str, n_groups: int, size: int, rounds: int) -> None:
    with np.load(pairs) as arrays:
        interactions = pandas.DataFrame({"user": arrays["rows"], "item": arrays["columns"]})
    results = {}
    for way in (dense, lazy):
        seconds = []
        for _ in range(rounds):
            # a new one each time: it keeps its sparse matrix
            data = Dataset(interactions)
            started = time.perf_counter()
            groups = way(data, n_groups, size)
            seconds.append(time.perf_counter() - started)
        results[way.__name__] = {"seconds": seconds, "groups": groups}
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1], *(int(text) for text in sys.argv[2:]))
