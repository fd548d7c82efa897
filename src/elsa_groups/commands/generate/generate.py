"""Generate the groups of every family from a parent ELSA run, into a child run of it."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.distributed import ONE, Ranks, launched_ranks
from elsa_groups.base.errors import InputError
from elsa_groups.base.extras import GROUPREC, check_installed
from elsa_groups.base.stages import stage
from elsa_groups.commands.generate.drawing import draw_all
from elsa_groups.commands.generate.files import (
    GROUPS_TABLE,
    REPORT,
    SUMMARY_TABLE,
    Generation,
    describe_groups,
    write_artifacts,
    write_lineage,
)
from elsa_groups.commands.generate.naming import run_name
from elsa_groups.commands.generate.population import Chosen, choose_users, read_user_file
from elsa_groups.commands.generate.vectors import check_parent_of, find_vectors_parent, takes_vectors
from elsa_groups.commands.inputs import load_interactions
from elsa_groups.data.interactions import Interactions
from elsa_groups.model.training import find_device
from elsa_groups.record.code import find_code
from elsa_groups.record.schema import LIMITS, LINEAGE, Document, groups_digest, record_digest
from elsa_groups.report.tables import CLOSING_COLUMNS, Row, metrics_of, summary_row
from elsa_groups.report.text_tables import closing_table
from elsa_groups.settings.commands import EvaluateSettings, GenerateSettings
from elsa_groups.settings.plain import as_params
from elsa_groups.tracking.parent import Parent, pin_checkpoint
from elsa_groups.tracking.parent_search import resolve_parent
from elsa_groups.tracking.run import (
    DATASET,
    DIGEST,
    KIND,
    PARENT,
    RECORD,
    USER_SET,
    RunHandle,
    keep_if_not_logged,
    tracked_run,
    watched_run,
    writing_folder,
)

log = logging.getLogger("elsa_groups.cli")


def run(settings: GenerateSettings, overrides: list[str]) -> None:
    """Draw the groups that settings ask for, into a child run of their parent."""
    check_machine(settings)
    ranks = launched_ranks(settings.device)
    if not ranks.rank:
        check_parent_of(settings)
        read_user_file(settings.user_file)
    with ranks.joined():
        interactions = _load_in_turn(settings, ranks)
        if ranks.rank:
            help_generate(settings, interactions, ranks)
            return
        parent = find_parent(settings, interactions, [])
        generate_child(settings, interactions, parent, ranks, overrides=overrides)


def find_parent(settings: GenerateSettings, interactions: Interactions, _: list[str]) -> Parent:
    """Return the parent that settings name, checked against the data."""
    if takes_vectors(settings):
        return find_vectors_parent(settings, interactions)
    return resolve_parent(settings.parent, interactions, seed=settings.seed)


def _load_in_turn(settings: GenerateSettings, ranks: Ranks) -> Interactions:
    """Load the data: rank 0 first, so that the others find what it has downloaded and cached."""
    if ranks.rank:
        ranks.wait()
    interactions = load_interactions(settings.dataset, settings.data_dir)
    if not ranks.rank:
        ranks.wait()
    return interactions


def check_device(name: str) -> None:
    """Refuse a device that this machine has not, before any work."""
    if name not in ("auto", "cpu"):
        find_device(name)


def check_machine(settings: GenerateSettings) -> None:
    """Refuse what this machine has not, a device or a package, before any work."""
    check_device(settings.device)
    if settings.evaluate:
        check_installed(GROUPREC)


def generate_child(
    settings: GenerateSettings,
    interactions: Interactions,
    parent: Parent,
    ranks: Ranks = ONE,
    *,
    overrides: Sequence[str] = (),
) -> None:
    """Draw and log all groups in a child run of the parent, and print a summary.

    Parameters
    ----------
    settings : GenerateSettings
        What is asked for.
    interactions : Interactions
        The data.
    parent : Parent
        The ELSA run, already checked against the data.
    ranks : Ranks
        Processes that help, each by :func:`help_generate`.
    overrides : sequence of str
        What the user changed of the configuration, after which the run is named.
    """
    started = time.perf_counter()
    # Before the work: files may change meanwhile.
    code = find_code()
    chosen = choose_users(settings, interactions, parent.split, read_user_file(settings.user_file))
    chosen = replace(chosen, given=parent.given)
    name = run_name(overrides, interactions.dataset)
    with tracked_run(name, parent=parent.run_id, experiment_id=parent.experiment_id) as run:
        log.info("groups run %s", run.run_id)
        log.info("its parent: run %s, %s", parent.run_id, parent.name)
        run.set_tags(tags_of(settings, parent, interactions))
        run.log_params(as_params(settings))
        run.log_data(interactions, "groups", parent.model_id)
        encoder, chosen = _announce(ranks, run.run_id, interactions, parent.encoder, chosen)
        with writing_folder() as folder:
            # Before hours of work, and while the parent is known to be there.
            pinned = pin_checkpoint(parent, folder) if settings.pin else None
            drawn = draw_all(settings, interactions, encoder, chosen, ranks)
            generation = Generation(run.run_id, settings, interactions, parent, drawn, code, pinned)
            rows = _write_and_log(run, folder, generation, started)
        report = run.place_of(REPORT)
    ranks.wait()
    print(closing_table(_told(rows, settings), CLOSING_COLUMNS))
    print(f"to see it: {run.how_to_see()}")
    print(f"beside other groups runs: {run.beside_others()}")
    print(f"report: {report}")
    print(f"parent run: {parent.run_id}")
    print(f"groups run: {run.run_id}", flush=True)
    if settings.evaluate:
        _evaluate(run.run_id)
        # Whoever reads the last line finds the groups there, evaluated or not.
        print(f"groups run: {run.run_id}", flush=True)


def _told(rows: list[Row], settings: GenerateSettings) -> list[Row]:
    """Return the rows of the closing table.

    Types without a rule have none to break, and all pairs of a group that is one subgroup are within it.
    """
    kinds, told = {kind.name: kind for kind in settings.types}, []
    for row in rows:
        kind = kinds[row["key"]]
        own = {} if kind.has_rule else {"wrong_pair_share": None}
        within = {"within_mean": row["similarity_mean"]} if len(kind.sizes) == 1 else {}
        told.append(row | own | within)
    return told


def _evaluate(groups_run: str) -> None:
    """Evaluate the groups that were drawn, in a child run; if that fails, say that they are there."""
    # It draws groups again by this package, and needs what is not installed everywhere.
    from elsa_groups.commands.evaluate.evaluate import evaluate_groups

    try:
        evaluate_groups(EvaluateSettings(groups_run_id=groups_run), adopt=False)
    except InputError as error:
        # Of the same class, which has the exit code.
        raise type(error)(
            f"evaluation: {error}; groups run {groups_run} is complete, and `mlflow run . -e evaluate -P"
            f" groups_run_id={groups_run}` evaluates it"
        ) from error


def _write_and_log(run: RunHandle, folder: Path, generation: Generation, started: float) -> list[Row]:
    """Write and log the files of a groups run; return the rows of its summary."""
    write_artifacts(folder, generation)
    lineage = write_lineage(folder, generation)
    rows = [summary_row(result) for result in generation.drawn.results]
    with stage("logging", "files") as done, keep_if_not_logged(folder, run.run_id):
        _log(run, folder, generation, lineage, rows, started)
        done.count = 1 + len(lineage["artifacts"])
    return rows


def _log(
    run: RunHandle,
    folder: Path,
    generation: Generation,
    lineage: Document,
    rows: list[Row],
    started: float,
) -> None:
    """Log what is in a folder and what was measured, the lineage last, with which the run is complete."""
    parent, ruled = generation.parent, {kind.name: kind.has_rule for kind in generation.settings.types}
    measured = [metrics_of(row, has_rule=ruled[row["key"]]) for row in rows]
    run.log_metrics({name: value for of_type in measured for name, value in of_type.items()})
    run.set_tags({DIGEST: groups_digest(lineage), RECORD: record_digest(lineage)})
    run.describe(describe_groups(lineage, parent.name))
    run.log_files(folder, but=LINEAGE)
    run.mark_tables(SUMMARY_TABLE, GROUPS_TABLE)
    # On the model's page these say which groups were drawn from it.
    found = lineage["thresholds"]
    limits = {f"threshold/{name}": found[name] for name in LIMITS if found[name] is not None}
    run.log_metrics(limits, model_id=parent.model_id)
    run.log_metrics({"seconds/total": time.perf_counter() - started})
    run.log_file(folder / LINEAGE)


def help_generate(settings: GenerateSettings, interactions: Interactions, ranks: Ranks) -> None:
    """Do the share of a rank other than 0, which logs and writes everything.

    Parameters
    ----------
    settings : GenerateSettings
        What is asked for.
    interactions : Interactions
        The data, as on rank 0.
    ranks : Ranks
        This process among the others.
    """
    run_id, digest = ranks.broadcast(np.empty(0, np.uint8)).tobytes().decode().split()
    with watched_run(run_id):
        encoder = ranks.broadcast(np.empty(0, np.float32)).reshape(interactions.n_items, -1)
        chosen = Chosen(np.empty(0, np.int64), np.empty(0, np.int64)).sent(ranks)
        if interactions.digest != digest:
            raise InputError(
                f"rank {ranks.rank}: expected the data of rank 0, got others; same file on every machine?"
            )
        draw_all(settings, interactions, encoder, chosen, ranks)
        # Rank 0 goes on alone; should it be killed, the run is ended here.
        ranks.wait()


def _announce(
    ranks: Ranks, run_id: str, interactions: Interactions, encoder: NDArray[np.float32], chosen: Chosen
) -> tuple[NDArray[np.float32], Chosen]:
    """Send the other ranks what :func:`help_generate` waits for; return the encoder and the users."""
    text = f"{run_id} {interactions.digest}".encode()
    ranks.broadcast(np.frombuffer(bytearray(text), np.uint8))
    return ranks.broadcast(encoder.reshape(-1)).reshape(encoder.shape), chosen.sent(ranks)


def tags_of(settings: GenerateSettings, parent: Parent, interactions: Interactions) -> dict[str, str]:
    """Return the tags by which a groups run is found."""
    return {
        KIND: "groups",
        PARENT: parent.run_id,
        DATASET: interactions.dataset,
        USER_SET: settings.user_set_name,
    }
