"""Seconds from a command to its groups: beside what no command can do without, cold and in a sweep."""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Absent, Options, Row, main, seconds

_ROOT = Path(__file__).resolve().parents[1]
# A process that imports what is imported anyway, opens the store and logs as much as a groups run does.
_FLOOR = """
import mlflow, torch
from pathlib import Path
from mlflow.entities import Metric, Param
client = mlflow.MlflowClient()
run = client.create_run("0").info.run_id
client.log_batch(run, params=[Param(f"p{i}", "1") for i in range(100)])
client.log_batch(run, metrics=[Metric(f"m{i}", 1.0, 0, 0) for i in range(200)])
folder = Path("files")
folder.mkdir(exist_ok=True)
for i in range(70):
    (folder / f"{i}.bin").write_bytes(bytes(20_000))
client.log_artifacts(run, str(folder))
client.set_terminated(run)
"""


@dataclass(frozen=True)
class _Took:
    seconds: float
    peak: float


@dataclass(frozen=True)
class _Place:
    """A store with a parent, and where compiled code is kept."""

    folder: Path
    data_dir: Path

    def run(self, *arguments: str, kernels: str = "kernels") -> _Took:
        """Run Python to its end."""
        environment = os.environ | {
            "PYTHONPATH": str(_ROOT / "src"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlflow.db",
            "NUMBA_CACHE_DIR": str(self.folder / kernels),
            # That `mlflow run` finds this Python.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise AssertionError(f"{arguments}: ended with {process.returncode}")
        return _Took(time.perf_counter() - started, 1024.0 * usage.ru_maxrss)

    def generate(self, *overrides: str, kernels: str = "kernels") -> _Took:
        """Draw the groups of the notebook's families from real listeners."""
        asked = ("dataset=LastFM1k", f"data_dir={self.data_dir}", "families=seed", *overrides)
        return self.run("-m", "elsa_groups.cli.generate", *asked, kernels=kernels)


def _place(folder: str, options: Options) -> _Place:
    data_dir = options.data_dir.resolve()
    if not (data_dir / "LastFM1k").is_dir():
        raise Absent(f"no {options.data_dir}/LastFM1k")
    place = _Place(Path(folder), data_dir)
    place.run("-m", "elsa_groups.cli.train", "dataset=LastFM1k", f"data_dir={data_dir}")
    return place


def generate_beside_its_imports(options: Options) -> list[Row]:
    with TemporaryDirectory() as folder:
        place, rounds = _place(folder, options), 1 if options.quick else 5
        place.generate()
        pairs = [(place.generate(), place.run("-c", _FLOOR)) for _ in range(rounds)]
    return [_row("generate, real listeners, all artifacts", "imports, store and logging alone", pairs, 1.5)]


def first_run_after_installation(options: Options) -> list[Row]:
    """Run `mlflow run .`, as `make run` does, into an empty store: with nothing compiled, then with all."""
    pairs = []
    for _ in range(1 if options.quick else 5):
        with TemporaryDirectory() as first, TemporaryDirectory() as second:
            run = ("-m", "mlflow", "run", str(_ROOT), "--env-manager", "local")
            # Both by the kernels of the first.
            cold, kernels = _Place(Path(first), Path(first)), str(Path(first, "kernels"))
            took = cold.run(*run, kernels=kernels)
            count = len(list(Path(kernels).rglob("*.nbc")))
            pairs.append((took, _Place(Path(second), Path(second)).run(*run, kernels=kernels)))
    return [_row(f"first `make run`, {count} signatures to compile", "the same, all compiled", pairs, 1.35)]


def one_more_job_of_a_sweep(options: Options) -> list[Row]:
    with TemporaryDirectory() as folder:
        place, rounds = _place(folder, options), 1 if options.quick else 5
        place.generate()
        more = []
        for _ in range(rounds):
            few = place.generate("-m", "seed=1,2")
            more.append((place.generate("-m", "seed=1,2,3,4"), few))
    took = statistics.median((many.seconds - few.seconds) / 2 for many, few in more)
    peak = max(many.peak for many, _ in more)
    return [Row("one more job of a sweep", seconds(took), "3 s", took / 3.0, at_most=1.0, peak=peak)]


def _row(measure: str, beside: str, pairs: list[tuple[_Took, _Took]], at_most: float) -> Row:
    ours, against = (statistics.median(took.seconds for took in side) for side in zip(*pairs, strict=True))
    return Row(
        measure,
        seconds(ours),
        f"{seconds(against)}, {beside}",
        ours / against,
        at_most=at_most,
        peak=max(took.peak for took, _ in pairs),
    )


CASES = (generate_beside_its_imports, first_run_after_installation, one_more_job_of_a_sweep)

if __name__ == "__main__":
    main(*CASES)
