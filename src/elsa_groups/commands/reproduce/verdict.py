"""Judge regenerated groups against recorded ones, and list what else differs between the two runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Literal

import numpy as np

from elsa_groups.commands.reproduce.filtering import (
    Explain,
    Filtering,
    Members,
    differing_groups,
    explain_group,
)
from elsa_groups.commands.reproduce.replay import Replay

Kind = Literal["input", "threshold", "artifact", "environment"]

# So many differing groups of a key are listed even where the first already settles the verdict.
_LISTED = 20
# So many groups, or differences of a kind, are named on the terminal; inputs that differ all are.
_PRINTED = 5
# So many users or items that only one side has are named.
_NAMED = 20


class Verdict(IntEnum):
    """How regenerated groups relate to the recorded ones, best first.

    ``identical``: the same members in the same places; ``equivalent``: every group that differs is explained
    by decisions within the tolerance of a threshold, as rounding of another machine may turn them;
    ``different``: some group is not.
    """

    identical = 0
    equivalent = 1
    different = 2


@dataclass(frozen=True)
class GroupDifference:
    """A group that came out otherwise.

    Attributes
    ----------
    group : int
        The number it was drawn by: its place in the key, where no filter is on.
    recorded, regenerated : tuple of int
        Members, rows of users.json; empty where filters kept no group of this number.
    positions : tuple of int
        Where they differ.
    replay : Replay
        Whether near decisions explain it.
    """

    group: int
    recorded: tuple[int, ...]
    regenerated: tuple[int, ...]
    positions: tuple[int, ...]
    replay: Replay

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        return asdict(self) | {
            name: list(getattr(self, name)) for name in ("recorded", "regenerated", "positions")
        }


@dataclass(frozen=True)
class KeyVerdict:
    """The verdict on the groups of one key.

    Attributes
    ----------
    key : str
        The key.
    verdict : Verdict
        The worst of its groups.
    recorded_shape, regenerated_shape : tuple of int or None
        Of the member arrays, (n_groups, size); None if the key, or a file to read it from, is missing on that
        side. Groups are compared only if these are the same, where filters are on but for how many there are.
    n_differing : int or None
        Groups that differ, all of them; None if they were not compared.
    groups : tuple of GroupDifference
        The first that differ: all of them unless the key is different, then at least 20 if there are as many.
    """

    key: str
    verdict: Verdict
    recorded_shape: tuple[int, ...] | None
    regenerated_shape: tuple[int, ...] | None
    n_differing: int | None
    groups: tuple[GroupDifference, ...] = ()

    @property
    def margin(self) -> float | None:
        """The largest margin of a decision that explains a group; None if no group is explained."""
        margins = [g.replay.margin for g in self.groups if g.replay.explained and g.replay.margin is not None]
        return max(margins, default=None)

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        return {
            "verdict": self.verdict.name,
            "recorded_shape": self.recorded_shape and list(self.recorded_shape),
            "regenerated_shape": self.regenerated_shape and list(self.regenerated_shape),
            "n_differing": self.n_differing,
            "margin": self.margin,
            "groups": [group.as_dict() for group in self.groups],
        }

    def text(self) -> str:
        """Return a line on the key, and one on each of the first groups that are not explained."""
        lines = [f"{self.key}: {self.verdict.name}, {self._reason()}"]
        unexplained = [group for group in self.groups if not group.replay.explained]
        lines += [f"  {_describe(group)}" for group in unexplained[:_PRINTED]]
        return "\n".join(lines)

    def _reason(self) -> str:
        if self.regenerated_shape is None:
            return "not regenerated"
        if self.recorded_shape is None:
            return "none stored"
        if self.n_differing is None:
            return f"recorded shape {self.recorded_shape}, regenerated {self.regenerated_shape}"
        if not self.n_differing:
            return f"{self.recorded_shape[0]:,} groups"
        reason = f"{self.n_differing:,} of {self.recorded_shape[0]:,} groups differ"
        if self.verdict == Verdict.equivalent:
            reason += f", by decisions within {self.margin:.1e} of a threshold"
        return reason


def _describe(difference: GroupDifference) -> str:
    replay = difference.replay
    recorded, regenerated = (
        list(members) or "not kept" for members in (difference.recorded, difference.regenerated)
    )
    text = f"group {difference.group}: recorded {recorded}, regenerated {regenerated}"
    if replay.refiltered:
        text += "; filters decide otherwise"
    elif replay.margin is None:
        text += f"; not found along the present draws from position {replay.position} on"
    else:
        text += f"; they part at position {replay.position}, decisions up to {replay.margin:.1e} off"
    return text if replay.complete else f"{text}; too many decisions at a threshold to try them all"


def judge_groups(
    recorded: Mapping[str, Members],
    regenerated: Mapping[str, Members],
    explain: Explain,
    filtering: Filtering | None = None,
) -> tuple[KeyVerdict, ...]:
    """Judge the groups of every key.

    Parameters
    ----------
    recorded, regenerated : mapping of str to (n_groups, size) int64
        Members by key, rows of users.json.
    explain : callable
        Given a key, the number of a group and its recorded members, returns its :class:`Replay`. For a key
        it is not asked further once it could not explain a group and 20 are listed.
    filtering : Filtering, optional
        Where filters are on: groups are compared by the numbers they were drawn by.

    Returns
    -------
    tuple of KeyVerdict
        In the order recorded; keys that were not recorded come last and are different, as are those that
        were not regenerated or have another shape. Where filters are on there may be more or fewer groups, as
        far as some turned decision explains it.
    """
    keys = dict.fromkeys([*recorded, *regenerated])
    return tuple(_judge_key(key, recorded.get(key), regenerated.get(key), explain, filtering) for key in keys)


def _judge_key(
    key: str,
    recorded: Members | None,
    regenerated: Members | None,
    explain: Explain,
    filtering: Filtering | None,
) -> KeyVerdict:
    shapes = [None if members is None else members.shape for members in (recorded, regenerated)]
    # Filters may have kept more or fewer.
    compared = slice(None if filtering is None else 1, None)
    if recorded is None or regenerated is None or recorded.shape[compared] != regenerated.shape[compared]:
        return KeyVerdict(key, Verdict.different, shapes[0], shapes[1], None)
    if np.array_equal(recorded, regenerated):
        return KeyVerdict(key, Verdict.identical, shapes[0], shapes[1], 0)
    sides = recorded, regenerated
    numbers = (np.arange(len(recorded)),) * 2
    refiltered: Mapping[int, Replay] = {}
    if filtering is not None:
        numbers = filtering.recorded[key], filtering.regenerated[key]
        refiltered = filtering.refilter(key)
    differing = differing_groups(sides, numbers, refiltered)
    groups: list[GroupDifference] = []
    verdict = Verdict.equivalent
    for number, *rows in differing:
        if verdict == Verdict.different and len(groups) >= _LISTED:
            break
        before, now = (None if row < 0 else side[row] for side, row in zip(sides, rows, strict=True))
        groups.append(_difference(key, number, before, now, explain, refiltered.get(number)))
        if not groups[-1].replay.explained:
            verdict = Verdict.different
    if len(recorded) != len(regenerated) and not any(group.replay.turned for group in groups):
        # That there are more or fewer follows from nothing.
        verdict = Verdict.different
    return KeyVerdict(key, verdict, shapes[0], shapes[1], len(differing), tuple(groups))


def _difference(
    key: str,
    number: int,
    recorded: Members | None,
    regenerated: Members | None,
    explain: Explain,
    refiltered: Replay | None,
) -> GroupDifference:
    both = recorded is not None and regenerated is not None
    return GroupDifference(
        group=number,
        recorded=() if recorded is None else tuple(recorded.tolist()),
        regenerated=() if regenerated is None else tuple(regenerated.tolist()),
        positions=tuple(np.flatnonzero(recorded != regenerated).tolist()) if both else (),
        replay=explain_group(key, number, recorded, explain, refiltered),
    )


@dataclass(frozen=True)
class Difference:
    """An entry of the lineage record that differs.

    Attributes
    ----------
    name : str
        Dotted path in lineage.json, or what a file is.
    recorded, present : Any
        Values, None where there is none.
    kind : {"input", "threshold", "artifact", "environment"}
        ``input``: what the groups follow from; ``threshold``: what was computed on the way; ``artifact``: a
        file that is not what was recorded; ``environment``: where and how the run was made, on which no
        group should depend.
    """

    name: str
    recorded: Any
    present: Any
    kind: Kind


# Settings and data entries that say where the run was made and how fast, not what was asked of it.
_PLACES = (
    "data.source.uri",
    "settings.data_dir",
    "settings.dataset.path",
    "settings.dataset.urls",
    "settings.device",
    "settings.parent",
    "settings.threads",
    "settings.user_file",
)
_KINDS: tuple[Kind, ...] = ("input", "threshold", "artifact", "environment")


def compare_lineages(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[Difference, ...]:
    """List what two groups runs were made from and with, where it differs.

    Parameters
    ----------
    recorded, present : mapping
        Lineage records as by :func:`~elsa_groups.record.schema.groups_lineage`. Compared are the data, the
        users, the digest of the parent's checkpoint, settings, thresholds and environment; ids of runs, and
        digests of what came out, are not.

    Returns
    -------
    tuple of Difference
        Inputs first, then thresholds, then the environment. An entry that is missing counts as null.
    """
    if "users" not in recorded:
        # Older records do not say who could be drawn, apart from the settings.
        present = {name: entry for name, entry in present.items() if name != "users"}
    before, now = _entries(recorded), _entries(present)
    found = [
        Difference(name, before.get(name), now.get(name), kind_of(name))
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
    return tuple(sorted(found, key=lambda difference: _KINDS.index(difference.kind)))


def compare_files(
    what: str, recorded: Mapping[str, str], present: Mapping[str, str]
) -> tuple[Difference, ...]:
    """List the files whose digests differ, by path; ``what`` says which are compared with the record."""
    return tuple(
        Difference(f"{what} {path}", recorded.get(path), present.get(path), "artifact")
        for path in dict.fromkeys([*recorded, *present])
        if recorded.get(path) != present.get(path)
    )


def compare_settings(
    what: str, recorded: Mapping[str, Any], present: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """List the settings of a lineage record that another copy of them, called ``what``, has otherwise."""
    before, now = dict(flatten(recorded)), dict(flatten(present))
    return tuple(
        Difference(f"settings.{path} in {what}", before.get(path), now.get(path), kind_of(f"settings.{path}"))
        for path in dict.fromkeys([*before, *now])
        if before.get(path) != now.get(path)
    )


def compare_ids(what: str, recorded: Sequence[str], present: Sequence[str]) -> tuple[Difference, ...]:
    """Name who is on one side only, the first 20 of each; ``what`` says whether users or items."""
    gone, new = sorted({*recorded} - {*present}), sorted({*present} - {*recorded})
    if not gone and not new:
        return ()
    return (Difference(f"data.{what} on one side only", gone[:_NAMED], new[:_NAMED], "input"),)


def _entries(lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries to compare by dotted path."""
    parent = {"checkpoint_sha256": (lineage.get("parent") or {}).get("checkpoint_sha256")}
    # What was asked of the thresholds is among the settings.
    thresholds = {name: v for name, v in (lineage.get("thresholds") or {}).items() if name != "asked"}
    return dict(
        flatten(
            {
                "data": lineage.get("data"),
                "users": lineage.get("users") or {},
                "parent": parent,
                "settings": lineage.get("settings"),
                "thresholds": thresholds,
                "environment": lineage.get("environment"),
            }
        )
    )


