"""Aggregators and metrics of grouprec on an export; runs in an environment that has grouprec alone.

    python benchmarks/grouprec_export.py FOLDER [KEY ...]

prints for each type, by default all, what members find of their held-out items among ten items for the group,
then for agree, the folder that grouprec reads by itself, how often a group's held-out item is among ten of
its negatives and itself. Its reader of GroupIM's folder lacks histories of users who are not for training.
"""

import sys
from pathlib import Path
from typing import Any

import grouprec as gr  # type: ignore[import-not-found, unused-ignore]
import numpy as np
import pandas as pd  # type: ignore[import-untyped, unused-ignore]
from grouprec.backends import EASE  # type: ignore[import-not-found, unused-ignore]

AGGREGATORS = ("ADD", "LMS", "GFAR", "EPFuzzDA")


def recommenders() -> dict[str, Any]:
    return {
        name: gr.GroupRecommender(EASE(), gr.aggregators.get(name), normalize="minmax")
        for name in AGGREGATORS
    }


def by_members(folder: Path, keys: list[str]) -> None:
    data = gr.Dataset(pd.read_csv(folder / "train.csv"))
    split = gr.split.Split(data, pd.read_csv(folder / "test.csv"))
    keys = keys or sorted(path.stem for path in (folder / "groups").glob("*.npy"))
    for key in keys:
        groups = gr.Groups(list(np.load(folder / "groups" / f"{key}.npy")), {"kind": key})
        for name, recommender in recommenders().items():
            report = gr.evaluate(
                recommender,
                data,
                groups,
                split,
                metrics=["ndcg@10", "recall@10"],
                group_aggregations=["mean", "min"],
            )
            shown = {f"{metric} {how}": value for (_, metric, _, how), value in report.to_dict().items()}
            show(key, len(groups), name, shown)


def by_groups(folder: Path, load: Any) -> None:
    read = load(folder)
    for name, recommender in recommenders().items():
        report = gr.eval.evaluate_sampled(
            recommender, read.dataset, read.groups, read.test_instances, ks=(10,)
        )
        shown = {metric: value for (_, metric, _, _), value in report.to_dict().items()}
        show(folder.name, len(read.groups), name, shown)


def show(what: str, n_groups: int, aggregator: str, values: dict[str, float]) -> None:
    numbers = "  ".join(f"{name}@10 {value:.4f}" for name, value in values.items())
    print(f"{what:14} {n_groups:6,} groups  {aggregator:9} {numbers}", flush=True)


if __name__ == "__main__":
    root = Path(sys.argv[1])
    by_members(root / "grouprec", sys.argv[2:])
    if (root / "agree").is_dir():
        by_groups(root / "agree", gr.datasets.load_consrec)
