"""Recommend to groups by several aggregators, and say which leads and whether that can be told."""

import logging
import resource
import sys
import time
from collections.abc import Mapping

import numpy as np

from elsa_groups.base.progress import progress
from elsa_groups.base.stages import stage
from elsa_groups.commands.evaluate.files import PAGE, Evaluation, write_files
from elsa_groups.commands.evaluate.inputs import EvaluationInputs, draw_halves, gather_inputs
from elsa_groups.commands.evaluate.leaders import Order, Values, find_orders, pool_families
from elsa_groups.commands.evaluate.measuring import Material, Members, measure_groups
from elsa_groups.commands.evaluate.scorers import Backend, Floats, find_aggregators, find_backends
from elsa_groups.commands.evaluate.tables import TABLE, closing_text, describe_evaluation, metrics_of_orders
from elsa_groups.measures.jackknife import share_of_half
from elsa_groups.settings.commands import EvaluateSettings, IntervalsOf
from elsa_groups.settings.plain import as_params
from elsa_groups.tracking.evaluations import EVALUATION_RECORD
from elsa_groups.tracking.run import (
    DATASET,
    EVALUATES,
    KIND,
    PARENT,
    RunHandle,
    dataset_input,
    tracked_run,
    writing_folder,
)

log = logging.getLogger("elsa_groups.cli")


def run(settings: EvaluateSettings, _: list[str]) -> None:
    """Evaluate the groups of a run, in a child run of it."""
    evaluate_groups(settings, adopt=True)


def evaluate_groups(settings: EvaluateSettings, *, adopt: bool) -> str:
    """Evaluate the groups of a run, in a child run of it, and print which aggregators lead.

    Parameters
    ----------
    settings : EvaluateSettings
        What is asked for.
    adopt : bool
        Whether a run that `mlflow run` launched is to be the evaluation.

    Returns
    -------
    str
        Id of the evaluation run.
    """
    started = time.perf_counter()
    aggregators = find_aggregators(settings.aggregators)
    inputs = gather_inputs(settings)
    record = inputs.record
    place = {"parent": record.run_id, "experiment_id": record.experiment_id}
    with tracked_run(f"evaluation of {record.name}", **place, adopt=adopt) as run:
        log.info("evaluation run %s of %s (%s)", run.run_id, record.run_id, record.name)
        _begin(run, settings, inputs)
        histories, seed = inputs.histories, inputs.asked.seed
        backends, absent = find_backends(settings.recommenders, histories, inputs.parent, seed=seed)
        types, missing = _measure_all(settings, inputs, Material.of(histories, aggregators), backends)
        orders, facts = _orders(types, settings, inputs), _facts(inputs, types)
        spent = {"seconds": time.perf_counter() - started, "peak_mib": _peak_memory()}
        evaluation = Evaluation(
            run.run_id, settings, inputs.groups, types, orders, absent, missing, facts, spent
        )
        _log(run, evaluation)
        run.log_metrics({"seconds/total": time.perf_counter() - started, "memory/peak_mib": _peak_memory()})
        page = run.place_of(PAGE)
    print(closing_text(evaluation.orders))
    print(f"to see it: {run.how_to_see()}")
    print(f"report: {page}")
    print(f"evaluation run: {run.run_id}", flush=True)
    return run.run_id


def _begin(run: RunHandle, settings: EvaluateSettings, inputs: EvaluationInputs) -> None:
    """Say of the run what it is, and of which groups."""
    groups, record = inputs.groups, inputs.record
    run.set_tags({KIND: "evaluation", EVALUATES: record.run_id})
    run.set_tags({PARENT: groups.parent_run_id, DATASET: groups.dataset})
    run.log_params(as_params(settings))
    uri = f"runs:/{record.run_id}/groups"
    run.log_inputs(dataset_input(f"{groups.dataset} groups", groups.digest, uri, "evaluation"))


def _log(run: RunHandle, evaluation: Evaluation) -> None:
    """Write and log the files of an evaluation, the record last, with which it is complete."""
    with writing_folder() as folder:
        with stage("figures and page"):
            write_files(folder, evaluation)
        run.log_metrics(metrics_of_orders(evaluation.orders, [*evaluation.groups]))
        run.describe(describe_evaluation(evaluation.orders, evaluation.groups.run_id))
        run.log_files(folder, but=EVALUATION_RECORD)
        run.mark_tables(TABLE)
        run.log_file(folder / EVALUATION_RECORD)


def _measure_all(
    settings: EvaluateSettings, inputs: EvaluationInputs, material: Material, backends: Mapping[str, Backend]
) -> tuple[list[Values], dict[str, str]]:
    """Measure the groups of every type, and those from halves of the users by those that get intervals."""
    members = {key: group.members[: settings.n_groups] for key, group in inputs.groups.items()}
    with stage("lists and measures", "groups") as done:
        found: dict[str, dict[str, Floats]] = {key: {} for key in members}
        tasks = [(key, name) for key in members for name in backends]
        for key, name in progress(tasks, label="group types by recommenders", unit="type"):
            found[key][name] = measure_groups(material, backends[name], members[key])
        done.count = sum(map(len, members.values()))
    halves, missing = draw_halves(settings, inputs)
    with stage("intervals", "groups") as done:
        asked = [*backends] if settings.intervals == IntervalsOf.all else [*backends][:1]
        of_halves: dict[str, dict[str, tuple[Floats, ...]]] = {key: {} for key in members}
        tasks = [(key, name) for key in halves for name in asked]
        for key, name in progress(tasks, label="groups of halves", unit="type"):
            of_halves[key][name] = tuple(_measure_parts(material, backends[name], halves[key]))
        done.count = sum(len(half) for parts in halves.values() for half in parts)
    return [Values(key, (key,), found[key], of_halves[key]) for key in members], missing


def _measure_parts(material: Material, backend: Backend, parts: list[Members]) -> list[Floats]:
    """Measure the groups of several halves in one go."""
    if not parts:
        return []
    together = measure_groups(material, backend, np.concatenate(parts))
    return np.split(together, np.cumsum([len(part) for part in parts])[:-1])


def _orders(types: list[Values], settings: EvaluateSettings, inputs: EvaluationInputs) -> list[Order]:
    """Return the orders of aggregators of every family and type."""
    lineage = inputs.record.lineage
    shown = pool_families(types, {key: group["family"] for key, group in lineage["groups"].items()})
    share = share_of_half(int(lineage["users"]["n_users"]))
    return [order for of in shown for order in find_orders(of, settings.aggregators, share)]


def _facts(inputs: EvaluationInputs, types: list[Values]) -> dict[str, float | int | str | None]:
    """Say what a reader must know: who has held-out items, and what has been seen of them before."""
    members = np.concatenate([group.members.ravel() for group in inputs.groups.values()])
    targets = np.diff(inputs.histories.test.indptr)[members]
    split = inputs.parent.split if inputs.parent is not None else None
    first = [next(iter(of.of_groups.values())) for of in types]
    return {
        "history": str(inputs.asked.history),
        "target_ratio": inputs.asked.holdout.target_ratio,
        "members": len(np.unique(members)),
        "memberships_without_targets": int((targets == 0).sum()),
        "groups": sum(len(values) for values in first),
        "groups_without_targets": int(sum(np.isnan(values[:, 0, 0]).sum() for values in first)),
        "trained_share": None if split is None else float(np.isin(members, split.train).mean()),
        "items": len(inputs.histories.items),
    }


def _peak_memory() -> float:
    """Return the most memory that this process has held, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)
