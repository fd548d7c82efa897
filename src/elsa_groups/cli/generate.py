"""Generate the groups of every family from a parent ELSA run, into a child run of it."""

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from elsa_groups.cli import schema
from elsa_groups.cli.lifecycle import run_entry_point
from elsa_groups.errors import InputError
from elsa_groups.similarity.ranks import ONE, Ranks, launched_ranks
from elsa_groups.similarity.work import available_threads

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from elsa_groups.data.interactions import Interactions
    from elsa_groups.groups.family import Family, Groups
    from elsa_groups.model.embeddings import Embeddings
    from elsa_groups.report.tables import Result
    from elsa_groups.similarity.thresholds import Thresholds
    from elsa_groups.tracking.parent import Parent

log = logging.getLogger("elsa_groups.cli")


# Random groups of a baseline: enough that its mean is far steadier than the groups it is compared with.
_BASELINE_GROUPS = 1000
# Arrays of user ids take four bytes a letter: larger ones are in the parquet file alone.
_IDS_UP_TO = 10_000


def main() -> None:
    """Entry point ``generate``."""
    run_entry_point("generate", _generate)


def _generate(settings: dict[str, Any], _: list[str]) -> None:
    check_settings(settings)
    from elsa_groups.tracking.parent import check_parent
    from elsa_groups.tracking.run import check_store

    ranks = launched_ranks(settings["device"])
    if not ranks.rank:
        check_store()
        check_parent(settings["parent"])
    with ranks.joined():
        interactions = _load_in_turn(settings, ranks)
        if ranks.rank:
            help_generate(settings, interactions, ranks)
            return
        from elsa_groups.tracking.parent import resolve_parent

        parent = resolve_parent(settings["parent"], interactions, seed=settings["seed"])
        generate_child(settings, interactions, parent, ranks)


def _load_in_turn(settings: dict[str, Any], ranks: Ranks) -> "Interactions":
    """Load the data: rank 0 first, so that the others find what it has downloaded and cached."""
    from elsa_groups.cli.inputs import load_interactions

    if ranks.rank:
        ranks.wait()
    interactions = load_interactions(settings)
    if not ranks.rank:
        ranks.wait()
    return interactions


def check_settings(settings: dict[str, Any]) -> None:
    """Refuse settings that no data could satisfy, before any work."""
    from elsa_groups.similarity.target import check_targets

    schema.families_of(settings)
    check_targets(*schema.targets_of(settings))
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
    from elsa_groups.record.files import write_json
    from elsa_groups.report.tables import closing_table, metrics_of, summary_row
    from elsa_groups.tracking.run import dataset_input, tracked_run

    started = time.perf_counter()
    settings = schema.part_for(settings, "generate")
    with tracked_run(_run_name(settings), parent=parent.run_id, experiment_id=parent.experiment_id) as run:
        log.info("groups run %s, child of %s (%s)", run.run_id, parent.run_id, parent.name)
        run.set_tags(_tags(parent, interactions))
        run.log_params(schema.as_params(settings))
        dataset = dataset_input(interactions.dataset, interactions.digest, interactions.source.uri, "groups")
        run.log_inputs(dataset, parent.model_id)
        encoder = _announce(ranks, run.run_id, interactions, parent.encoder)
        drawn = draw_all(settings, interactions, encoder, ranks)
        rows = [summary_row(result) for result in drawn.results]
        for row in rows:
            run.log_metrics(metrics_of(row))
        with TemporaryDirectory() as name:
            folder = Path(name)
            write_artifacts(folder, settings, interactions, drawn)
            if not parent.has_users:
                write_json(folder / "users.json", interactions.user_ids)
            run.log_files(folder)
            run.mark_tables("groups/summary.json")
            run.log_metrics(
                {
                    "threshold/similar": drawn.thresholds.similar,
                    "threshold/divergent": drawn.thresholds.divergent,
                    "seconds/total": time.perf_counter() - started,
                }
            )
            run.log_file(write_lineage(folder, run.run_id, settings, interactions, parent, drawn))
    ranks.wait()
    print(closing_table(rows))
    print(f"parent run: {parent.run_id}")
    print(f"groups run: {run.run_id}", flush=True)


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

    from elsa_groups.tracking.run import watched_run

    run_id, digest = ranks.broadcast(np.empty(0, np.uint8)).tobytes().decode().split()
    with watched_run(run_id):
        encoder = ranks.broadcast(np.empty(0, np.float32)).reshape(interactions.n_items, -1)
        if interactions.digest != digest:
            raise InputError(
                f"rank {ranks.rank}: expected the data of rank 0, came others; same file on every machine?"
            )
        draw_all(settings, interactions, encoder, ranks)
        # Rank 0 goes on alone; should it be killed, the run is ended here.
        ranks.wait()


