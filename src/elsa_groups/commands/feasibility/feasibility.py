"""Say what drawing the groups of every key would take, before any is drawn, in a child run of the parent."""

import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from elsa_groups.base.distributed import ONE
from elsa_groups.base.runtime import Runtime
from elsa_groups.base.stages import stage
from elsa_groups.base.threads import available_threads
from elsa_groups.commands.generate.asked import group_types
from elsa_groups.commands.generate.generate import check_settings, find_parent, run_name, tags_of
from elsa_groups.settings import schema
from elsa_groups.settings.filters import filters_of

if TYPE_CHECKING:
    from elsa_groups.commands.feasibility.assessment import Feasibility
    from elsa_groups.commands.generate.population import Chosen, Population
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.similarity.thresholds import Thresholds
    from elsa_groups.tracking.parent import Parent
    from elsa_groups.tracking.run import RunHandle

log = logging.getLogger("elsa_groups.cli")

RECORD = "feasibility.json"
TABLE = "feasibility_table.json"
# Random pairs by which quantiles become thresholds: to three decimals they need no more.
_PAIRS = 1_000_000


def run(settings: dict[str, Any], _: list[str]) -> None:
    """Estimate what drawing would take, in a child run of the parent."""
    check_settings(settings)
    from elsa_groups.commands.generate.asked import read_user_file
    from elsa_groups.commands.generate.population import choose_users
    from elsa_groups.commands.inputs import load_interactions
    from elsa_groups.tracking.parent import check_parent
    from elsa_groups.tracking.run import KIND, check_store, dataset_input, tracked_run

    started = time.perf_counter()
    check_store()
    check_parent(settings["parent"])
    listed = read_user_file(settings)
    interactions = load_interactions(settings)
    parent = find_parent(settings, interactions, [])
    chosen = choose_users(settings, interactions, parent.split, listed)
    name = f"feasibility of {run_name(settings)}"
    with tracked_run(name, parent=parent.run_id, experiment_id=parent.experiment_id) as run:
        log.info("feasibility run %s, child of %s (%s)", run.run_id, parent.run_id, parent.name)
        run.set_tags(tags_of(settings, parent, interactions) | {KIND: "feasibility"})
        run.log_params(schema.as_params(settings))
        dataset = dataset_input(
            interactions.dataset, interactions.digest, interactions.source.uri, "feasibility"
        )
        run.log_inputs(dataset, parent.model_id)
        population, thresholds = _prepare(settings, interactions, parent, chosen)
        keys = _assess(settings, population, thresholds)
        text = _log(run, settings, population, thresholds, keys)
        run.log_metrics({"seconds/total": time.perf_counter() - started})
    print(text)
    print(f"to see it: {run.how_to_see()}")
    print(f"parent run: {parent.run_id}")
    print(f"feasibility run: {run.run_id}", flush=True)


def _prepare(
    settings: dict[str, Any], interactions: "Interactions", parent: "Parent", chosen: "Chosen"
) -> "tuple[Population, Thresholds]":
    """Embed the users and find the thresholds, as generate does."""
    from elsa_groups.commands.generate.drawing import find_population, runtime_of, thresholds_of

    runtime = runtime_of(settings, ONE)
    population = find_population(settings, interactions, parent.encoder, chosen, runtime.threads)
    return population, thresholds_of(settings, population, runtime)


def _assess(
    settings: dict[str, Any], population: "Population", thresholds: "Thresholds"
) -> "list[Feasibility]":
    """Estimate for every key what drawing its groups would take."""
    import numpy as np

    from elsa_groups.commands.feasibility.assessment import Effort, assess_key
    from elsa_groups.similarity.sampling import sample_similarities

    with stage("random pairs", "pairs") as done:
        seed, runtime = settings["seed"], Runtime(settings["threads"] or available_threads())
        ordered = np.sort(sample_similarities(population.compared, _PAIRS, seed=seed, runtime=runtime))
        done.count = len(ordered)
    activity = population.lookup.lengths
    effort = Effort(**settings["feasibility"], **settings["sampling"])
    keys = []
    with stage("walks", "keys") as done:
        for kind in group_types(settings):
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
    run: "RunHandle",
    settings: dict[str, Any],
    population: "Population",
    thresholds: "Thresholds",
    keys: "list[Feasibility]",
) -> str:
    """Log what was found; return it as the terminal shows it."""
    from elsa_groups.base.files import write_json
    from elsa_groups.commands.feasibility.assessment import TRIES
    from elsa_groups.commands.feasibility.table import feasibility_row, feasibility_text, metrics_of
    from elsa_groups.record.schema import thresholds_record
    from elsa_groups.report.tables import mlflow_table
    from elsa_groups.tracking.run import writing_folder

    rows = [feasibility_row(of) for of in keys]
    text = "\n".join([feasibility_text(keys), *_not_looked_at(settings)])
    record = {
        "run_id": run.run_id,
        "users": population.record(),
        "thresholds": thresholds_record(thresholds, settings["thresholds"]),
        "tries": TRIES,
        "filters_not_looked_at": list(filters_of(settings).on),
        "keys": [asdict(of) for of in keys],
        "settings": settings,
    }
    for row in rows:
        run.log_metrics(metrics_of(row))
    run.log_metrics({"threshold/similar": thresholds.similar, "threshold/divergent": thresholds.divergent})
    with writing_folder() as folder:
        write_json(folder / RECORD, record, indent=2)
        write_json(folder / TABLE, mlflow_table(rows))
        run.log_files(folder)
    run.mark_tables(TABLE)
    run.describe(f"What drawing groups would take; `{RECORD}` says all.\n```\n{text[:6000]}\n```")
    return text


def _not_looked_at(settings: dict[str, Any]) -> list[str]:
    """Say what the estimates leave out."""
    from elsa_groups.groups.family import find_partners

    lines = [
        f"{key}: its first subgroup, which {partner} gives, is taken as drawn by its own rules"
        for key, partner in find_partners(schema.families_of(settings)).items()
    ]
    if filters := filters_of(settings).on:
        lines.append(f"filters are not looked at, and reject some of what completes: {', '.join(filters)}")
    return lines
