"""Draw a recorded run's groups again from its record alone, and say whether they are the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from elsa_groups.cli import schema
from elsa_groups.cli.arguments import conf_dir
from elsa_groups.cli.generate import check_settings
from elsa_groups.cli.judging import (
    compare_artifacts,
    compare_beside,
    compare_inputs,
    compare_members,
    explain_by,
    hold_to_record,
    in_recorded_rows,
    read_members,
)
from elsa_groups.cli.lifecycle import run_entry_point
from elsa_groups.errors import Different, InputError, InputsMissing
from elsa_groups.similarity.ranks import ONE

if TYPE_CHECKING:
    from elsa_groups.cli.drawing import Drawn
    from elsa_groups.cli.population import Chosen
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.record.code import Code
    from elsa_groups.record.verdict import Reproduction
    from elsa_groups.tracking.load import Record
    from elsa_groups.tracking.parent import Parent
    from elsa_groups.tracking.run import RunHandle

VERDICT_FILE = "verdict.json"


def main() -> None:
    """Entry point ``reproduce``."""
    run_entry_point("reproduce", _reproduce)


def _reproduce(settings: dict[str, Any], _: list[str]) -> None:
    from elsa_groups.tracking.load import open_record
    from elsa_groups.tracking.run import (
        DATASET,
        KIND,
        REPRODUCES,
        check_store,
        tracked_run,
        without_password,
    )

    check_store()
    record = open_record(settings["groups_run_id"])
    name = f"reproduce {record.name}"
    with tracked_run(name, parent=record.run_id, experiment_id=record.experiment_id) as run:
        run.set_tags(
            {
                KIND: "verdict",
                REPRODUCES: record.run_id,
                DATASET: record.lineage["data"]["dataset"],
            }
        )
        run.log_params(schema.as_params(settings))
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
        _conclude(reproduction, record.run_id, run.run_id, strict=settings["strict"])


def _log_verdict(run: "RunHandle", groups_run: str, verdict: str, content: dict[str, Any], text: str) -> None:
    from elsa_groups.record.files import write_json
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
    from elsa_groups.record.verdict import Verdict

    if reproduction.reason is not None:
        raise Different(f"groups of run {groups_run} cannot be drawn again: {reproduction.reason}")
    if reproduction.verdict == Verdict.different:
        raise Different(
            f"groups of run {groups_run} came out different; {VERDICT_FILE} of {verdict_run} says how"
        )
    if strict and reproduction.unlike:
        names = ", ".join(difference.name for difference in reproduction.unlike)
        raise Different(f"strict: the groups of run {groups_run} are the same, but not {names}")


def _draw_again(record: "Record", settings: dict[str, Any], run: "RunHandle") -> "Reproduction":
    """Draw the groups of a record and compare them, and all that they were drawn from, with it."""
    from elsa_groups.cli.drawing import draw_all
    from elsa_groups.record.code import find_code
    from elsa_groups.record.verdict import Reproduction, compare_lineages, judge_groups
    from elsa_groups.tracking.parent import is_recorded, recorded_parent, stored_ids
    from elsa_groups.tracking.run import writing_folder

    code = find_code()
    # A record that is older than a setting means its default.
    lineage = record.lineage | {"settings": schema.complete_recorded(record.lineage["settings"])}
    asked = _settings_again(lineage, settings)
    check_settings(asked)
    interactions = _load_again(lineage, asked, settings)
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
        keys = judge_groups(recorded, regenerated, explain_by(asked, drawn, lineage, present))
        keys = hold_to_record(keys, lineage, regenerated)
        files = compare_members(lineage, recorded) + compare_artifacts(lineage, stored, again)
    return Reproduction(keys, beside + compare_lineages(lineage, present) + files)


def _choose_again(
    asked: dict[str, Any], interactions: "Interactions", parent: "Parent", stored: Path
) -> "Chosen":
    """Choose the recorded users, by the parent's split or by the list of ids that the run keeps."""
    from elsa_groups.cli.population import choose_users
    from elsa_groups.cli.writing import USER_FILE

    listed = None
    if asked["user_file"] is not None:
        if not (stored / USER_FILE).is_file():
            raise InputsMissing(f"{USER_FILE}: the groups run no longer has the list of its users")
        listed = (stored / USER_FILE).read_bytes()
    if parent.split is None and {asked["user_set"], asked["thresholds"]["users"]} - {"all", None}:
        raise InputsMissing(
            f"parent: split.json of run {parent.run_id} is gone, which says who was asked for"
        )
    return choose_users(asked, interactions, parent.split, listed)


def _settings_again(lineage: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the recorded settings, with the places and means that were given for this machine."""
    asked = schema.complete_recorded(lineage["settings"])
    asked |= {name: settings[name] for name in ("threads", "device")}
    if settings["data_dir"] is not None:
        asked["data_dir"] = settings["data_dir"]
    if settings["path"] is not None:
        asked["dataset"]["path"] = settings["path"]
    if asked["dataset"].get("urls"):
        # Whoever made the record must not choose what is fetched here.
        published = yaml.safe_load(
            (conf_dir() / "dataset" / f"{asked['dataset']['name']}.yaml").read_text("utf-8")
        )
        asked["dataset"]["urls"] = published["urls"]
    return asked


def _load_again(lineage: dict[str, Any], asked: dict[str, Any], settings: dict[str, Any]) -> "Interactions":
    """Load the data from the place given, or else from the very file that was recorded, if it is there."""
    from elsa_groups.cli.inputs import load_interactions

    places = asked
    if "path" in asked["dataset"] and settings["path"] is None:
        places = asked | _find_file(Path(lineage["data"]["source"]["uri"]), asked, settings["data_dir"])
    try:
        return load_interactions(places)
    except InputError as error:
        raise InputsMissing(f"{error} (or say where the data are: data_dir=..., path=...)") from error


def _find_file(file: Path, asked: dict[str, Any], data_dir: str | None) -> dict[str, Any]:
    """Return the settings by which a recorded file is found again."""
    dataset = asked["dataset"]
    if data_dir is not None:
        root = Path(data_dir).expanduser()
        there = [place for place in (root / dataset["name"] / file.name, root / file.name) if place.is_file()]
        # Without it there, what the dataset looks for by itself.
        return {"dataset": dataset | {"path": str(there[0]) if there else None}}
    if not file.is_file():
        return {}
    # A relative data_dir was that of another working folder; filtered pairs are kept there.
    roots = [folder.parent for folder in file.parents if folder.name == dataset["name"]]
    return {
        "dataset": dataset | {"path": str(file)},
        "data_dir": str(roots[0]) if roots else asked["data_dir"],
    }


def _write_again(
    folder: Path,
    run_id: str,
    asked: dict[str, Any],
    interactions: "Interactions",
    parent: "Parent",
    drawn: "Drawn",
    code: "Code",
) -> dict[str, Any]:
    """Write the files of a groups run, to compare them; return its lineage record."""
    from elsa_groups.cli.writing import write_artifacts, write_lineage

    folder.mkdir()
    write_artifacts(folder, run_id, asked, interactions, parent, drawn, code)
    return write_lineage(folder, run_id, asked, interactions, parent, drawn, code, None)


if __name__ == "__main__":
    main()
