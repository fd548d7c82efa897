"""What was recorded of a groups run beside what its store holds, and beside what was drawn again."""

import json
import tokenize
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elsa_groups.settings.commands import GenerateSettings
from elsa_groups.settings.plain import plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from elsa_groups.commands.generate.drawing import Drawn
    from elsa_groups.commands.reproduce.filtering import Filtering
    from elsa_groups.commands.reproduce.replay import Replay
    from elsa_groups.commands.reproduce.verdict import Difference, KeyVerdict
    from elsa_groups.data.interactions import Interactions
    from elsa_groups.groups.family import Family
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


def read_numbers(folder: Path, members: "dict[str, NDArray[np.int64]]") -> "dict[str, NDArray[np.int64]]":
    """Return the numbers that the groups were drawn by; their places where no file tells of others."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {}
    for key, array in members.items():
        numbers[key] = np.arange(len(array))
        try:
            column = pq.read_table(folder / "groups" / f"{key}.parquet", columns=["number"])["number"]
            read = column.to_numpy()[:: array.shape[1]].astype(np.int64)
        except (OSError, pa.ArrowException, KeyError, ValueError):
            continue
        if len(read) == len(array) and (np.diff(read, prepend=-1) > 0).all():
            numbers[key] = read
    return numbers


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

    from elsa_groups.commands.reproduce.verdict import compare_files, compare_ids, compare_settings
    from elsa_groups.data.interactions import order_digest
    from elsa_groups.record.schema import CONFIG
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
    lineage: dict[str, Any], asked: GenerateSettings, interactions: "Interactions", parent: "Parent | None"
) -> "tuple[Difference, ...]":
    """Compare what there is with the record where no groups could be drawn."""
    from elsa_groups.commands.reproduce.verdict import compare_lineages
    from elsa_groups.record.schema import data_record

    present = {"data": data_record(interactions), "settings": plain(asked)}
    if parent is not None:
        present["parent"] = {"checkpoint_sha256": parent.checkpoint_sha256}
    return compare_lineages({name: lineage[name] for name in present}, present)


def hold_to_record(
    keys: "tuple[KeyVerdict, ...]", lineage: dict[str, Any], regenerated: "dict[str, NDArray[np.int64]]"
) -> "tuple[KeyVerdict, ...]":
    """Call keys different whose members are those of the stored file, but not those that were recorded."""
    from elsa_groups.base.digests import array_digest
    from elsa_groups.commands.reproduce.verdict import Verdict

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
    from elsa_groups.base.digests import array_digest
    from elsa_groups.commands.reproduce.verdict import compare_files

    recorded = {f"members of {key}": lineage["groups"][key]["sha256"] for key in lineage["groups"]}
    present = {f"members of {key}": array_digest(members) for key, members in stored.items()}
    return compare_files("stored", recorded, present)


@dataclass(frozen=True)
class Again:
    """How recorded groups are judged among the users as they are now.

    Attributes
    ----------
    asked : GenerateSettings
        Settings of the record, completed.
    drawn : Drawn
        What came of them now.
    recorded, present : dict
        Lineage records.
    """

    asked: GenerateSettings
    drawn: "Drawn"
    recorded: dict[str, Any]
    present: dict[str, Any]

    def explain(self, key: str, group: int, members: "NDArray[np.int64]") -> "Replay":
        """Replay the draws of a recorded group."""
        from elsa_groups.commands.reproduce.replay import replay_group

        family, sizes = self._keys[key]
        return replay_group(
            self.drawn.population.users,
            family,
            sizes,
            group,
            self._present_rows(members),
            n_given=sizes[0] if family.paired_with else 0,
            **self._law,
        )

    def filtering(
        self, stored: "dict[str, NDArray[np.int64]]", numbers: "dict[str, NDArray[np.int64]]"
    ) -> "Filtering | None":
        """Say how to judge recorded members, drawn by these numbers, by filters; None if all are off."""
        from elsa_groups.commands.reproduce.filtering import Filtering
        from elsa_groups.commands.reproduce.refilter import refilter
        from elsa_groups.groups.family import find_partners
        from elsa_groups.groups.groups import first_subgroups

        filters = self.asked.filters
        if not filters.on:
            return None

        partners = find_partners(list(self.asked.families.values()))
        groups = {result.groups.key: result.groups.members for result in self.drawn.results}

        def decide(key: str) -> "dict[int, Replay]":
            return refilter(
                self.drawn.population.users,
                *self._keys[key],
                numbers[key],
                self._present_rows(stored[key]),
                filters=filters,
                lookup=self.drawn.lookup,
                given=first_subgroups(partners.get(key), groups, self._keys[key][1]),
                threads=self.drawn.runtime.threads,
                **self._law,
            )

        drawn_by = {result.groups.key: result.groups.numbers for result in self.drawn.results}
        return Filtering(numbers, drawn_by, decide)

    @property
    def _keys(self) -> "dict[str, tuple[Family, tuple[int, ...]]]":
        families = list(self.asked.families.values())
        return {family.key(sizes): (family, sizes) for family in families for sizes in family.compositions}

    @property
    def _law(self) -> dict[str, Any]:
        return {
            **self.drawn.thresholds.limits._asdict(),
            "seed": self.asked.seed,
            **vars(self.asked.sampling),
        }

    def _present_rows(self, members: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Return rows of the embeddings for recorded rows of users, -1 where there is none."""
        import numpy as np

        place = np.full(self.present["data"]["n_users"], -1)
        # Rows of other users name nobody here.
        if self.recorded["data"]["users_digest"] == self.present["data"]["users_digest"]:
            place[self.drawn.embeddings.rows] = np.arange(len(self.drawn.embeddings.rows))
        known = (members >= 0) & (members < len(place))
        return np.where(known, place[np.where(known, members, 0)], -1)


def compare_artifacts(lineage: dict[str, Any], stored: Path, again: Path) -> "tuple[Difference, ...]":
    """Compare the files in the store, and those made again, with the digests that were recorded."""
    from elsa_groups.base.digests import folder_digests
    from elsa_groups.commands.generate.files import CODE_DIFF, CONFIG, REPORT
    from elsa_groups.commands.reproduce.verdict import Difference, compare_files
    from elsa_groups.record.schema import LINEAGE

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
