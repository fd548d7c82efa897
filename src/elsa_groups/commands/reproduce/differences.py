"""What else differs between a recorded groups run and the present one, or what its store holds."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from elsa_groups.base.nested import flatten
from elsa_groups.data.interactions import Interactions
from elsa_groups.record.kinds import kind_of
from elsa_groups.record.schema import Document, data_record
from elsa_groups.settings.commands import GenerateSettings
from elsa_groups.settings.plain import plain
from elsa_groups.tracking.parent import Parent

Kind = Literal["input", "meaning", "threshold", "artifact", "store", "environment"]


@dataclass(frozen=True)
class Difference:
    """An entry of the lineage record that differs.

    Attributes
    ----------
    name : str
        Dotted path in lineage.json, or what a file is.
    recorded, present : Any
        Values, None where there is none.
    kind : {"input", "meaning", "threshold", "artifact", "store", "environment"}
        ``input``: what the groups follow from; ``meaning``: a stored file by which members are read as
        other users or items than recorded, or of which nobody can read any more what they were;
        ``threshold``: what was computed on the way; ``artifact``: a file, or what is said of a group type,
        that is not what was recorded; ``store``: what MLflow's database says otherwise of the run;
        ``environment``: where and how the run was made, on which no group should depend.
    """

    name: str
    recorded: Any
    present: Any
    kind: Kind


# Of a group type: what is judged by the members themselves.
_JUDGED = ("shape", "sha256")

KINDS: tuple[Kind, ...] = ("input", "meaning", "threshold", "artifact", "store", "environment")


def compare_lineages(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[Difference, ...]:
    """List what two groups runs were made from and with, where it differs.

    Parameters
    ----------
    recorded, present : mapping
        Lineage records as by :func:`~elsa_groups.record.schema.groups_lineage`. Compared are the data, the
        users, the parent's checkpoint, settings, thresholds and environment; ids of runs, which the store
        knows, and digests of what came out, which are judged by themselves, are not.

    Returns
    -------
    tuple of Difference
        Inputs first, then thresholds, then the environment. An entry that is missing counts as null.
    """
    if "users" not in recorded:
        # Older records do not say who could be drawn, apart from the settings.
        present = {name: entry for name, entry in present.items() if name != "users"}
    unlike = _unlike(_entries(recorded), _entries(present))
    found = [Difference(name, before, now, kind_of(name)) for name, before, now in unlike]
    return tuple(sorted(found, key=lambda difference: KINDS.index(difference.kind)))


def compare_absent(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[Difference, ...]:
    """List the types that a record says there is not one group of, where that, or why, is otherwise now."""
    now = present.get("absent", {})
    return tuple(
        Difference(f"absent.{name}", reason, now.get(name), "artifact")
        for name, reason in recorded.get("absent", {}).items()
        if reason != now.get(name)
    )


def compare_types(
    recorded: Mapping[str, Mapping[str, Any]], present: Mapping[str, Mapping[str, Any]]
) -> tuple[Difference, ...]:
    """List what two records say otherwise of the same group types, but for their members.

    What an older record does not say is not compared.
    """
    return tuple(
        Difference(f"groups.{name}.{entry}", value, present[name].get(entry), "artifact")
        for name, group in recorded.items()
        for entry, value in group.items()
        if name in present and entry not in _JUDGED and value != present[name].get(entry)
    )


def compare_files(
    what: str, recorded: Mapping[str, str], present: Mapping[str, str], meanings: Collection[str] = ()
) -> tuple[Difference, ...]:
    """List the files whose digests differ on a side; those in ``meanings`` say who is who."""
    return tuple(
        Difference(f"{what} {path}", before, now, "meaning" if path in meanings and now else "artifact")
        for path, before, now in _unlike(recorded, present)
    )


def compare_copy(
    entry: str, file: str, recorded: Mapping[str, Any], copy: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """List what a file has otherwise than the entry of the lineage record that it is a copy of."""
    return tuple(
        Difference(f"{entry}.{path} in {file}", before, now, kind_of(f"{entry}.{path}"))
        for path, before, now in _unlike(flatten(recorded), flatten(copy))
    )


def compare_ids(what: str, recorded: Sequence[str], present: Sequence[str]) -> tuple[Difference, ...]:
    """Count who is on one side only; ``what`` says whether users or items.

    None is named: a record may point at a file whose contents are not for everybody who sees a verdict.
    """
    gone, new = len({*recorded} - {*present}), len({*present} - {*recorded})
    if not gone and not new:
        return ()
    return (Difference(f"data.{what} on one side only", gone, new, "input"),)


def _unlike(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield each name that has another value on either side, with both; an entry that is missing is null."""
    for name in dict.fromkeys([*recorded, *present]):
        if recorded.get(name) != present.get(name):
            yield name, recorded.get(name), present.get(name)


def _entries(lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries to compare by dotted path."""
    names = ("checkpoint_sha256", "factors", "item_order", "files")
    parent = {name: value for name, value in (lineage.get("parent") or {}).items() if name in names}
    # What was asked of the thresholds is among the settings.
    thresholds = {name: v for name, v in (lineage.get("thresholds") or {}).items() if name != "asked"}
    return flatten(
        {
            "data": lineage.get("data"),
            "users": lineage.get("users") or {},
            "parent": parent,
            "settings": lineage.get("settings"),
            "thresholds": thresholds,
            "environment": lineage.get("environment"),
        }
    )


def compare_inputs(
    lineage: Document, asked: GenerateSettings, interactions: Interactions, parent: Parent | None
) -> tuple[Difference, ...]:
    """Compare what there is with the record where no groups could be drawn."""
    present = {"data": data_record(interactions), "settings": plain(asked)}
    if parent is not None:
        present["parent"] = parent.record()
    return compare_lineages({name: lineage[name] for name in present}, present)