def flatten(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    """Yield the entries of a nested record by dotted path; lists are entries, empty mappings none."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flatten(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, list(value) if isinstance(value, tuple) else value


def kind_of(name: str) -> Kind:
    """Say what an entry of the lineage record, by its dotted path, has to do with the groups."""
    if name.startswith("thresholds."):
        return "threshold"
    is_place = any(name == place or name.startswith(f"{place}.") for place in _PLACES)
    return "environment" if is_place or name.startswith("environment.") else "input"


@dataclass(frozen=True)
class Reproduction:
    """What came of regenerating a groups run.

    Attributes
    ----------
    keys : tuple of KeyVerdict
        From :func:`judge_groups`.
    differences : tuple of Difference
        What else differs between the runs.
    reason : str or None
        Why no groups could be drawn at all, where none could.
    """

    keys: tuple[KeyVerdict, ...]
    differences: tuple[Difference, ...]
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of a key; different if no groups could be drawn."""
        if self.reason is not None:
            return Verdict.different
        return max((key.verdict for key in self.keys), default=Verdict.identical)

    @property
    def unlike(self) -> list[Difference]:
        """Inputs and files that differ, whether they changed a group or not."""
        return [difference for difference in self.differences if difference.kind in ("input", "artifact")]

    def as_dict(self) -> dict[str, Any]:
        """Return the content of verdict.json: verdict and reason, keys, and differences by kind."""
        return {
            "verdict": self.verdict.name,
            "reason": self.reason,
            "keys": {key.key: key.as_dict() for key in self.keys},
            "differences": {
                kind: {d.name: {"recorded": d.recorded, "present": d.present} for d in self._of_kind(kind)}
                for kind in _KINDS
            },
        }

    def text(self) -> str:
        """Return the verdict for the terminal: keys, differences of each kind, and the verdict last."""
        lines = [self.reason] if self.reason is not None else [key.text() for key in self.keys]
        for kind in _KINDS:
            found = self._of_kind(kind)
            printed = len(found) if kind == "input" else _PRINTED
            lines += [
                f"{d.name}: recorded {d.recorded}, present {d.present} ({kind})" for d in found[:printed]
            ]
            if len(found) > printed:
                lines.append(f"{len(found) - printed} more differ ({kind})")
        return "\n".join([*lines, f"verdict: {self.verdict.name}"])

    def _of_kind(self, kind: Kind) -> list[Difference]:
        return [difference for difference in self.differences if difference.kind == kind]
