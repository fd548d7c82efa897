"""What a sweep of all pairs adds to the memory of its vectors, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"
MEBIBYTE = 2**20
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from elsa_groups.base.runtime import Runtime
from elsa_groups.similarity.limits import Method, Target, ThresholdSettings
from elsa_groups.similarity.thresholds import find_thresholds
from elsa_groups.similarity.vector_users import VectorUsers

ASKED = ThresholdSettings(
    method=Method.exact, similar=Target(0.9), divergent=Target(0.1), exact_budget=1e13, sampled_pairs=1000
)

def resident(name):
    line = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(name))
    return 1024 * int(line.split()[1])

def users(n):
    values = np.random.default_rng(n).normal(size=(n, 8)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)

def sweep(vectors):
    find_thresholds(VectorUsers(vectors), ASKED, seed=0, runtime=Runtime(threads=2))

sweep(users(2000))
vectors = users(int(sys.argv[1]))
before = resident("VmRSS:")
Path("/proc/self/clear_refs").write_text("5")
sweep(vectors)
print(resident("VmHWM:") - before)
"""


def _added(n_users: int) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(n_users)],
        env=os.environ | {"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


def test_the_memory_of_a_sweep_hardly_grows_with_the_number_of_users():
    few, many = _added(5_000), _added(50_000)

    # All similarities would take 5 GB. What grows is what the brackets hold: a few pairs in 10,000.
    assert few < 100 * MEBIBYTE
    assert many < few + 64 * MEBIBYTE