def _announce(
    ranks: Ranks, run_id: str, interactions: "Interactions", encoder: "NDArray[np.float32]"
) -> "NDArray[np.float32]":
    """Send the other ranks what :func:`help_generate` waits for; return the encoder."""
    import numpy as np

    text = f"{run_id} {interactions.digest}".encode()
    ranks.broadcast(np.frombuffer(bytearray(text), np.uint8))
    return ranks.broadcast(encoder.reshape(-1)).reshape(encoder.shape)


def _run_name(settings: dict[str, Any]) -> str:
    """Say the settings that runs of one parent most often differ in: ``groups q0.90/0.10 seed 42``."""
    levels = []
    for name in ("similar", "divergent"):
        target = settings["thresholds"][name]
        number = target["quantile"] if target["value"] is None else target["value"]
        text = f"{number:.2f}" if round(number, 2) == number else f"{number:g}"
        levels.append(f"q{text}" if target["value"] is None else f"={text}")
    if levels[0].startswith("q"):
        levels[1] = levels[1].removeprefix("q")
    return f"groups {'/'.join(levels)} seed {settings['seed']}"


def _tags(parent: "Parent", interactions: "Interactions") -> dict[str, str]:
    return {
        "elsa_groups.kind": "groups",
        "elsa_groups.parent": parent.run_id,
        "elsa_groups.dataset": interactions.dataset,
        "elsa_groups.user_set": "all",
    }


@dataclass(frozen=True)
class Drawn:
    """All groups of a run, and what they were drawn from."""

    embeddings: "Embeddings"
    thresholds: "Thresholds"
    results: "list[Result]"
    threads: int


