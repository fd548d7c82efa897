"""Thresholds and groups by the ranks that torchrun starts, timed: what benchmarks/scale.py launches."""

import hashlib
import json
import sys
import time

from benchmarks.people import draw_keys, generated_users, thresholds_of
from elsa_groups.base.distributed import launched_ranks
from elsa_groups.base.runtime import Runtime
from elsa_groups.similarity.limits import Method
from elsa_groups.similarity.vector_users import VectorUsers


def main() -> None:
    ranks = launched_ranks()
    vectors, runtime = generated_users(int(sys.argv[1])), Runtime(ranks=ranks)
    with ranks.joined():
        taken, digest = [], ""
        for _ in range(3):
            ranks.wait()
            started = time.perf_counter()
            # Made anew, as what users are compared by is prepared once for each process.
            users = VectorUsers(vectors)
            thresholds = thresholds_of(users, runtime, Method.exact)
            groups = draw_keys(users, thresholds, 1000, runtime)
            taken.append(time.perf_counter() - started)
            text = repr((thresholds.similar, thresholds.divergent)).encode()
            digest = hashlib.sha256(text + b"".join(g.members.tobytes() for g in groups)).hexdigest()
        if not ranks.rank:
            print(json.dumps({"seconds": sorted(taken)[1], "digest": digest}), flush=True)


if __name__ == "__main__":
    main()
