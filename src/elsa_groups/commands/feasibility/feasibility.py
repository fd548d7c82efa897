"""Say what drawing the groups of every type would take, before any is drawn, in a child run of the parent."""

import logging
import time
from dataclasses import asdict, replace

import numpy as np

from elsa_groups.base.distributed import ONE
from elsa_groups.base.files import write_json
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.stages import stage
from elsa_groups.commands.feasibility.assessment import TRIES, Effort, Feasibility, assess_key
from elsa_groups.commands.feasibility.table import feasibility_metrics, feasibility_row, feasibility_text
from elsa_groups.commands.generate.drawing import find_population, runtime_of, thresholds_of
from elsa_groups.commands.generate.generate import check_device, find_parent, tags_of
from elsa_groups.commands.generate.naming import run_name
from elsa_groups.commands.generate.population import Population, choose_users, read_user_file
from elsa_groups.commands.generate.vectors import check_parent_of
from elsa_groups.commands.inputs import load_interactions
from elsa_groups.groups.family import find_partners
from elsa_groups.record.schema import thresholds_record
from elsa_groups.report.tables import mlflow_table
from elsa_groups.settings.commands import FeasibilitySettings
from elsa_groups.settings.plain import as_params, plain
from elsa_groups.similarity.limits import Thresholds
from elsa_groups.similarity.sampling import sample_similarities
from elsa_groups.tracking.run import KIND, RunHandle, tracked_run, writing_folder

log = logging.getLogger("elsa_groups.cli")

RECORD = "feasibility.json"
TABLE = "feasibility_table.json"
# Random pairs by which quantiles become thresholds: to three decimals they need no more.
_PAIRS = 1_000_000


def run(settings: FeasibilitySettings, overrides: list[str]) -> None:
    """Estimate what drawing would take, in a child run of the parent."""
    check_device(settings.device)
    started = time.perf_counter()
    check_parent_of(settings)
    listed = read_user_file(settings.user_file)
    interactions = load_interactions(settings.dataset, settings.data_dir)
    parent = find_parent(settings, interactions, [])
    chosen = replace(choose_users(settings, interactions, parent.split, listed), given=parent.given)
    name = f"feasibility: {run_name(overrides, interactions.dataset)}"
    with tracked_run(name, parent=parent.run_id, experiment_id=parent.experiment_id) as run:
        log.info("feasibility run %s", run.run_id)
        log.info("its parent: run %s, %s", parent.run_id, parent.name)
        run.set_tags(tags_of(settings, parent, interactions) | {KIND: "feasibility"})
        run.log_params(as_params(settings))
        run.log_data(interactions, "feasibility", parent.model_id)
        runtime = runtime_of(settings, ONE)
        population = find_population(settings, interactions, parent.encoder, chosen, runtime.threads)
        thresholds = thresholds_of(settings, population, runtime)
        keys = _assess(settings, population, thresholds, runtime)
        text = _log(run, settings, population, thresholds, keys)
        run.log_metrics({"seconds/total": time.perf_counter() - started})
    print(text)
    print(f"to see it: {run.how_to_see()}")
    print(f"parent run: {parent.run_id}")
    print(f"feasibility run: {run.run_id}", flush=True)


def _assess(
    settings: FeasibilitySettings, population: Population, thresholds: Thresholds, runtime: Runtime
) -> list[Feasibility]:
    """Estimate for every type what drawing its groups would take."""
    with stage("random pairs", "pairs") as done:
        seed = settings.seed
        ordered = np.sort(sample_similarities(population.compared, _PAIRS, seed=seed, runtime=runtime))
        done.count = len(ordered)
    activity = population.lookup.lengths
    effort = Effort(**vars(settings.feasibility), **vars(settings.sampling))
    keys = []
    with stage("walks", "keys") as done:
        for kind in settings.types:
            keys.append(
                assess_key(
                    population.users, kind, thresholds.limits, activity,
                    seed=seed, effort=effort, ordered=ordered,
                )
            )  # fmt: skip
            log.debug("%s", keys[-1])
        done.count = len(keys)
    return keys


def _log(
    run: RunHandle,
    settings: FeasibilitySettings,
    population: Population,
    thresholds: Thresholds,
    keys: list[Feasibility],
) -> str:
    """Log what was found; return it as the terminal shows it."""
    targets = settings.thresholds.targets(needs_band=settings.needs_band)
    by_value = {name.replace("_", ".") for name, target in targets.items() if target.value is not None}
    rows = [feasibility_row(of, by_value) for of in keys]
    text = "\n".join([feasibility_text(keys, by_value), *_not_looked_at(settings)])
    record = {
        "run_id": run.run_id,
        "users": population.record(),
        "thresholds": thresholds_record(thresholds, settings.thresholds),
        "tries": TRIES,
        "filters_not_looked_at": list(settings.filters.on),
        "keys": [asdict(of) for of in keys],
        "settings": plain(settings),
    }
    for row in rows:
        run.log_metrics(feasibility_metrics(row))
    run.log_metrics({"threshold/similar": thresholds.similar, "threshold/divergent": thresholds.divergent})
    with writing_folder() as folder:
        write_json(folder / RECORD, record, indent=2)
        write_json(folder / TABLE, mlflow_table(rows))
        run.log_files(folder)
    run.mark_tables(TABLE)
    run.describe(f"What drawing groups would take; `{RECORD}` says all.\n```\n{text[:6000]}\n```")
    return text


def _not_looked_at(settings: FeasibilitySettings) -> list[str]:
    """Say what the estimates leave out."""
    lines = [
        f"{key}: its first subgroup, which {partner} gives, is taken as drawn by its own rules"
        for key, partner in find_partners(list(settings.families.values())).items()
    ]
    if filters := settings.filters.on:
        lines.append(f"filters are not looked at, and reject some of what completes: {', '.join(filters)}")
    return lines
