"""Generate the groups of every family from a parent ELSA run, into a child run of it."""

import logging
import time
from typing import TYPE_CHECKING, Any

from elsa_groups.base.distributed import ONE, Ranks, launched_ranks
from elsa_groups.base.errors import InputError
from elsa_groups.base.stages import stage
from elsa_groups.settings import schema
from elsa_groups.settings.filters import filters_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from elsa_groups.commands.generate.population import Chosen
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.report.tables import Row
    from elsa_groups.tracking.parent import Parent
    from elsa_groups.tracking.run import RunHandle

log = logging.getLogger("elsa_groups.cli")


def run(settings: dict[str, Any], _: list[str]) -> None:
    """Draw the groups that settings ask for, into a child run of their parent."""
    check_settings(settings)
    from elsa_groups.commands.generate.asked import read_user_file
    from elsa_groups.tracking.parent import check_parent
    from elsa_groups.tracking.run import check_store

    ranks = launched_ranks(settings["device"])
    if not ranks.rank:
        check_store()
        check_parent(settings["parent"])
        read_user_file(settings)
    with ranks.joined():
        interactions = _load_in_turn(settings, ranks)
        if ranks.rank:
            help_generate(settings, interactions, ranks)
            return
        generate_child(settings, interactions, find_parent(settings, interactions, []), ranks)


def find_parent(settings: dict[str, Any], interactions: "Interactions", _: list[str]) -> "Parent":
    """Return the parent that settings name, checked against the data."""
    from elsa_groups.tracking.parent import resolve_parent

    return resolve_parent(settings["parent"], interactions, seed=settings["seed"])


def _load_in_turn(settings: dict[str, Any], ranks: Ranks) -> "Interactions":
    """Load the data: rank 0 first, so that the others find what it has downloaded and cached."""
    from elsa_groups.commands.inputs import load_interactions

    if ranks.rank:
        ranks.wait()
    interactions = load_interactions(settings)
    if not ranks.rank:
        ranks.wait()
    return interactions


def check_settings(settings: dict[str, Any]) -> None:
    """Refuse settings that no data could satisfy, before any work."""
    from elsa_groups.commands.generate.asked import check_population, needs_band, threshold_settings
    from elsa_groups.similarity.limits import check_targets

    schema.families_of(settings)
    source, center = settings["similarity"]["source"], settings["similarity"]["center"]
    if source != "elsa" and center != "none":
        raise InputError(
            f"similarity.center: expected none with similarity.source={source}, came {center};"
            " only embeddings are centred"
        )
    check_population(settings)
    filters_of(settings)
    check_targets(threshold_settings(settings), needs_band(settings))
    if settings["device"] not in ("auto", "cpu"):
        from elsa_groups.model.training import find_device

        find_device(settings["device"])


def generate_child(
    settings: dict[str, Any], interactions: "Interactions", parent: "Parent", ranks: Ranks = ONE
) -> None:
    """Draw and log all groups in a child run of the parent, and print a summary.

    Parameters
    ----------
    settings : dict
        Completed settings of entry point generate or main.
    interactions : Interactions
        The data.
    parent : Parent
        The ELSA run, already checked against the data.
    ranks : Ranks
        Processes that help, each by :func:`help_generate`.
    """
    from elsa_groups.commands.generate.asked import read_user_file
    from elsa_groups.commands.generate.drawing import draw_all
    from elsa_groups.commands.generate.files import write_artifacts, write_lineage
    from elsa_groups.commands.generate.population import choose_users
    from elsa_groups.record.code import find_code
    from elsa_groups.report.tables import closing_table, summary_row
    from elsa_groups.tracking.parent import pin_checkpoint
    from elsa_groups.tracking.run import dataset_input, keep_if_not_logged, tracked_run, writing_folder

    started = time.perf_counter()
    settings = schema.part_for(settings, "generate")
    # Before the work: files may change meanwhile.
    code = find_code()
    chosen = choose_users(settings, interactions, parent.split, read_user_file(settings))
    with tracked_run(run_name(settings), parent=parent.run_id, experiment_id=parent.experiment_id) as run:
        log.info("groups run %s, child of %s (%s)", run.run_id, parent.run_id, parent.name)
        run.set_tags(tags_of(settings, parent, interactions))
        run.log_params(schema.as_params(settings))
        dataset = dataset_input(interactions.dataset, interactions.digest, interactions.source.uri, "groups")
        run.log_inputs(dataset, parent.model_id)
        encoder, chosen = _announce(ranks, run.run_id, interactions, parent.encoder, chosen)
        with writing_folder() as folder:
            # Before hours of work, and while the parent is known to be there.
            pinned = pin_checkpoint(parent, folder) if settings["pin"] else None
            drawn = draw_all(settings, interactions, encoder, chosen, ranks)
            write_artifacts(folder, run.run_id, settings, interactions, parent, drawn, code)
            lineage = write_lineage(folder, run.run_id, settings, interactions, parent, drawn, code, pinned)
            rows = [summary_row(result) for result in drawn.results]
            with stage("logging", "files") as done, keep_if_not_logged(folder, run.run_id):
                _log(run, folder, lineage, parent, rows, started)
                done.count = 1 + len(lineage["artifacts"])
    ranks.wait()
    print(closing_table(rows))
    print(f"to see it: {run.how_to_see()}")
    print(f"parent run: {parent.run_id}")
    print(f"groups run: {run.run_id}", flush=True)


