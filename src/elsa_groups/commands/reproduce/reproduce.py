"""Draw a recorded run's groups again from its record alone, and say whether they are the same."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elsa_groups.base.distributed import ONE
from elsa_groups.base.errors import Different, InputError, InputsMissing
from elsa_groups.commands.generate.generate import check_device
from elsa_groups.commands.recorded import load_again, settings_again
from elsa_groups.commands.reproduce.judging import (
    Again,
    compare_artifacts,
    compare_beside,
    compare_inputs,
    compare_members,
    hold_to_record,
    in_recorded_rows,
    read_members,
    read_numbers,
)
from elsa_groups.data.user_sets import UserSet
from elsa_groups.settings.commands import GenerateSettings, ReproduceSettings
from elsa_groups.settings.plain import flat, plain
from elsa_groups.settings.recorded import recorded_settings

if TYPE_CHECKING:
    from elsa_groups.commands.generate.drawing import Drawn
    from elsa_groups.commands.generate.population import Chosen
    from elsa_groups.commands.reproduce.verdict import Reproduction
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.record.code import Code
    from elsa_groups.tracking.load import Record
    from elsa_groups.tracking.parent import Parent
    from elsa_groups.tracking.run import RunHandle

VERDICT_FILE = "verdict.json"


def run(settings: ReproduceSettings, _: list[str]) -> None:
    """Draw recorded groups again, and end by the verdict."""
    from elsa_groups.tracking.load import open_record
    from elsa_groups.tracking.run import (
        DATASET,
        KIND,
        REPRODUCES,
        tracked_run,
        without_password,
    )

    record = open_record(settings.groups_run_id)
    name = f"reproduce {record.name}"
    with tracked_run(name, parent=record.run_id, experiment_id=record.experiment_id) as run:
        run.set_tags(
            {
                KIND: "verdict",
                REPRODUCES: record.run_id,
                DATASET: record.lineage["data"]["dataset"],
            }
        )
        run.log_params(flat(plain(settings)))
        try:
            reproduction = _draw_again(record, settings, run)
        except InputsMissing as error:
            verdict = "inputs missing"
            _log_verdict(
                run,
                record.run_id,
                verdict,
                {"verdict": verdict, "reason": without_password(str(error))},
                f"verdict: {verdict}",
            )
            raise
        _log_verdict(
            run, record.run_id, reproduction.verdict.name, reproduction.as_dict(), reproduction.text()
        )
        _conclude(reproduction, record.run_id, run.run_id, strict=settings.strict)


def _log_verdict(run: "RunHandle", groups_run: str, verdict: str, content: dict[str, Any], text: str) -> None:
    from elsa_groups.base.files import write_json
    from elsa_groups.tracking.run import VERDICT, writing_folder

    # First, since a store that is away must not cost the verdict.
    print(text, flush=True)
    run.set_tags({VERDICT: verdict})
    run.describe(f"Again: `mlflow run . -e reproduce -P groups_run_id={groups_run}`\n```\n{text[:6000]}\n```")
    with writing_folder() as folder:
        write_json(folder / VERDICT_FILE, content, indent=2)
        run.log_file(folder / VERDICT_FILE)
    print(f"verdict run: {run.run_id}", flush=True)


def _conclude(reproduction: "Reproduction", groups_run: str, verdict_run: str, *, strict: bool) -> None:
    """Raise what the exit code follows from."""
    from elsa_groups.commands.reproduce.verdict import Verdict

    if reproduction.reason is not None:
        raise Different(f"groups of run {groups_run} cannot be drawn again: {reproduction.reason}")
    if reproduction.verdict == Verdict.different:
        raise Different(
            f"groups of run {groups_run} came out different; {VERDICT_FILE} of {verdict_run} says how"
        )
    if strict and reproduction.unlike:
        names = ", ".join(difference.name for difference in reproduction.unlike)
        raise Different(f"strict: the groups of run {groups_run} are the same, but not {names}")


def _draw_again(record: "Record", settings: ReproduceSettings, run: "RunHandle") -> "Reproduction":
    """Draw the groups of a record and compare them, and all that they were drawn from, with it."""
    from elsa_groups.commands.generate.drawing import draw_all
    from elsa_groups.commands.reproduce.verdict import Reproduction, compare_lineages, judge_groups
    from elsa_groups.record.code import find_code
    from elsa_groups.tracking.parent import is_recorded, recorded_parent, stored_ids
    from elsa_groups.tracking.run import writing_folder

    code = find_code()
    # A record that is older than a setting means its default.
    lineage = record.lineage | {"settings": plain(recorded_settings(record.lineage["settings"]))}
    asked = settings_again(lineage, data_dir=settings.data_dir, path=settings.path)
    asked = replace(asked, threads=settings.threads, device=settings.device)
    check_device(asked.device)
    interactions = load_again(lineage, asked, data_dir=settings.data_dir, path=settings.path)
    n_items = lineage["data"]["n_items"], interactions.n_items
    parent = recorded_parent(record, interactions) if n_items[0] == n_items[1] else None
    with writing_folder() as folder:
        stored, again = folder / "stored", folder / "again"
        record.artifacts.download("", stored)
        beside = compare_beside(record, stored, interactions)
        if parent is None:
            reason = f"{n_items[0]:,} items were recorded, and these data have {n_items[1]:,}"
            return Reproduction((), beside + compare_inputs(lineage, asked, interactions, None), reason)
        try:
            chosen = _choose_again(asked, interactions, parent, stored)
            drawn = draw_all(asked, interactions, parent.encoder, chosen, ONE)
        except InputsMissing:
            raise
        except InputError as error:
            return Reproduction((), beside + compare_inputs(lineage, asked, interactions, parent), str(error))
        present = _write_again(again, run.run_id, asked, interactions, parent, drawn, code)
        recorded, regenerated = read_members(stored, lineage), read_members(again, present)
        if lineage["data"]["users_digest"] != present["data"]["users_digest"]:
            # The same row may be another user.
            users = stored_ids(record, "users")
            recorded_users = users if is_recorded(record, "users", users) else None
            regenerated = in_recorded_rows(regenerated, recorded_users, interactions.user_ids)
        judge = Again(asked, drawn, lineage, present)
        filtering = judge.filtering(recorded, read_numbers(stored, recorded))
        keys = judge_groups(recorded, regenerated, judge.explain, filtering)
        keys = hold_to_record(keys, lineage, regenerated)
        files = compare_members(lineage, recorded) + compare_artifacts(lineage, stored, again)
    return Reproduction(keys, beside + compare_lineages(lineage, present) + files)


def _choose_again(
    asked: GenerateSettings, interactions: "Interactions", parent: "Parent", stored: Path
) -> "Chosen":
    """Choose the recorded users, by the parent's split or by the list of ids that the run keeps."""
    from elsa_groups.commands.generate.files import USER_FILE
    from elsa_groups.commands.generate.population import choose_users

    listed = None
    if asked.user_file is not None:
        if not (stored / USER_FILE).is_file():
            raise InputsMissing(f"{USER_FILE}: the groups run no longer has the list of its users")
        listed = (stored / USER_FILE).read_bytes()
    if parent.split is None and {asked.user_set, asked.thresholds.users} - {UserSet.all, None}:
        raise InputsMissing(
            f"parent: split.json of run {parent.run_id} is gone, which says who was asked for"
        )
    return choose_users(asked, interactions, parent.split, listed)


def _write_again(
    folder: Path,
    run_id: str,
    asked: GenerateSettings,
    interactions: "Interactions",
    parent: "Parent",
    drawn: "Drawn",
    code: "Code",
) -> dict[str, Any]:
    """Write the files of a groups run, to compare them; return its lineage record."""
    from elsa_groups.commands.generate.files import Generation, write_artifacts, write_lineage

    folder.mkdir()
    generation = Generation(run_id, asked, interactions, parent, drawn, code)
    write_artifacts(folder, generation)
    return write_lineage(folder, generation)
