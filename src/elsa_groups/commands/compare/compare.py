"""Lay groups runs beside each other: the settings that differ against what came of them."""

import logging
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from elsa_groups.base.errors import InputError
from elsa_groups.base.files import write_json, write_text
from elsa_groups.commands.compare.agreement import (
    RUNS_UP_TO,
    Agreement,
    measure_agreement,
)
from elsa_groups.commands.compare.comparison import (
    RunsComparison,
    compare_groups_runs,
    comparison_csv,
    comparison_table,
    settings_table,
)
from elsa_groups.commands.compare.orders import conclusions_text, orders_rows
from elsa_groups.commands.compare.page import render_comparison
from elsa_groups.commands.compare.ranks import rank_figures
from elsa_groups.commands.compare.reading import read_compared
from elsa_groups.commands.compare.trends import metric_figures
from elsa_groups.report.figures.run import save_pictures
from elsa_groups.report.tables import mlflow_table
from elsa_groups.settings.commands import CompareSettings
from elsa_groups.settings.plain import as_params
from elsa_groups.settings.recorded import with_every_setting
from elsa_groups.tracking.compared import (
    common_experiment,
    common_parent,
    find_records,
    open_named,
    read_users,
)
from elsa_groups.tracking.load import Record
from elsa_groups.tracking.parent_search import NEWEST, named_parent
from elsa_groups.tracking.run import DATASET, DESCRIPTION_LENGTH, KIND, tracked_run, writing_folder

log = logging.getLogger("elsa_groups.cli")

PAGE = "comparison.html"
TABLE = "comparison.csv"
SETTINGS = "settings.json"
RANKS = "orders.json"


def run(settings: CompareSettings, _: list[str]) -> None:
    """Compare the groups runs that settings name, and print what differs."""
    _log_comparison(records_of(settings), settings, adopt=True)


def compare_runs(run_ids: Sequence[str]) -> str:
    """Compare groups runs of the current store, log the comparison as a run and print its table.

    Parameters
    ----------
    run_ids : sequence of str
        Two complete groups runs or more. A run that `mlflow run` launched stays as it is.

    Returns
    -------
    str
        Id of the comparison run.

    Raises
    ------
    InputError
        If a run is not there or no complete groups run, or fewer than two are given.
    """
    settings = CompareSettings(runs=",".join(run_ids))
    return _log_comparison(records_of(settings), settings, adopt=False)


def records_of(settings: CompareSettings) -> list[Record]:
    """Return the records of the runs that are meant, at least two, with every setting."""
    if settings.runs is not None:
        records = open_named([part.strip() for part in settings.runs.split(",") if part.strip()])
    elif settings.filter is not None:
        records = find_records(condition=settings.filter)
    else:
        records = find_records(parent=_parent_of(str(settings.parent)))
    if len(records) < 2:
        got = ", ".join(record.run_id for record in records) or "none"
        raise InputError(f"compare: expected at least two complete groups runs, got {got}")
    return [_completed(record) for record in records]


def _completed(record: Record) -> Record:
    """Return a record that has every setting: one that is older than a setting means its default."""
    try:
        return replace(record, lineage=with_every_setting(record.lineage))
    except InputError as error:
        raise InputError(f"compare: run {record.run_id}: {error}") from error


def _parent_of(reference: str) -> str:
    if reference == NEWEST:
        raise InputError(f"parent: {NEWEST} is that of a dataset, which compare has none of; give a run id")
    return named_parent(reference)


def _log_comparison(records: list[Record], settings: CompareSettings, *, adopt: bool) -> str:
    """Write a comparison run, print what it says, and return its id."""
    name = f"comparison of {len(records)} runs"
    place = {"parent": common_parent(records), "experiment_id": common_experiment(records)}
    with tracked_run(name, adopt=adopt, **place) as run:
        log.info("comparison run %s, of %d groups runs", run.run_id, len(records))
        datasets = sorted({record.lineage["data"]["dataset"] for record in records})
        run.set_tags({KIND: "comparison", DATASET: ", ".join(datasets)})
        run.log_params(as_params(settings))
        with writing_folder() as folder:
            comparison, agreements = _read(records, folder / "read")
            command = again_command(comparison)
            _write(folder / "logged", comparison, agreements, command)
            run.log_files(folder / "logged")
        run.mark_tables(SETTINGS, *([RANKS] if comparison.ranked else []))
        run.describe(describe_comparison(comparison, command))
        page = run.place_of(PAGE)
    print(comparison_table(comparison))
    if comparison.ranked:
        print(conclusions_text(comparison.ranked, comparison.variation.settings))
    print(f"to see it: {run.how_to_see()}")
    print(f"report: {page}")
    print(f"comparison run: {run.run_id}", flush=True)
    return run.run_id


def _read(records: list[Record], folder: Path) -> tuple[RunsComparison, dict[str, Agreement]]:
    """Return the runs in order, and what they have in common where they are few enough."""
    comparison = compare_groups_runs([read_compared(record, folder / record.run_id) for record in records])
    if len(comparison.runs) > RUNS_UP_TO:
        log.info("users in common are compared for at most %d runs, not for these", RUNS_UP_TO)
        return comparison, {}
    by_id = {record.run_id: record for record in records}
    ordered = [by_id[run.run_id] for run in comparison.runs]
    shared = [key for key in comparison.keys if sum(key in run.rows for run in comparison.runs) > 1]
    datasets = [record.lineage["data"]["dataset"] for record in ordered]
    users = read_users(ordered, shared, folder)
    agreements = {key: measure_agreement(key, users[key], datasets) for key in shared}
    return comparison, {key: found for key, found in agreements.items() if found.is_defined}


def _write(folder: Path, comparison: RunsComparison, agreements: dict[str, Agreement], command: str) -> None:
    """Write the files of a comparison."""
    folder.mkdir()
    (folder / "figures").mkdir()
    figures = [*rank_figures(comparison.ranked), *metric_figures(comparison)]
    pictures = save_pictures(folder / "figures", figures)
    page = render_comparison(comparison, agreements=agreements, pictures=pictures, command=command)
    write_text(folder / PAGE, page)
    write_text(folder / TABLE, comparison_csv(comparison))
    write_json(folder / SETTINGS, settings_table(comparison))
    if comparison.ranked:
        write_json(folder / RANKS, mlflow_table(orders_rows(comparison.ranked)))


def again_command(comparison: RunsComparison) -> str:
    """Return the command that compares the same runs again."""
    runs = ",".join(run.run_id for run in comparison.runs)
    return shlex.join(["mlflow", "run", ".", "-e", "compare", "-P", f"runs={runs}"])


def describe_comparison(comparison: RunsComparison, command: str) -> str:
    """Say in Markdown what was compared, and how to do so again."""
    names = [f"`{setting.name}`" for setting in comparison.variation.settings]
    differing = (
        f"differ in {', '.join(names[:8])}{' and more' if names[8:] else ''}"
        if names
        else "have the same settings"
    )
    said = f"{len(comparison.runs)} groups runs that {differing}; read `{PAGE}` first.  \nAgain: "
    whole = f"{said}`{command}`"
    # A command without some of its runs would compare others.
    return whole if len(whole) <= DESCRIPTION_LENGTH else f"{said}by the command at the end of the page."