def _log(
    run: "RunHandle",
    folder: "Path",
    lineage: dict[str, Any],
    parent: "Parent",
    rows: "list[Row]",
    started: float,
) -> None:
    """Log what is in a folder and what was measured, the lineage last, with which the run is complete."""
    from elsa_groups.commands.generate.files import describe_groups
    from elsa_groups.record.schema import LIMITS, LINEAGE, groups_digest
    from elsa_groups.report.tables import metrics_of
    from elsa_groups.tracking.run import DIGEST

    for row in rows:
        run.log_metrics(metrics_of(row))
    run.set_tags({DIGEST: groups_digest(lineage)})
    run.describe(describe_groups(lineage, parent.name))
    run.log_files(folder, but=LINEAGE)
    run.mark_tables("groups/summary.json")
    # On the model's page these say which groups were drawn from it.
    found = lineage["thresholds"]
    limits = {f"threshold/{name}": found[name] for name in LIMITS if found[name] is not None}
    run.log_metrics(limits, model_id=parent.model_id)
    run.log_metrics({"seconds/total": time.perf_counter() - started})
    run.log_file(folder / LINEAGE)


def help_generate(settings: dict[str, Any], interactions: "Interactions", ranks: Ranks) -> None:
    """Do the share of a rank other than 0, which logs and writes everything.

    Parameters
    ----------
    settings : dict
        Completed settings of entry point generate.
    interactions : Interactions
        The data, as on rank 0.
    ranks : Ranks
        This process among the others.
    """
    import numpy as np

    from elsa_groups.commands.generate.drawing import draw_all
    from elsa_groups.commands.generate.population import Chosen
    from elsa_groups.tracking.run import watched_run

    run_id, digest = ranks.broadcast(np.empty(0, np.uint8)).tobytes().decode().split()
    with watched_run(run_id):
        encoder = ranks.broadcast(np.empty(0, np.float32)).reshape(interactions.n_items, -1)
        chosen = Chosen(np.empty(0, np.int64), np.empty(0, np.int64)).sent(ranks)
        if interactions.digest != digest:
            raise InputError(
                f"rank {ranks.rank}: expected the data of rank 0, came others; same file on every machine?"
            )
        draw_all(settings, interactions, encoder, chosen, ranks)
        # Rank 0 goes on alone; should it be killed, the run is ended here.
        ranks.wait()


def _announce(
    ranks: Ranks,
    run_id: str,
    interactions: "Interactions",
    encoder: "NDArray[np.float32]",
    chosen: "Chosen",
) -> "tuple[NDArray[np.float32], Chosen]":
    """Send the other ranks what :func:`help_generate` waits for; return the encoder and the users."""
    import numpy as np

    text = f"{run_id} {interactions.digest}".encode()
    ranks.broadcast(np.frombuffer(bytearray(text), np.uint8))
    return ranks.broadcast(encoder.reshape(-1)).reshape(encoder.shape), chosen.sent(ranks)


def run_name(settings: dict[str, Any]) -> str:
    """Say the settings that runs of one parent most often differ in: ``groups q0.90/0.10 seed 42``."""
    from elsa_groups.report.page import describe_users

    levels = []
    for name in ("similar", "divergent"):
        target = settings["thresholds"][name]
        number = target["quantile"] if target["value"] is None else target["value"]
        text = f"{number:.2f}" if round(number, 2) == number else f"{number:g}"
        levels.append(f"q{text}" if target["value"] is None else f"={text}")
    if levels[0].startswith("q"):
        levels[1] = levels[1].removeprefix("q")
    return f"groups {'/'.join(levels)} seed {settings['seed']}{describe_users(settings)}"


def tags_of(settings: dict[str, Any], parent: "Parent", interactions: "Interactions") -> dict[str, str]:
    """Return the tags by which a groups run is found."""
    from elsa_groups.commands.generate.asked import user_set_of
    from elsa_groups.tracking.run import DATASET, KIND, PARENT, USER_SET

    return {
        KIND: "groups",
        PARENT: parent.run_id,
        DATASET: interactions.dataset,
        USER_SET: user_set_of(settings),
    }
