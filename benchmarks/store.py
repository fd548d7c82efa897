"""A store of many groups runs: how soon they are found, and how soon MLflow's search lists them.

``PYTHONPATH=src python -m benchmarks.store`` fills a store of its own in a temporary folder.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from benchmarks.harness import Options, Row, clock, main, seconds
from elsa_groups import find_groups

_KEYS = (
    "similar_3", "similar_5", "divergent_3", "divergent_5", "opposing_2_1", "opposing_3_2", "opposing_4_1",
    "random_3",
)  # fmt: skip
_METRICS = 12
_PARAMS = 60
_PAGE = 100


def fill(client: MlflowClient, n_runs: int) -> str:
    """Log a parent and groups runs of it, each with as much as a real one has; return the parent's id."""
    parent = str(client.create_run("0", tags={"elsa_groups.kind": "elsa"}, run_name="ELSA").info.run_id)
    client.set_terminated(parent)
    for number in range(n_runs):
        tags = {
            "mlflow.parentRunId": parent,
            "elsa_groups.kind": "groups",
            "elsa_groups.parent": parent,
            "elsa_groups.dataset": f"LastFM{number % 2}k",
            "elsa_groups.user_set": "all",
        }
        run = client.create_run("0", tags=tags, run_name=f"groups q0.90/0.10 seed {number}")
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
    return parent


def many_runs(options: Options) -> Sequence[Row]:
    """Find the runs of a store by their tags, and list its first page as MLflow's UI does."""
    n_runs = 100 if options.quick else 1000
    with TemporaryDirectory() as name:
        client = MlflowClient(f"sqlite:///{name}/mlflow.db")
        client.create_experiment("elsewhere")
        filling = clock(lambda: fill(client, n_runs))
        uri = client.tracking_uri
        found = min(clock(lambda: find_groups(tracking_uri=uri)) for _ in range(3))
        page = min(clock(lambda: client.search_runs(["0"], max_results=_PAGE)) for _ in range(3))
    return [
        Row(
            f"find_groups among {n_runs:,} runs, a run",
            seconds(found / n_runs),
            "5 ms",
            found / n_runs / 5e-3,
            1.0,
        ),
        Row(f"first {_PAGE} of {n_runs:,} runs by MLflow's search", seconds(page), ""),
        Row(f"logging each of {n_runs:,} runs", seconds(filling / n_runs), ""),
    ]


CASES = (many_runs,)

if __name__ == "__main__":
    main(*CASES)
