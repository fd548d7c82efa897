"""The files of a groups run, and what is said of it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elsa_groups.base.progress import progress
from elsa_groups.base.stages import stage

if TYPE_CHECKING:
    from elsa_groups.commands.generate.drawing import Drawn
    from elsa_groups.commands.generate.population import Population
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.groups.groups import Groups
    from elsa_groups.record.code import Code
    from elsa_groups.report.figures.run import RunFigure
    from elsa_groups.report.page import Picture
    from elsa_groups.report.tables import Result, Row
    from elsa_groups.tracking.parent import Parent

CONFIG = "config.yaml"
CODE_DIFF = "code.diff"
REPORT = "report.html"
USER_FILE = "user_file.txt"
# Arrays of user ids take four bytes a letter: larger ones are in the parquet file alone.
_IDS_UP_TO = 10_000


@stage("figures and report")
def write_artifacts(
    folder: Path,
    run_id: str,
    settings: dict[str, Any],
    interactions: "Interactions",
    parent: "Parent",
    drawn: "Drawn",
    code: "Code",
) -> None:
    """Write every artifact of a groups run but its lineage."""
    from elsa_groups.base.files import write_json, write_yaml
    from elsa_groups.record.schema import data_record, thresholds_record
    from elsa_groups.report.tables import evidence_table, mlflow_table, summary_row, write_parquet

    for name in ("groups", "histograms", "overlap", "figures"):
        (folder / name).mkdir()
    pictures = _write_figures(folder / "figures", drawn)
    results = progress(drawn.results, label="files and figures", unit="key")
    pictures += [_write_key(folder, interactions, drawn, result) for result in results]
    rows = [summary_row(result) for result in drawn.results]
    write_json(folder / "groups" / "summary.json", mlflow_table(rows))
    write_parquet(folder / "evidence.parquet", evidence_table(drawn.results))
    thresholds = thresholds_record(drawn.thresholds, settings["thresholds"])
    write_json(folder / "thresholds.json", thresholds, indent=2)
    write_yaml(folder / CONFIG, settings)
    if not parent.has_users:
        write_json(folder / "users.json", interactions.user_ids)
    if code.diff:
        (folder / CODE_DIFF).write_bytes(code.diff)
    _write_population(folder, interactions, drawn.population)
    known = {
        "run_id": run_id,
        "parent": {"run_id": parent.run_id, "checkpoint_sha256": parent.checkpoint_sha256},
        "data": data_record(interactions),
        "users": drawn.population.record(),
        "thresholds": thresholds,
        "settings": settings,
        "environment": {"code": code.as_dict()},
    }
    _write_report(folder / REPORT, known, rows, pictures, interactions, parent, drawn)


def _write_population(folder: Path, interactions: "Interactions", population: "Population") -> None:
    """Write the list of users that was given, and both parts of histories of which one was held out."""
    from elsa_groups.commands.generate.histories import write_history

    if population.chosen.listed is not None:
        (folder / USER_FILE).write_bytes(population.chosen.listed)
    if population.targets is not None:
        (folder / "history").mkdir()
        for name, part in (("inputs", population.histories), ("targets", population.targets)):
            write_history(folder / "history" / f"{name}.parquet", part, interactions)


def _write_figures(folder: Path, drawn: "Drawn") -> "list[Picture]":
    """Write the figures of all keys together; return them."""
    from elsa_groups.report.figures.run import figures_of

    users, vectors = drawn.population.users, drawn.embeddings.vectors
    figures = figures_of(users, vectors, drawn.results, drawn.thresholds, threads=drawn.runtime.threads)
    return save_pictures(folder, figures)


def save_pictures(folder: Path, figures: "Iterable[RunFigure]") -> "list[Picture]":
    """Write figures, each to ``<name>.png``; return them as a page shows them."""
    from elsa_groups.report.figures.style import save_png
    from elsa_groups.report.page import Picture

    pictures = []
    for shown in figures:
        png = folder / f"{shown.name}.png"
        save_png(shown.figure, png)
        pictures.append(Picture(shown.title, shown.alt, png.read_bytes()))
    return pictures


def _write_key(folder: Path, interactions: "Interactions", drawn: "Drawn", result: "Result") -> "Picture":
    """Write the groups, the histogram and the overlaps of one key; return the histogram."""
    import numpy as np

    from elsa_groups.base.files import write_array, write_json
    from elsa_groups.report.figures.histogram import count_result, describe_histogram, draw_histogram
    from elsa_groups.report.figures.style import save_png
    from elsa_groups.report.page import Picture
    from elsa_groups.report.tables import measures_table, members_table, write_overlap, write_parquet

    key = result.groups.key
    users = drawn.embeddings.rows[result.groups.members]
    write_array(folder / "groups" / f"{key}.npy", users)
    table = members_table(result.groups, users, interactions.user_ids)
    write_parquet(folder / "groups" / f"{key}.parquet", table)
    write_parquet(folder / "groups" / f"{key}_measures.parquet", measures_table(result))
    if len(users) <= _IDS_UP_TO:
        write_array(folder / "groups" / f"{key}_ids.npy", np.array(interactions.user_ids)[users])
    limits = {"similar": drawn.thresholds.similar, "divergent": drawn.thresholds.divergent}
    histogram = count_result(result, **limits)
    write_json(folder / "histograms" / f"{key}.json", histogram.as_dict())
    png = folder / "histograms" / f"{key}.png"
    save_png(draw_histogram(histogram), png)
    write_overlap(folder / "overlap" / f"{key}.csv", result.overlap, users.shape[1])
    return Picture(f"Similarity of the groups of {key}", describe_histogram(histogram), png.read_bytes())


def _write_report(
    path: Path,
    record: dict[str, Any],
    rows: "list[Row]",
    pictures: "list[Picture]",
    interactions: "Interactions",
    parent: "Parent",
    drawn: "Drawn",
) -> None:
    """Write the page that tells what there is to see."""
    from elsa_groups.groups.family import Rule
    from elsa_groups.report.cautions import find_cautions
    from elsa_groups.report.examples import Histories, first_groups
    from elsa_groups.report.page import render_page
    from elsa_groups.settings.schema import families_of

    families = families_of(record["settings"])
    family_of = {kind.name: family for family in families for kind in family.types}
    seen = replace(interactions, matrix=drawn.population.histories)
    histories = Histories(seen, drawn.embeddings, parent.encoder)
    users = drawn.population.users
    keys = [result.groups for result in drawn.results]
    asks_divergent = any(Rule.divergent in (family.within, family.across) for family in families)
    page = render_page(
        record,
        parent_name=parent.name,
        rows=rows,
        cautions=find_cautions(
            rows,
            n_users=len(drawn.embeddings.rows),
            divergent=drawn.thresholds.divergent if asks_divergent else None,
            users_activity=float(histories.lengths.mean()),
            ruled=[
                key for key, family in family_of.items() if (family.within, family.across) != (Rule.any,) * 2
            ],
            held_out=drawn.population.targets is not None,
            absent=[key for key in family_of if key not in {groups.key for groups in keys}],
        ),
        pictures=pictures,
        evidence={result.groups.key: result.evidence for result in drawn.results},
        examples={
            g.key: first_groups(g, family_of[g.key], histories, users, drawn.thresholds.limits) for g in keys
        },
    )
    path.write_text(page, encoding="utf-8", newline="\n")


def write_lineage(
    folder: Path,
    run_id: str,
    settings: dict[str, Any],
    interactions: "Interactions",
    parent: "Parent",
    drawn: "Drawn",
    code: "Code",
    pinned: str | None,
) -> dict[str, Any]:
    """Write the record that makes a groups run complete; return it."""
    from elsa_groups.base.digests import folder_digests
    from elsa_groups.base.files import write_json
    from elsa_groups.record.schema import LINEAGE, groups_lineage, thresholds_record

    lineage = groups_lineage(
        run_id=run_id,
        parent={
            "run_id": parent.run_id,
            "model_id": parent.model_id,
            "checkpoint_sha256": parent.checkpoint_sha256,
            "factors": parent.encoder.shape[1],
            "item_order": parent.item_order,
            "pinned": pinned,
        },
        interactions=interactions,
        users=drawn.population.record(),
        thresholds=thresholds_record(drawn.thresholds, settings["thresholds"]),
        settings=settings,
        groups={r.groups.key: _key_record(r.groups, drawn) for r in drawn.results},
        artifacts=folder_digests(folder),
        code=code,
        device="cuda" if drawn.runtime.device != "cpu" else "cpu",
        threads=drawn.runtime.threads,
    )
    write_json(folder / LINEAGE, lineage, indent=2)
    return lineage


def _key_record(groups: "Groups", drawn: "Drawn") -> dict[str, Any]:
    from elsa_groups.base.digests import array_digest

    users = drawn.embeddings.rows[groups.members]
    return {
        "family": groups.family,
        "sizes": list(groups.sizes),
        "shape": list(users.shape),
        "sha256": array_digest(users),
        "candidates": groups.accounting.candidates,
        "rejected": dict(groups.accounting.rejected),
    }


def describe_groups(lineage: dict[str, Any], parent_name: str) -> str:
    """Say in Markdown what a groups run is, where its groups come from, and how to repeat it."""
    from elsa_groups.report.page import describe_users

    thresholds, groups, data, users = (lineage[name] for name in ("thresholds", "groups", "data", "users"))
    n_groups = sum(group["shape"][0] for group in groups.values())
    trained = "" if users["n_trained"] is None else f" ELSA was trained on {users['n_trained']:,} of them."
    return (
        f"{n_groups:,} groups of {len(groups)} keys from {users['n_users']:,} users of"
        f" {data['dataset']}{describe_users(lineage['settings'])}: similar at least"
        f" {thresholds['similar']:.4f}, divergent at most {thresholds['divergent']:.4f}, seed"
        f" {lineage['settings']['seed']}.{trained}  \n"
        f"Drawn from {parent_name}, run `{lineage['parent']['run_id']}`; `lineage.json` says from which data,"
        " settings and code.  \n"
        f"Again: `mlflow run . -e reproduce -P groups_run_id={lineage['run_id']}`"
    )
