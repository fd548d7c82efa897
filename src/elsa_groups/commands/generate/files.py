"""The files of a groups run, and what is said of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from elsa_groups.base.digests import array_digest, folder_digests
from elsa_groups.base.files import write_array, write_json, write_yaml
from elsa_groups.base.progress import progress
from elsa_groups.base.stages import stage
from elsa_groups.base.words import in_markdown
from elsa_groups.commands.generate.drawing import Drawn
from elsa_groups.commands.generate.histories import write_history
from elsa_groups.commands.generate.population import Population
from elsa_groups.data.interactions import Interactions
from elsa_groups.groups.family import Rule
from elsa_groups.measures.extremes import find_extremes
from elsa_groups.measures.statistics import Result
from elsa_groups.record.code import Code
from elsa_groups.record.schema import (
    CODE_DIFF,
    CONFIG,
    LINEAGE,
    THRESHOLDS,
    environment_record,
    groups_lineage,
    groups_origin,
)
from elsa_groups.report.cautions import Caution, find_cautions, say_missing
from elsa_groups.report.examples import MemberHistories, first_groups
from elsa_groups.report.figure_processes import BegunFigures, begin_figures
from elsa_groups.report.figures.counting import figures_of
from elsa_groups.report.page import RunPage, describe_users
from elsa_groups.report.paper.latex import groups_table
from elsa_groups.report.paper.methods import methods_paragraph
from elsa_groups.report.paper.references import write_bibliography
from elsa_groups.report.pictures import Picture
from elsa_groups.report.tables import (
    BROWSED_UP_TO,
    Row,
    evidence_table,
    group_rows,
    measures_table,
    members_table,
    mlflow_table,
    summary_row,
    write_overlap,
    write_parquet,
)
from elsa_groups.settings.commands import GenerateSettings
from elsa_groups.tracking.parent import Parent

REPORT = "report.html"
SUMMARY_TABLE, GROUPS_TABLE = "groups/summary.json", "groups/groups.json"
# Text for a paper.
PAPER = "paper"
USER_FILE = "user_file.txt"
# Arrays of user ids take four bytes a letter: larger ones are in the parquet file alone.
_IDS_UP_TO = 10_000


@dataclass(frozen=True, eq=False)
class Generation:
    """Groups that were drawn, and all that they were drawn from.

    Attributes
    ----------
    run_id : str
        The groups run.
    settings : GenerateSettings
        What was asked for.
    interactions : Interactions
        The data.
    parent : Parent
        The ELSA run.
    drawn : Drawn
        The groups.
    code : Code
        The code that ran, as it was before the work.
    pinned : str or None
        The run's own copy of the checkpoint, where it keeps one.
    """

    run_id: str
    settings: GenerateSettings
    interactions: Interactions
    parent: Parent
    drawn: Drawn
    code: Code
    pinned: str | None = None

    def origin(self) -> dict[str, Any]:
        """Return the part of the record that says what the groups were drawn from."""
        return groups_origin(
            run_id=self.run_id,
            parent=self.parent.record(self.pinned),
            interactions=self.interactions,
            users=self.drawn.population.record(),
            thresholds=self.drawn.thresholds,
            settings=self.settings,
        )

    def environment(self) -> dict[str, Any]:
        """Return the part of the record that says what ran."""
        runtime = self.drawn.runtime
        device = "cpu" if runtime.device == "cpu" else "cuda"
        return environment_record(self.code, device=device, threads=runtime.threads)


@stage("figures and report")
def write_artifacts(folder: Path, generation: Generation) -> None:
    """Write every artifact of a groups run but its lineage."""
    interactions, drawn = generation.interactions, generation.drawn
    for name in ("groups", "histograms", "overlap", "figures"):
        (folder / name).mkdir()
    begun = _begin_figures(folder, generation)
    for result in drawn.results:
        _write_type(folder, interactions, drawn, result)
    rows = [summary_row(result) for result in drawn.results]
    write_json(folder / SUMMARY_TABLE, mlflow_table(rows))
    write_json(folder / GROUPS_TABLE, mlflow_table(_rows_of_groups(interactions, drawn)))
    write_parquet(folder / "evidence.parquet", evidence_table(drawn.results))
    origin = generation.origin()
    write_json(folder / THRESHOLDS, origin["thresholds"], indent=2)
    write_yaml(folder / CONFIG, origin["settings"])
    if not generation.parent.has_users:
        write_json(folder / "users.json", interactions.user_ids)
    if generation.code.diff:
        (folder / CODE_DIFF).write_bytes(generation.code.diff)
    _write_population(folder, interactions, drawn.population)
    methods = _write_paper(folder / PAPER, origin | {"environment": generation.environment()}, rows)
    page = _render(generation, origin, rows, _finish(begun), methods)
    (folder / REPORT).write_text(page, encoding="utf-8", newline="\n")


def _write_population(folder: Path, interactions: Interactions, population: Population) -> None:
    """Write the list of users that was given, and both parts of histories of which one was held out."""
    if population.chosen.listed is not None:
        (folder / USER_FILE).write_bytes(population.chosen.listed)
    if population.targets is not None:
        (folder / "history").mkdir()
        for name, part in (("inputs", population.histories), ("targets", population.targets)):
            write_history(folder / "history" / f"{name}.parquet", part, interactions)


def _write_paper(folder: Path, record: dict[str, Any], rows: list[Row]) -> str:
    """Write what a paper says of the groups: methods, table and references; return the methods."""
    folder.mkdir()
    texts = {
        "methods.md": methods_paragraph(record, rows),
        "groups.tex": groups_table(record, rows),
        "references.bib": write_bibliography(record),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return texts["methods.md"]


def _begin_figures(folder: Path, generation: Generation) -> BegunFigures:
    """Begin to draw the figures of all types together, and a histogram of each."""
    drawn = generation.drawn
    users = drawn.population.users
    free = [kind.name for kind in generation.settings.types if not kind.has_rule]
    threads = drawn.runtime.threads
    figures = figures_of(users, drawn.results, drawn.thresholds, without_rule=free, threads=threads)
    return begin_figures(folder, figures)


def _finish(begun: BegunFigures) -> list[Picture]:
    """Return the figures once all are written."""
    bar = progress(begun.pictures(), label="figures", unit="figure", total=len(begun.figures))
    return list(bar)


def _rows_of_groups(interactions: Interactions, drawn: Drawn) -> list[Row]:
    """Return a row for each group, of all types one after the other."""
    ids = np.array(interactions.user_ids)
    return [
        row
        for result in drawn.results
        for row in group_rows(result, ids[drawn.embeddings.rows[result.groups.members[:BROWSED_UP_TO]]])
    ]


def _write_type(folder: Path, interactions: Interactions, drawn: Drawn, result: Result) -> None:
    """Write the groups and the overlaps of one type."""
    key = result.groups.key
    users = drawn.embeddings.rows[result.groups.members]
    write_array(folder / "groups" / f"{key}.npy", users)
    table = members_table(result.groups, users, interactions.user_ids)
    write_parquet(folder / "groups" / f"{key}.parquet", table)
    subgroups = result.groups.subgroup_of_position
    extremes = find_extremes(drawn.population.users, result.groups.members, subgroups)
    write_parquet(folder / "groups" / f"{key}_measures.parquet", measures_table(result, extremes))
    if len(users) <= _IDS_UP_TO:
        write_array(folder / "groups" / f"{key}_ids.npy", np.array(interactions.user_ids)[users])
    write_overlap(folder / "overlap" / f"{key}.csv", result.overlap, users.shape[1])


def _render(
    generation: Generation, origin: dict[str, Any], rows: list[Row], pictures: list[Picture], methods: str
) -> str:
    """Return the page that tells what there is to see."""
    drawn, parent = generation.drawn, generation.parent
    family_of = {kind.name: kind.family for kind in generation.settings.types}
    seen = replace(generation.interactions, matrix=drawn.population.histories)
    histories = MemberHistories(seen, drawn.embeddings, parent.encoder)
    users, limits = drawn.population.users, drawn.thresholds.limits
    page = RunPage(
        origin | {"environment": {"code": generation.code.as_dict()}},
        parent_name=parent.name,
        rows=rows,
        cautions=_cautions(generation, rows, float(histories.lengths.mean())),
        pictures=pictures,
        notes=say_missing(drawn.results, drawn.absent),
        evidence={result.groups.key: result.evidence for result in drawn.results},
        examples={
            groups.key: first_groups(groups, family_of[groups.key], histories, users, limits)
            for groups in (result.groups for result in drawn.results)
        },
        methods=methods,
    )
    return page.as_html()


def _cautions(generation: Generation, rows: list[Row], users_activity: float) -> tuple[Caution, ...]:
    """Return what a reader of a run's numbers should know."""
    drawn, kinds = generation.drawn, generation.settings.types
    asks_divergent = any(Rule.divergent in (kind.family.within, kind.family.across) for kind in kinds)
    return find_cautions(
        rows,
        n_users=len(drawn.embeddings.rows),
        divergent=drawn.thresholds.divergent if asks_divergent else None,
        users_activity=users_activity,
        ruled=[kind.name for kind in kinds if kind.has_rule],
        held_out=drawn.population.targets is not None,
        absent=list(drawn.absent),
    )


