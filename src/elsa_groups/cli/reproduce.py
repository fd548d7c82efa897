"""Draw a recorded run's groups again from its record alone, and say whether they are the same."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elsa_groups.cli import schema
from elsa_groups.cli.lifecycle import run_entry_point
from elsa_groups.errors import Different, InputError, InputsMissing
from elsa_groups.similarity.ranks import ONE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from elsa_groups.cli.drawing import Drawn
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.groups.replay import Replay
    from elsa_groups.record.verdict import Difference, Explain, Reproduction
    from elsa_groups.tracking.load import Record
    from elsa_groups.tracking.run import RunHandle

VERDICT = "verdict.json"
_SUMMARY = "groups/summary.json"


def main() -> None:
    """Entry point ``reproduce``."""
    run_entry_point("reproduce", _reproduce)


def _reproduce(settings: dict[str, Any], _: list[str]) -> None:
    from elsa_groups.tracking.load import open_record
    from elsa_groups.tracking.run import check_store, tracked_run

    check_store()
    record = open_record(settings["groups_run_id"])
    name = f"reproduce {record.name}"
    with tracked_run(name, parent=record.run_id, experiment_id=record.experiment_id) as run:
        run.set_tags(
            {
                "elsa_groups.kind": "verdict",
                "elsa_groups.reproduces": record.run_id,
                "elsa_groups.dataset": record.lineage["data"]["dataset"],
            }
        )
        run.log_params(schema.as_params(settings))
        try:
            reproduction = _draw_again(record, settings, run)
        except InputError as error:
            verdict = "inputs missing" if isinstance(error, InputsMissing) else "different"
            _log_verdict(run, verdict, {"verdict": verdict, "reason": str(error)}, f"verdict: {verdict}")
            raise
        verdict = reproduction.verdict.name
        _log_verdict(run, verdict, reproduction.as_dict(), reproduction.text())
        _conclude(reproduction, record.run_id, run.run_id, strict=settings["strict"])


def _log_verdict(run: "RunHandle", verdict: str, content: dict[str, Any], text: str) -> None:
    from elsa_groups.record.files import write_json
    from elsa_groups.tracking.run import writing_folder

    run.set_tags({"elsa_groups.verdict": verdict})
    run.describe(f"```\n{text}\n```")
    with writing_folder() as folder:
        write_json(folder / VERDICT, content, indent=2)
        run.log_file(folder / VERDICT)
    print(text)
    print(f"verdict run: {run.run_id}", flush=True)


def _conclude(reproduction: "Reproduction", groups_run: str, verdict_run: str, *, strict: bool) -> None:
    """Raise what the exit code follows from."""
    from elsa_groups.record.verdict import Verdict

    if reproduction.verdict == Verdict.different:
        raise Different(f"groups of run {groups_run} came out different; {VERDICT} of {verdict_run} says how")
    if strict and reproduction.unlike:
        names = ", ".join(difference.name for difference in reproduction.unlike)
        raise Different(f"strict: the groups of run {groups_run} are the same, but not {names}")


def _draw_again(record: "Record", settings: dict[str, Any], run: "RunHandle") -> "Reproduction":
    """Draw the groups of a record and compare them, and all that they were drawn from, with it."""
    from elsa_groups.cli.drawing import draw_all
    from elsa_groups.cli.writing import write_artifacts, write_lineage
    from elsa_groups.record.code import find_code
    from elsa_groups.record.verdict import Reproduction, compare_lineages, judge_groups
    from elsa_groups.tracking.parent import recorded_parent
    from elsa_groups.tracking.run import writing_folder

    asked = _settings_again(record.lineage, settings)
    interactions = _load_again(record.lineage, asked)
    parent = recorded_parent(record, interactions)
    code = find_code()
    with writing_folder() as folder:
        stored, again = folder / "stored", folder / "again"
        record.artifacts.download("", stored)
        drawn = draw_all(asked, interactions, parent.encoder, ONE)
        again.mkdir()
        write_artifacts(again, asked, interactions, parent, drawn, code)
        present = write_lineage(again, run.run_id, asked, interactions, parent, drawn, code, None)
        recorded, regenerated = (_members(place, record.lineage) for place in (stored, again))
        keys = judge_groups(recorded, regenerated, _explain_by(asked, drawn, record.lineage, present))
        differences = compare_lineages(record.lineage, present) + _compare_files(
            record.lineage, stored, again
        )
    return Reproduction(keys, differences)


def _settings_again(lineage: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the recorded settings, with the places and means of this machine."""
    asked: dict[str, Any] = json.loads(json.dumps(lineage["settings"]))
    asked |= {name: settings[name] for name in ("threads", "device")}
    asked["pin"] = False
    if settings["data_dir"] is not None:
        asked["data_dir"] = settings["data_dir"]
    if "path" in asked["dataset"]:
        file = Path(lineage["data"]["source"]["uri"])
        if settings["path"] is not None:
            asked["dataset"]["path"] = settings["path"]
        elif settings["data_dir"] is None and file.is_file():
            asked["dataset"]["path"] = str(file)
    return asked


