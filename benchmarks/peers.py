"""Similar and divergent groups of real listeners, beside grouprec in a virtual environment of its own."""

import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from benchmarks.harness import Absent, Options, Row, clock, forget_peak, main, peak_memory, seconds
from benchmarks.people import FAMILIES, SEED, Vectors, listeners, thresholds_of, trained_encoder
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.threads import available_threads
from elsa_groups.groups.family import GroupType, Linkage
from elsa_groups.groups.sampler import Law, sample_groups
from elsa_groups.model.embeddings import embed_users
from elsa_groups.similarity.limits import Method, Thresholds
from elsa_groups.similarity.vector_users import VectorUsers

VERSION = "0.0.3"
N_GROUPS = 1000
SIZE = 3
# the rule of grouprec: each member with each other
KINDS = tuple(replace(family, linkage=Linkage.all) for family in FAMILIES if family.name != "opposing")

_ROOT = Path(__file__).resolve().parents[1]
_ENVIRONMENT = _ROOT / ".venv-grouprec"
_SCRIPT = _ROOT / "benchmarks" / "grouprec_groups.py"
_ROUNDS = 3


def groups_by_grouprec(options: Options) -> list[Row]:
    interactions = listeners(options)
    python = grouprec_python()
    vectors = embed_users(interactions.matrix, trained_encoder(interactions)).vectors
    theirs = run_grouprec(python, interactions.matrix)
    runtime = Runtime(available_threads())
    found = thresholds_of(VectorUsers(vectors), runtime, Method.auto)
    ways: dict[str, Callable[[], None]] = {
        "thresholds found, exactly": lambda: thresholds_to_groups(vectors, runtime),
        "thresholds given, as grouprec's are": lambda: draw_both(VectorUsers(vectors), found, runtime),
    }
    taken = {way: seconds_of_all(result) for way, result in theirs.items()}
    best, other = sorted(taken, key=lambda way: taken[way])
    rows = []
    for name, ours in ways.items():
        ours()
        forget_peak()
        took = statistics.median(clock(ours) for _ in range(3 * _ROUNDS))
        rows.append(
            Row(
                f"{N_GROUPS:,} similar and {N_GROUPS:,} divergent threes, real listeners, N ="
                f" {len(vectors):,}, {name}",
                f"{seconds(took)}, from embeddings",
                f"{described(best, theirs[best])}, from histories, grouprec {VERSION}; "
                f"{described(other, theirs[other])}",
                taken[best] / took,
                at_least=50,
                peak=peak_memory(),
            )
        )
    return rows


def thresholds_to_groups(vectors: Vectors, runtime: Runtime) -> None:
    """Find the thresholds at the default quantiles, and draw groups of both kinds."""
    users = VectorUsers(vectors)
    draw_both(users, thresholds_of(users, runtime, Method.auto), runtime)


def draw_both(users: VectorUsers, found: Thresholds, runtime: Runtime) -> None:
    """Draw groups of both kinds."""
    for family in KINDS:
        kind = GroupType(family, (SIZE,))
        sample_groups(users, kind, Law(found.limits, SEED), n_groups=N_GROUPS, runtime=runtime)


def run_grouprec(python: Path, matrix: csr_array) -> dict[str, Any]:
    """Return the seconds of rounds and the groups made of each kind, for each of its ways."""
    rows, columns = matrix.nonzero()
    with tempfile.TemporaryDirectory() as folder:
        pairs = Path(folder, "pairs.npz")
        np.savez(pairs, rows=rows, columns=columns)
        arguments = [str(number) for number in (N_GROUPS, SIZE, _ROUNDS)]
        # -P: modules beside the script are no modules of grouprec's environment
        command = [str(python), "-P", str(_SCRIPT), str(pairs), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def grouprec_python() -> Path:
    """Return the interpreter of grouprec's environment, which is made if it is not there."""
    python = _ENVIRONMENT / "bin" / "python"
    make = [sys.executable, "-m", "venv", str(_ENVIRONMENT)]
    install = [str(python), "-m", "pip", "install", "--quiet", f"grouprec=={VERSION}"]
    try:
        if not _works(python):
            subprocess.run(make, capture_output=True, check=True)
            subprocess.run(install, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        name = _ENVIRONMENT.name
        raise Absent(
            f"cannot make {name}; python -m venv {name} && {name}/bin/pip install grouprec=={VERSION}"
        ) from None
    return python


def _works(python: Path) -> bool:
    check = f"from importlib.metadata import version; assert version('grouprec') == '{VERSION}'"
    return python.is_file() and not subprocess.run([python, "-c", check], capture_output=True).returncode


def seconds_of_all(result: dict[str, Any]) -> float:
    """Return the seconds of all groups; where it stopped short, as if the others took as long each."""
    made = sum(result["groups"])
    return statistics.median(result["seconds"]) * len(KINDS) * N_GROUPS / made if made else math.inf


def described(way: str, result: dict[str, Any]) -> str:
    """Say how long a way took, and of how many groups if it stopped short."""
    made = result["groups"]
    short = "" if min(made) == N_GROUPS else f", scaled from {sum(made):,} groups"
    return f"{way} {seconds(seconds_of_all(result))}{short}"


CASES = (groups_by_grouprec,)

if __name__ == "__main__":
    main(*CASES)