def draw_all(
    settings: dict[str, Any], interactions: "Interactions", encoder: "NDArray[np.float32]", ranks: Ranks
) -> Drawn:
    """Embed the users, find the thresholds, and draw and measure the groups of every key."""
    from tqdm import tqdm

    from elsa_groups.model.embeddings import embed_users
    from elsa_groups.similarity.scores import coarsen
    from elsa_groups.similarity.thresholds import find_thresholds

    work: dict[str, Any] = {
        "threads": settings["threads"] or max(1, available_threads() // ranks.on_machine),
        "ranks": ranks,
    }
    embeddings = embed_users(interactions.matrix, encoder, threads=work["threads"])
    if embeddings.n_without_history:
        log.info("left out %d users whose embedding is zero", embeddings.n_without_history)
    similar, divergent = schema.targets_of(settings)
    options = {name: settings["thresholds"][name] for name in ("method", "exact_budget", "sampled_pairs")}
    thresholds = find_thresholds(
        embeddings.vectors,
        similar=similar,
        divergent=divergent,
        seed=settings["seed"],
        device=_sweep_device(settings["device"], ranks),
        **work,
        **options,
    )
    log.info(
        "thresholds over %d users (%s): similar >= %.6f, divergent <= %.6f",
        thresholds.n_users, thresholds.method, thresholds.similar, thresholds.divergent,
    )  # fmt: skip
    work |= {"coarse": coarsen(embeddings.vectors)}
    keys = [(family, sizes) for family in schema.families_of(settings) for sizes in family.compositions]
    hidden = True if ranks.rank else None
    results = []
    with tqdm(keys, desc="groups", unit="key", disable=hidden, leave=False) as progress:
        for key in progress:
            drawn = _draw_key(settings, embeddings, thresholds, *key, work=work)
            if not ranks.rank:
                results.append(_measure_key(settings, embeddings, thresholds, key[0], *drawn))
    return Drawn(embeddings, thresholds, results, work["threads"])


def _sweep_device(name: str, ranks: Ranks) -> "torch.device | None":
    """Return the CUDA device of this rank, or None where the CPU sweeps all pairs."""
    import torch

    from elsa_groups.model.training import find_device

    device = torch.device(ranks.device) if ranks.size > 1 else find_device(name)
    return device if device.type == "cuda" else None


def _draw_key(
    settings: dict[str, Any],
    embeddings: "Embeddings",
    thresholds: "Thresholds",
    family: "Family",
    sizes: tuple[int, ...],
    *,
    work: dict[str, Any],
) -> "tuple[Groups, Groups, float]":
    """Draw the groups of one key, and random groups of the same size; time the former."""
    from elsa_groups.groups.family import Linkage, Rule
    from elsa_groups.groups.sampling import draw_groups

    started = time.perf_counter()
    options: dict[str, Any] = {
        "similar": thresholds.similar,
        "divergent": thresholds.divergent,
        "seed": settings["seed"],
        **settings["sampling"],
        **work,
    }
    groups = draw_groups(embeddings.vectors, family, sizes, **options)
    seconds = time.perf_counter() - started
    anyone = replace(family, within=Rule.any, across=Rule.any, linkage=Linkage.mean)
    n_random = max(_BASELINE_GROUPS, family.n_groups)
    random = draw_groups(embeddings.vectors, anyone, sizes, stream="baseline", n_groups=n_random, **options)
    return groups, random, seconds


def _measure_key(
    settings: dict[str, Any],
    embeddings: "Embeddings",
    thresholds: "Thresholds",
    family: "Family",
    groups: "Groups",
    random: "Groups",
    seconds: float,
) -> "Result":
    """Measure the groups of one key beside random groups of the same size."""
    from elsa_groups.groups.family import Rule
    from elsa_groups.groups.quality import measure_overlap, measure_quality
    from elsa_groups.report.tables import Result

    vectors, members = embeddings.vectors, groups.members
    limits = {"similar": thresholds.similar, "divergent": thresholds.divergent}
    quality = measure_quality(
        vectors, members, groups.sizes, within=family.within, across=family.across, **limits
    )
    baseline = measure_quality(
        vectors, random.members, groups.sizes, within=Rule.any, across=Rule.any, **limits
    )
    overlap = measure_overlap(members, n_users=len(vectors), threshold=settings["overlap"]["threshold"])
    return Result(groups, quality, overlap, baseline.similarity, seconds)


def write_artifacts(
    folder: Path, settings: dict[str, Any], interactions: "Interactions", drawn: Drawn
) -> None:
    """Write every artifact of a groups run but its lineage."""
    from elsa_groups.record.files import write_json, write_yaml
    from elsa_groups.record.schema import thresholds_record
    from elsa_groups.report.tables import mlflow_table, summary_row

    for name in ("groups", "histograms", "overlap"):
        (folder / name).mkdir()
    for result in drawn.results:
        _write_key(folder, interactions, drawn, result)
    rows = [summary_row(result) for result in drawn.results]
    write_json(folder / "groups" / "summary.json", mlflow_table(rows))
    thresholds = thresholds_record(drawn.thresholds, settings["thresholds"])
    write_json(folder / "thresholds.json", thresholds, indent=2)
    write_yaml(folder / "config.yaml", settings)


def _write_key(folder: Path, interactions: "Interactions", drawn: Drawn, result: "Result") -> None:
    """Write the groups, the histogram and the overlaps of one key."""
    import numpy as np

    from elsa_groups.record.files import write_json
    from elsa_groups.report.figures import count_similarities, draw_histogram, save_png
    from elsa_groups.report.tables import members_table, write_members, write_overlap

    key = result.groups.key
    users = drawn.embeddings.rows[result.groups.members]
    np.save(folder / "groups" / f"{key}.npy", users)
    table = members_table(result.groups, users, interactions.user_ids)
    write_members(folder / "groups" / f"{key}.parquet", table)
    if len(users) <= _IDS_UP_TO:
        np.save(folder / "groups" / f"{key}_ids.npy", np.array(interactions.user_ids)[users])
    histogram = count_similarities(
        key,
        result.quality.similarity,
        result.baseline,
        similar=drawn.thresholds.similar,
        divergent=drawn.thresholds.divergent,
        within=result.quality.within if len(result.groups.sizes) > 1 else None,
        across=result.quality.across if len(result.groups.sizes) > 1 else None,
    )
    write_json(folder / "histograms" / f"{key}.json", histogram.as_dict())
    save_png(draw_histogram(histogram), folder / "histograms" / f"{key}.png")
    write_overlap(folder / "overlap" / f"{key}.csv", result.overlap, users.shape[1])


def write_lineage(
    folder: Path,
    run_id: str,
    settings: dict[str, Any],
    interactions: "Interactions",
    parent: "Parent",
    drawn: Drawn,
) -> Path:
    """Write the record that makes a groups run complete; return its path."""
    from elsa_groups.record.digests import array_digest, file_digest
    from elsa_groups.record.files import write_json
    from elsa_groups.record.schema import LINEAGE, groups_lineage, thresholds_record

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    members = {r.groups.key: drawn.embeddings.rows[r.groups.members] for r in drawn.results}
    lineage = groups_lineage(
        run_id=run_id,
        parent={
            "run_id": parent.run_id,
            "model_id": parent.model_id,
            "checkpoint_sha256": parent.checkpoint_sha256,
            "item_order": parent.item_order,
        },
        interactions=interactions,
        thresholds=thresholds_record(drawn.thresholds, settings["thresholds"]),
        settings=settings,
        groups={
            key: {"sha256": array_digest(users), "shape": list(users.shape)} for key, users in members.items()
        },
        artifacts={path.relative_to(folder).as_posix(): file_digest(path) for path in files},
        n_threads=drawn.threads,
    )
    write_json(folder / LINEAGE, lineage, indent=2)
    return folder / LINEAGE


if __name__ == "__main__":
    main()