def write_lineage(folder: Path, generation: Generation) -> dict[str, Any]:
    """Write the record that makes a groups run complete; return it."""
    drawn = generation.drawn
    lineage = groups_lineage(
        generation.origin(),
        groups={result.groups.key: _type_record(result, drawn) for result in drawn.results},
        absent=drawn.absent,
        artifacts=folder_digests(folder),
        environment=generation.environment(),
    )
    write_json(folder / LINEAGE, lineage, indent=2)
    return lineage


def _type_record(result: Result, drawn: Drawn) -> dict[str, Any]:
    groups, users = result.groups, drawn.embeddings.rows[result.groups.members]
    took = groups.accounting
    return {
        "family": groups.family,
        "sizes": list(groups.sizes),
        "shape": list(users.shape),
        "sha256": array_digest(users),
        "candidates": took.candidates,
        "rejected": dict(took.rejected),
        **({"shortfall": took.shortfall, "reason": took.reason} if took.shortfall else {}),
        **({"no_interval": result.no_interval} if result.no_interval else {}),
    }


def describe_groups(lineage: dict[str, Any], parent_name: str) -> str:
    """Say in Markdown what a groups run is, where its groups come from, and how to repeat it."""
    thresholds, groups, data, users = (lineage[name] for name in ("thresholds", "groups", "data", "users"))
    n_groups = sum(group["shape"][0] for group in groups.values())
    trained = "" if users["n_trained"] is None else f" ELSA was trained on {users['n_trained']:,} of them."
    return (
        f"{n_groups:,} groups of {len(groups)} types from {users['n_users']:,} users of"
        f" {data['dataset']}{describe_users(lineage['settings'])}: similar at least"
        f" {thresholds['similar']:.4f}, divergent at most {thresholds['divergent']:.4f}, seed"
        f" {lineage['settings']['seed']}.{trained}  \n"
        f"Drawn from {in_markdown(parent_name)}, run `{lineage['parent']['run_id']}`; `lineage.json` says"
        " from which data, settings and code.  \n"
        f"Again: `mlflow run . -e reproduce -P groups_run_id={lineage['run_id']}`"
    )
