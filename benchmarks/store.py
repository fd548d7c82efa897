"""A store of many groups runs: how soon they are found, and how soon MLflow's search lists them.

It fills a store of its own, which takes a minute, and so is not among the others: ``PYTHONPATH=src python -m
benchmarks.store``.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from benchmarks.harness import Options, Row, alternate, clock, main, seconds
from elsa_groups import find_groups

_KEYS = (
    "similar_3", "similar_5", "divergent_3", "divergent_5", "opposing_2_1", "opposing_3_2", "opposing_4_1",
    "random_3",
)  # fmt: skip
_METRICS = 12
_PARAMS = 60
_PAGE = 100


def fill(client: MlflowClient, experiment: str, n_runs: int) -> None:
    """Log a parent and groups runs of it, each with as much as a real one has."""
    parent = str(
        client.create_run(experiment, tags={"elsa_groups.kind": "elsa"}, run_name="ELSA").info.run_id
    )
    client.set_terminated(parent)
    for number in range(n_runs):
        tags = {
            "mlflow.parentRunId": parent,
            "elsa_groups.kind": "groups",
            "elsa_groups.parent": parent,
            "elsa_groups.dataset": f"LastFM{number % 2}k",
            "elsa_groups.user_set": "all",
        }
        run = client.create_run(experiment, tags=tags, run_name=f"groups q0.90/0.10 seed {number}")
        now = int(time.time() * 1000)
        client.log_batch(
            run.info.run_id,
            [Metric(f"{key}/m{m}", number / n_runs, now, 0) for key in _KEYS for m in range(_METRICS)],
            [Param(f"conf.setting_{p}", str(number if p == 0 else p)) for p in range(_PARAMS)],
            [RunTag("elsa_groups.digest", f"{number:064x}")],
        )
        folder = Path(run.info.artifact_uri.removeprefix("file://"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lineage.json").write_text("{}")
        client.set_terminated(run.info.run_id)


def many_runs(options: Options) -> Sequence[Row]:
    """Find all groups runs of a store beside MLflow's search for them, and list a page as its UI does."""
    n_runs = 100 if options.quick else 1000
    with TemporaryDirectory() as name:
        client = MlflowClient(f"sqlite:///{name}/mlflow.db")
        experiment = str(client.create_experiment("many", artifact_location=f"file://{name}/artifacts"))
        fill(client, experiment, n_runs)
        timing = alternate(
            lambda: find_groups(tracking_uri=client.tracking_uri),
            lambda: client.search_runs([experiment], "tags.`elsa_groups.kind` = 'groups'"),
            rounds=3,
        )
        page = min(clock(lambda: client.search_runs([experiment], max_results=_PAGE)) for _ in range(3))
    search = f"MLflow's search: {seconds(timing.against)}; first {_PAGE}: {seconds(page)}"
    return [
        Row(
            f"find_groups among {n_runs:,} runs",
            f"{seconds(timing.ours)}, {seconds(timing.ours / n_runs)} a run",
            search,
            timing.ours / timing.against,
            at_most=1.5,
        )
    ]


CASES = (many_runs,)

if __name__ == "__main__":
    main(*CASES)
