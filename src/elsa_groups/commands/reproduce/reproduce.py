"""Draw a recorded run's groups again from its record alone, and say whether they are the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from elsa_groups.base.errors import Different, InputsMissing
from elsa_groups.base.files import write_json
from elsa_groups.base.words import without_password
from elsa_groups.commands.generate.generate import check_device
from elsa_groups.commands.recorded import load_again, settings_again
from elsa_groups.commands.reproduce.differences import (
    compare_absent,
    compare_inputs,
    compare_lineages,
    compare_types,
)
from elsa_groups.commands.reproduce.regenerate import (
    Inputs,
    Regenerated,
    parent_again,
    read_all_members,
    regenerate,
)
from elsa_groups.commands.reproduce.stored import compare_artifacts, compare_beside
from elsa_groups.commands.reproduce.verdict import Reproduction, Verdict, judge_groups
from elsa_groups.data.interactions import Interactions
from elsa_groups.record.code import find_code
from elsa_groups.settings.commands import ReproduceSettings
from elsa_groups.settings.plain import as_params
from elsa_groups.settings.recorded import with_every_setting
from elsa_groups.tracking.load import Record, open_record
from elsa_groups.tracking.run import (
    DATASET,
    KIND,
    REPRODUCES,
    VERDICT,
    RunHandle,
    tracked_run,
    writing_folder,
)

VERDICT_FILE = "verdict.json"


def run(settings: ReproduceSettings, _: list[str]) -> None:
    """Draw recorded groups again, and end by the verdict."""
    record = open_record(settings.groups_run_id)
    record.say_what_is_not_checked()
    dataset = record.lineage["data"]["dataset"]
    name = f"reproduce {record.name}"
    with tracked_run(name, parent=record.run_id, experiment_id=record.experiment_id) as run:
        run.set_tags({KIND: "verdict", REPRODUCES: record.run_id, DATASET: dataset})
        run.log_params(as_params(settings))
        try:
            reproduction = _reproduce(record, settings, run)
        except InputsMissing as error:
            verdict = Verdict.inputs_missing.value
            content = {"verdict": verdict, "reason": without_password(str(error))}
            _log_verdict(run, record.run_id, content, f"verdict: {verdict}")
            raise
        _log_verdict(run, record.run_id, reproduction.as_dict(), reproduction.text())
        _conclude(reproduction, record.run_id, run.run_id, strict=settings.strict)


def _reproduce(record: Record, settings: ReproduceSettings, run: RunHandle) -> Reproduction:
    """Draw the groups of a record and compare them, and all that they were drawn from, with it."""
    code = find_code()
    lineage = with_every_setting(record.lineage)
    asked = settings_again(lineage, settings)
    asked = replace(asked, threads=settings.threads, device=settings.device)
    check_device(asked.device)
    interactions = load_again(lineage, asked, settings)
    inputs = Inputs(asked, interactions, code, parent_again(record, interactions))
    with writing_folder() as folder:
        stored, again = folder / "stored", folder / "again"
        record.artifacts.download("", stored)
        found = regenerate(record, inputs, stored, again, run_id=run.run_id)
        if isinstance(found, str):
            beside = compare_beside(record, stored, interactions)
            differences = compare_inputs(lineage, asked, interactions, inputs.parent)
            return Reproduction((), beside + differences, found)
        return judge(record, interactions, found, stored, again)


def judge(
    record: Record, interactions: Interactions, found: Regenerated, stored: Path, again: Path
) -> Reproduction:
    """Compare a record, and the files beside it, with what was drawn again.

    Parameters
    ----------
    record : Record
        The groups run.
    interactions : Interactions
        The data as they are now.
    found : Regenerated
        The groups drawn again.
    stored, again : Path
        The files of the run as they are now, and those made again.
    """
    lineage = with_every_setting(record.lineage)
    types = judge_groups(lineage["groups"], read_all_members(stored, lineage), found.members, found.distance)
    return Reproduction(
        types,
        compare_beside(record, stored, interactions)
        + compare_lineages(lineage, found.lineage)
        + compare_types(lineage["groups"], found.lineage["groups"])
        + compare_absent(lineage, found.lineage)
        + compare_artifacts(lineage, stored, again),
    )


def _log_verdict(run: RunHandle, groups_run: str, content: dict[str, Any], text: str) -> None:
    """Print the verdict, and log it to its run."""
    # First, since a store that is away must not cost the verdict.
    print(text, flush=True)
    run.set_tags({VERDICT: content["verdict"]})
    # A record's own words must not end the block that they stand in.
    told = text[:6000].replace("```", "'''")
    run.describe(f"Again: `mlflow run . -e reproduce -P groups_run_id={groups_run}`\n```\n{told}\n```")
    with writing_folder() as folder:
        write_json(folder / VERDICT_FILE, content, indent=2)
        run.log_file(folder / VERDICT_FILE)
    print(f"verdict run: {run.run_id}", flush=True)


def _conclude(reproduction: Reproduction, groups_run: str, verdict_run: str, *, strict: bool) -> None:
    """Raise what the exit code follows from."""
    if reproduction.reason is not None:
        raise Different(f"groups of run {groups_run} cannot be drawn again: {reproduction.reason}")
    if reproduction.verdict == Verdict.different:
        raise Different(
            f"groups of run {groups_run} came out different; {VERDICT_FILE} of {verdict_run} says how"
        )
    if strict and reproduction.unlike:
        names = ", ".join(difference.name for difference in reproduction.unlike)
        raise Different(f"strict: the groups of run {groups_run} are the same, but not {names}")