def _load_again(lineage: dict[str, Any], asked: dict[str, Any]) -> "Interactions":
    from elsa_groups.cli.inputs import load_interactions

    try:
        interactions = load_interactions(asked)
    except InputError as error:
        raise InputsMissing(f"{error} (or say where the data are: data_dir=..., path=...)") from error
    recorded = lineage["data"]
    if interactions.n_items != recorded["n_items"]:
        raise Different(
            f"data: {recorded['n_items']:,} items were recorded, from a file with sha256"
            f" {recorded['source']['sha256']}, and these have {interactions.n_items:,}, from one with"
            f" {interactions.source.sha256}; give the file that the groups were drawn from"
        )
    return interactions


def _members(folder: Path, lineage: dict[str, Any]) -> "dict[str, NDArray[np.int64]]":
    """Return the member arrays that are there and readable."""
    import numpy as np

    members = {}
    for key in lineage["groups"]:
        try:
            members[key] = np.load(folder / "groups" / f"{key}.npy", allow_pickle=False)
        except (OSError, ValueError):
            continue
    return members


def _explain_by(
    asked: dict[str, Any], drawn: "Drawn", recorded: dict[str, Any], present: dict[str, Any]
) -> "Explain":
    """Return what replays a recorded group among the users as they are now."""
    import numpy as np

    from elsa_groups.groups.replay import replay_group

    rows = drawn.embeddings.rows
    place = np.full(present["data"]["n_users"], -1)
    # Rows of other users name nobody here.
    if recorded["data"]["users_digest"] == present["data"]["users_digest"]:
        place[rows] = np.arange(len(rows))
    keys = {
        family.key(sizes): (family, sizes)
        for family in schema.families_of(asked)
        for sizes in family.compositions
    }

    def explain(key: str, group: int, members: "NDArray[np.int64]") -> "Replay":
        known = (members >= 0) & (members < len(place))
        return replay_group(
            drawn.embeddings.vectors,
            *keys[key],
            group,
            np.where(known, place[np.where(known, members, 0)], -1),
            similar=drawn.thresholds.similar,
            divergent=drawn.thresholds.divergent,
            seed=asked["seed"],
            **asked["sampling"],
        )

    return explain


def _compare_files(lineage: dict[str, Any], stored: Path, again: Path) -> "tuple[Difference, ...]":
    """Compare the files in the store, and those made again, with the digests that were recorded."""
    from elsa_groups.cli.writing import CODE_DIFF, CONFIG
    from elsa_groups.record.digests import folder_digests
    from elsa_groups.record.schema import LINEAGE
    from elsa_groups.record.verdict import compare_files

    recorded = lineage["artifacts"]
    there = folder_digests(stored)
    del there[LINEAGE]
    # Settings and code are compared by themselves, a copy of the checkpoint too, and the summary holds times.
    others = (CONFIG, CODE_DIFF, LINEAGE, lineage["parent"]["pinned"], _SUMMARY)
    made = {path: digest for path, digest in folder_digests(again).items() if path not in others}
    made |= {path: digest for path, digest in recorded.items() if path in others}
    if _summary(stored) != _summary(again):
        made[_SUMMARY] = folder_digests(again)[_SUMMARY]
    return compare_files("stored", recorded, there) + compare_files("made again", recorded, made)


def _summary(folder: Path) -> Any:
    """Return the rows of a summary but for what drawing took, which no two runs share."""
    try:
        table = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


if __name__ == "__main__":
    main()
