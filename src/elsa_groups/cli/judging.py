"""What was recorded of a groups run beside what its store holds, and beside what was drawn again."""

import json
import tokenize
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elsa_groups.cli import schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from elsa_groups.cli.drawing import Drawn
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.groups.replay import Replay
    from elsa_groups.record.verdict import Difference, Explain, KeyVerdict
    from elsa_groups.tracking.load import Record
    from elsa_groups.tracking.parent import Parent

_SUMMARY = "groups/summary.json"


def read_members(folder: Path, lineage: dict[str, Any]) -> "dict[str, NDArray[np.int64]]":
    """Return the member arrays that are there and readable."""
    import numpy as np

    members = {}
    for key in lineage["groups"]:
        try:
            with (folder / "groups" / f"{key}.npy").open("rb") as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError, SyntaxError, tokenize.TokenError):
            # numpy parses a header as Python would.
            continue
        if array.ndim == 2 and array.dtype.kind in "iu":
            members[key] = array.astype(np.int64)
    return members


def in_recorded_rows(
    members: "dict[str, NDArray[np.int64]]",
    recorded_ids: tuple[str, ...] | None,
    present_ids: tuple[str, ...],
) -> "dict[str, NDArray[np.int64]]":
    """Return member arrays with each user's recorded row, and negative numbers for users without one."""
    import numpy as np

    row_of = {user: row for row, user in enumerate(recorded_ids or ())}
    rows = np.array([row_of.get(user, -1 - row) for row, user in enumerate(present_ids)])
    return {key: rows[array] for key, array in members.items()}


def compare_beside(record: "Record", stored: Path, interactions: "Interactions") -> "tuple[Difference, ...]":
    """Compare what the record tells of settings and data with what else the store has of them."""
    import yaml

    from elsa_groups.cli.writing import CONFIG
    from elsa_groups.data.interactions import order_digest
    from elsa_groups.record.verdict import compare_files, compare_ids, compare_settings
    from elsa_groups.tracking.parent import is_recorded, stored_ids

    found: tuple[Difference, ...] = ()
    for what, ids in (("users", interactions.user_ids), ("items", interactions.item_ids)):
        if (stored_now := stored_ids(record, what)) is None:
            continue
        if is_recorded(record, what, stored_now):
            found += compare_ids(what, stored_now, ids)
        else:
            name = f"order of {what}.json"
            digests = record.lineage["data"][f"{what}_digest"], order_digest(stored_now)
            found += compare_files("stored", *({name: digest} for digest in digests))
    try:
        config = yaml.safe_load((stored / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        config = None
    # A file that is not there, or tells of no settings, is among the artifacts that differ.
    return found + (
        compare_settings(CONFIG, record.lineage["settings"], config) if isinstance(config, dict) else ()
    )


def compare_inputs(
    lineage: dict[str, Any], asked: dict[str, Any], interactions: "Interactions", parent: "Parent | None"
) -> "tuple[Difference, ...]":
    """Compare what there is with the record where no groups could be drawn."""
    from elsa_groups.record.schema import data_record
    from elsa_groups.record.verdict import compare_lineages

    present = {"data": data_record(interactions), "settings": asked}
    if parent is not None:
        present["parent"] = {"checkpoint_sha256": parent.checkpoint_sha256}
    return compare_lineages({name: lineage[name] for name in present}, present)


def hold_to_record(
    keys: "tuple[KeyVerdict, ...]", lineage: dict[str, Any], regenerated: "dict[str, NDArray[np.int64]]"
) -> "tuple[KeyVerdict, ...]":
    """Call keys different whose members are those of the stored file, but not those that were recorded."""
    from elsa_groups.record.digests import array_digest
    from elsa_groups.record.verdict import Verdict

    return tuple(
        replace(key, verdict=Verdict.different)
        if key.verdict == Verdict.identical
        and array_digest(regenerated[key.key]) != lineage["groups"][key.key]["sha256"]
        else key
        for key in keys
    )


def compare_members(
    lineage: dict[str, Any], stored: "dict[str, NDArray[np.int64]]"
) -> "tuple[Difference, ...]":
    """Compare the stored member arrays with the digests that were recorded of them."""
    from elsa_groups.record.digests import array_digest
    from elsa_groups.record.verdict import compare_files

    recorded = {f"members of {key}": lineage["groups"][key]["sha256"] for key in lineage["groups"]}
    present = {f"members of {key}": array_digest(members) for key, members in stored.items()}
    return compare_files("stored", recorded, present)


def explain_by(
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
        family, sizes = keys[key]
        known = (members >= 0) & (members < len(place))
        return replay_group(
            drawn.population.users,
            family,
            sizes,
            group,
            np.where(known, place[np.where(known, members, 0)], -1),
            **drawn.thresholds.limits,
            seed=asked["seed"],
            n_given=sizes[0] if family.paired_with else 0,
            **asked["sampling"],
        )

    return explain


def compare_artifacts(lineage: dict[str, Any], stored: Path, again: Path) -> "tuple[Difference, ...]":
    """Compare the files in the store, and those made again, with the digests that were recorded."""
    from elsa_groups.cli.writing import CODE_DIFF, CONFIG, REPORT
    from elsa_groups.record.digests import folder_digests
    from elsa_groups.record.schema import LINEAGE
    from elsa_groups.record.verdict import Difference, compare_files

    recorded = lineage["artifacts"]
    there = folder_digests(stored)
    del there[LINEAGE]
    # Settings and code are compared by themselves, copies of the parent's files too; the summary holds times,
    # and the report names its run.
    pinned = [path for path in recorded if path.startswith("parent/")]
    others = (CONFIG, CODE_DIFF, LINEAGE, *pinned, _SUMMARY, REPORT)
    made = {path: digest for path, digest in folder_digests(again).items() if path not in others}
    made |= {path: digest for path, digest in recorded.items() if path in others}
    if _summary(stored) != _summary(again):
        made[_SUMMARY] = folder_digests(again)[_SUMMARY]
    before, now = recorded.get(CODE_DIFF), folder_digests(again).get(CODE_DIFF)
    other_code = (Difference(CODE_DIFF, before, now, "environment"),) if before != now else ()
    return compare_files("stored", recorded, there) + compare_files("made again", recorded, made) + other_code


def _summary(folder: Path) -> Any:
    """Return the rows of a summary but for what drawing took, which no two runs share."""
    try:
        table = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
