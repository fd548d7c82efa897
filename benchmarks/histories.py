"""Groups of a run drawn from full histories, judged by inputs alone: who would no longer be a group?

`python -m benchmarks.histories RUN_ID [TARGET_RATIO]` prints a row for each type of one subgroup drawn by
mean linkage.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.family import Linkage, Rule


def compare(run_id: str, target_ratio: float) -> Iterator[str]:
    """Yield a line for each type: similarity by full histories and inputs, and shares of groups that fail."""
    from elsa_groups import load_groups
    from elsa_groups.commands.generate.population import choose_users, embed_population
    from elsa_groups.commands.inputs import load_interactions
    from elsa_groups.settings.commands import History, HoldoutSettings
    from elsa_groups.settings.recorded import recorded_settings
    from elsa_groups.similarity.thresholds import find_thresholds
    from elsa_groups.tracking.load import open_record
    from elsa_groups.tracking.recorded_parent import recorded_parent

    record, groups = open_record(run_id), load_groups(run_id)
    settings = recorded_settings(record.lineage["settings"])
    interactions = load_interactions(settings.dataset, settings.data_dir)
    parent = recorded_parent(record, interactions)
    chosen = choose_users(settings, interactions, parent.split, None)
    views = []
    for history in History:
        asked = replace(settings, history=history, holdout=HoldoutSettings(target_ratio=target_ratio))
        seen = embed_population(asked, interactions, parent.encoder, chosen, threads=2)
        limits = find_thresholds(
            seen.compared, settings.thresholds, seed=settings.seed, needs_band=settings.needs_band
        )
        views.append((seen.embeddings, limits))
        yield f"{history}: similar >= {limits.similar:.4f}, divergent <= {limits.divergent:.4f}"
    yield f"{'key':14} {'full':>7} {'inputs':>7} {'mean fails':>11} {'a join fails':>13}"
    rules = {
        kind.name: kind.family.within
        for kind in settings.types
        if len(kind.sizes) == 1 and kind.family.within != Rule.any and kind.family.linkage == Linkage.mean
    }
    for key, rule in rules.items():
        means, joins, similarity = zip(
            *(_judge(*view, groups[key].members, rule) for view in views), strict=True
        )
        assert joins[0].all(), "by full histories every group was drawn by these decisions"
        shares = f"{1 - means[1].mean():11.1%} {1 - joins[1].mean():13.1%}"
        yield f"{key:14} {similarity[0]:7.3f} {similarity[1]:7.3f} {shares}"


def _judge(embeddings: Any, limits: Any, rows: NDArray[np.int64], rule: Rule) -> tuple[Any, Any, float]:
    """Say which groups meet the rule by their mean similarity, in which every join does, and the mean."""
    vectors = embeddings.vectors[np.searchsorted(embeddings.rows, rows)].astype(np.float64)
    similarity = (1 + vectors @ vectors.transpose(0, 2, 1)) / 2
    size = rows.shape[1]

    def meets(values: NDArray[np.float64]) -> NDArray[np.bool_]:
        met: NDArray[np.bool_] = (
            values >= limits.similar if rule == Rule.similar else values <= limits.divergent
        )
        return met

    first, second = np.triu_indices(size, 1)
    mean = similarity[:, first, second].mean(axis=1)
    joins = [meets(similarity[:, joined, :joined].mean(axis=1)) for joined in range(1, size)]
    return meets(mean), np.all(joins, axis=0), float(mean.mean())


if __name__ == "__main__":
    for line in compare(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0.2):
        print(line)
