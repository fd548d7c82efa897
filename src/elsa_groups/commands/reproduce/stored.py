"""What the files of a groups run, and MLflow's database, say otherwise than its record."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from elsa_groups.base.digests import folder_digests
from elsa_groups.base.errors import InputError
from elsa_groups.base.files import read_json, read_yaml
from elsa_groups.base.nested import flatten
from elsa_groups.commands.generate.files import PAPER, REPORT
from elsa_groups.commands.reproduce.differences import Difference, compare_copy, compare_files, compare_ids
from elsa_groups.data.interactions import Interactions, order_digest
from elsa_groups.record.group_files import NO_TABLE, ids_of, read_columns
from elsa_groups.record.schema import CODE_DIFF, CONFIG, LINEAGE, THRESHOLDS, Document
from elsa_groups.report.tables import table_rows
from elsa_groups.tracking.load import Record
from elsa_groups.tracking.parent import CHECKPOINT
from elsa_groups.tracking.recorded_parent import is_recorded, read_ids

_SUMMARY = "groups/summary.json"
# Files that say by which rule groups were drawn, and what came of it.
_READ: Mapping[str, Callable[[Path], Any]] = {
    CONFIG: read_yaml,
    THRESHOLDS: read_json,
    _SUMMARY: read_json,
}


def compare_beside(record: Record, stored: Path, interactions: Interactions) -> tuple[Difference, ...]:
    """Compare what the record tells of settings and data with what else the store has of them."""
    found = _compare_order(record, "users", interactions.user_ids)
    found += _compare_order(record, "items", interactions.item_ids)
    for name, entry in ((CONFIG, "settings"), (THRESHOLDS, "thresholds")):
        copy = _read(stored, name)
        # A file that is not there is among the artifacts that differ.
        if isinstance(copy, dict):
            found += compare_copy(entry, name, record.lineage[entry], copy)
    unreadable = tuple(
        Difference(f"content of {name}", "to be read", "not readable", "meaning")
        for name in _READ
        if (stored / name).is_file() and not isinstance(_read(stored, name), dict)
    )
    return found + unreadable + _compare_within(record.lineage) + _compare_store(record)


def _read(folder: Path, name: str) -> Any:
    """Return what a file holds, None where it cannot be read."""
    try:
        return _READ[name](folder / name)
    except (OSError, ValueError):
        return None


def _compare_order(record: Record, what: str, ids: tuple[str, ...]) -> tuple[Difference, ...]:
    """Compare the ids that the store has with those of the record, and with those of the data."""
    name, recorded = f"order of {what}.json", record.lineage["data"][f"{what}_digest"]
    try:
        stored_now = read_ids(record, what)
    except InputError as error:
        # Not what is in it: its run, and that it is not there, or why it cannot be read.
        return (Difference(f"stored {name}", recorded, str(error), "meaning"),)
    if stored_now is None:
        return ()
    if is_recorded(record, what, stored_now):
        return compare_ids(what, stored_now, ids)
    return compare_files("stored", {name: recorded}, {name: order_digest(stored_now)}, {name})


def _compare_within(lineage: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Compare what a record says twice: what was asked of the thresholds, and which copy it keeps."""
    asked = flatten(lineage["thresholds"]["asked"])
    settings = flatten(lineage["settings"]["thresholds"])
    copy = f"parent/{CHECKPOINT}"
    kept = copy if copy in lineage["artifacts"] else None
    pinned = lineage["parent"]["pinned"]
    return (
        *(
            Difference(f"thresholds.asked.{name}", value, settings.get(name), "threshold")
            for name, value in asked.items()
            if value != settings.get(name)
        ),
        *((Difference("parent.pinned", pinned, kept, "artifact"),) if pinned != kept else ()),
    )


def _compare_store(record: Record) -> tuple[Difference, ...]:
    """List what MLflow's database says otherwise than the record."""
    return tuple(
        Difference(f"{found.name} in MLflow", found.recorded, found.logged, "store")
        for found in record.contradictions
    )


def compare_artifacts(lineage: Document, stored: Path, again: Path) -> tuple[Difference, ...]:
    """Compare the files in the store, and those made again, with the digests that were recorded."""
    recorded = lineage["artifacts"]
    there = folder_digests(stored)
    del there[LINEAGE]
    # Settings and code are compared by themselves, copies of the parent's files too; the summary holds times,
    # and the report and the text for a paper name their run.
    new = folder_digests(again)
    others = {CONFIG, CODE_DIFF, LINEAGE, _SUMMARY, REPORT}
    others |= {path for path in (*recorded, *new) if path.startswith(("parent/", f"{PAPER}/"))}
    made = {path: digest for path, digest in new.items() if path not in others}
    made |= {path: digest for path, digest in recorded.items() if path in others}
    if _summary(stored) != _summary(again):
        made[_SUMMARY] = new[_SUMMARY]
    before, now = recorded.get(CODE_DIFF), new.get(CODE_DIFF)
    other_code = (Difference(CODE_DIFF, before, now, "environment"),) if before != now else ()
    meanings = {f"groups/{key}{end}" for key in lineage["groups"] for end in ("_ids.npy", ".parquet")}
    return (
        compare_files("stored", recorded, there, meanings)
        + _compare_members(lineage, there, stored, again)
        + compare_files("made again", recorded, made, {path for path in meanings if path.endswith(".npy")})
        + other_code
    )


def _compare_members(
    lineage: Document, there: Mapping[str, str], stored: Path, again: Path
) -> tuple[Difference, ...]:
    """Compare who the members are by the stored tables with who they are by those made again.

    Tables that are not the recorded ones are named without it.
    """
    found = []
    for key in lineage["groups"]:
        name = f"groups/{key}.parquet"
        if there.get(name) != lineage["artifacts"].get(name) or not (again / name).is_file():
            continue
        made = _ids_in(again / name, pq.read_metadata(again / name).num_rows)
        now = _ids_in(stored / name, len(made)) if made is not None and name in there else None
        if made is not None and (now is None or not np.array_equal(made, now)):
            present = None if now is None else order_digest(now.tolist())
            found.append(Difference(f"ids in {name}", order_digest(made.tolist()), present, "meaning"))
    return tuple(found)


def _ids_in(table: Path, n_rows: int) -> NDArray[np.str_] | None:
    """Return the ids in a table of groups, None where they cannot be read."""
    try:
        return ids_of(read_columns(table, ["user_id"], n_rows))
    except NO_TABLE:
        return None


def _summary(folder: Path) -> Any:
    """Return the rows of a summary but for what drawing took, which no two runs share."""
    try:
        rows = table_rows(_read(folder, _SUMMARY))
    except (ValueError, KeyError, TypeError):
        return None
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
