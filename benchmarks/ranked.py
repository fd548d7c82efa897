"""Thresholds and groups by the ranks that torchrun starts, timed: what benchmarks/scale.py launches."""

import hashlib
import json
import sys
import time

from benchmarks.people import TARGETS, draw_keys, generated_users
from elsa_groups.base.distributed import launched_ranks
from elsa_groups.similarity.thresholds import find_thresholds


def main() -> None:
    ranks = launched_ranks()
    vectors = generated_users(int(sys.argv[1]))
    with ranks.joined():
        taken, digest = [], ""
        for _ in range(3):
            ranks.wait()
            started = time.perf_counter()
            thresholds = find_thresholds(vectors, **TARGETS, method="exact", threads=1, ranks=ranks)
            groups = draw_keys(vectors, thresholds, 1000, threads=1, ranks=ranks)
            taken.append(time.perf_counter() - started)
            text = repr((thresholds.similar, thresholds.divergent)).encode()
            digest = hashlib.sha256(text + b"".join(g.members.tobytes() for g in groups)).hexdigest()
        if not ranks.rank:
            print(json.dumps({"seconds": sorted(taken)[1], "digest": digest}), flush=True)


if __name__ == "__main__":
    main()
