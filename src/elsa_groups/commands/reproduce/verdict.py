"""Judge the groups of a record: the stored ones and those drawn again, each by the recorded digest.

verdict.json holds ``verdict``, ``reason`` (why no groups could be drawn, or null), ``group_types`` (by name:
verdict, faults, recorded, stored and regenerated shape, number of groups that differ, the first 20 of them
with the position where they part, both candidates there and their distances to the limit) and
``differences`` (by kind and name: recorded and present value).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.digests import array_digest
from elsa_groups.commands.reproduce.differences import KINDS, Difference

Members = NDArray[np.int64]
# Given a group type's name, recorded rows of users and a position: how far the user there is from the limit.
Distance = Callable[[str, Members, int], float | None]

# So many groups of a type are listed; all are counted.
_LISTED = 20
# So many groups, or differences of a kind, are named on the terminal; inputs and meanings all are.
_PRINTED = 5


class Verdict(StrEnum):
    """What came of drawing recorded groups again."""

    identical = "identical"
    different = "different"
    inputs_missing = "inputs missing"


@dataclass(frozen=True)
class GroupDifference:
    """A group whose stored members are not those drawn again.

    Attributes
    ----------
    group : int
        Its place among the groups of its type.
    stored, regenerated : tuple of int
        Members in the file and as drawn again, by recorded row; negative for users who have none.
    position : int
        The first position where they part.
    stored_distance, regenerated_distance : float or None
        By how much the similarity of the user there is above the limit that decides, below it if negative;
        see :func:`~elsa_groups.commands.reproduce.distance.distance_to_limit`.
    """

    group: int
    stored: tuple[int, ...]
    regenerated: tuple[int, ...]
    position: int
    stored_distance: float | None
    regenerated_distance: float | None

    def text(self) -> str:
        """Say where the group parts."""
        candidates = [
            f"{what} user {members[self.position]} ({_by(distance)})"
            for what, members, distance in (
                ("stored", self.stored, self.stored_distance),
                ("regenerated", self.regenerated, self.regenerated_distance),
            )
        ]
        return (
            f"  group {self.group}: stored {list(self.stored)}, regenerated {list(self.regenerated)};"
            f" they part at position {self.position}: {', '.join(candidates)}"
        )


def _by(distance: float | None) -> str:
    return "no limit applies or user unknown here" if distance is None else f"{distance:+.1e} from the limit"


@dataclass(frozen=True)
class GroupTypeVerdict:
    """What came of one group type.

    Attributes
    ----------
    name : str
        Name of the group type.
    faults : tuple of str
        What is not as recorded; none if the groups are identical.
    shapes : tuple
        Recorded, stored and regenerated shape; None where there is none.
    n_differing : int or None
        Stored groups that are not those drawn again; None where they cannot be compared.
    groups : tuple of GroupDifference
        The first of them.
    """

    name: str
    faults: tuple[str, ...]
    shapes: tuple[tuple[int, ...] | None, ...]
    n_differing: int | None = None
    groups: tuple[GroupDifference, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Identical if nothing is otherwise than recorded."""
        return Verdict.different if self.faults else Verdict.identical

    def as_dict(self) -> dict[str, Any]:
        """Return what verdict.json says of the group type."""
        names = ("recorded_shape", "stored_shape", "regenerated_shape")
        return {
            "verdict": self.verdict.value,
            "faults": list(self.faults),
            **dict(zip(names, self.shapes, strict=True)),
            "n_differing": self.n_differing,
            "groups": [asdict(group) for group in self.groups],
        }

    def text(self) -> str:
        """Say what came of the group type, and of its first groups that differ."""
        if not self.faults:
            return f"{self.name}: identical, {(self.shapes[0] or (0,))[0]} groups"
        lines = [f"{self.name}: different, {'; '.join(self.faults)}"]
        lines += [group.text() for group in self.groups[:_PRINTED]]
        if (left := (self.n_differing or 0) - _PRINTED) > 0:
            lines.append(f"  {left} more groups differ")
        return "\n".join(lines)


def judge_groups(
    recorded: Mapping[str, Mapping[str, Any]],
    stored: Mapping[str, Members],
    regenerated: Mapping[str, Members],
    distance: Distance,
) -> tuple[GroupTypeVerdict, ...]:
    """Judge every group type that was recorded, and those drawn now that were not.

    Parameters
    ----------
    recorded : mapping
        The entry ``groups`` of the lineage record.
    stored, regenerated : mapping of str to (n_groups, size) int64
        Members by group type, in rows of the recorded users; a type whose array is not there is left out.
    distance : callable
        How far a user is from the limit.
    """
    names = dict.fromkeys([*recorded, *regenerated])
    return tuple(
        _judge(name, recorded.get(name), (stored.get(name), regenerated.get(name)), distance)
        for name in names
    )


def _judge(
    name: str,
    recorded: Mapping[str, Any] | None,
    sides: tuple[Members | None, Members | None],
    distance: Distance,
) -> GroupTypeVerdict:
    shape = None if recorded is None else tuple(recorded["shape"])
    shapes = shape, *(None if members is None else members.shape for members in sides)
    if recorded is None:
        return GroupTypeVerdict(name, ("drawn now, but not in the record",), shapes)
    faults = [
        fault
        for what, members in zip(("stored", "regenerated"), sides, strict=True)
        if (fault := _fault(what, members, shape, recorded["sha256"]))
    ]
    before, now = sides
    if before is None or now is None or before.shape != now.shape:
        return GroupTypeVerdict(name, tuple(faults), shapes)
    differing = np.flatnonzero((before != now).any(axis=1)).tolist()
    if differing:
        faults.append(f"{len(differing)} of {len(before)} groups differ")
    groups = tuple(_difference(name, g, before[g], now[g], distance) for g in differing[:_LISTED])
    return GroupTypeVerdict(name, tuple(faults), shapes, len(differing), groups)


def _fault(what: str, members: Members | None, shape: Any, digest: str) -> str | None:
    """Say in what way members are not those recorded, if they are not."""
    if members is None:
        return "no readable file is stored" if what == "stored" else "none were drawn again"
    if members.shape != shape:
        return f"recorded shape {shape}, {what} {members.shape}"
    if (members < 0).any():
        return f"{what} members are users that the record does not know"
    return None if array_digest(members) == digest else f"{what} members are not those recorded"


def _difference(
    name: str, group: int, stored: Members, regenerated: Members, distance: Distance
) -> GroupDifference:
    position = int(np.flatnonzero(stored != regenerated)[0])
    before, now = (distance(name, members, position) for members in (stored, regenerated))
    sides = tuple(stored.tolist()), tuple(regenerated.tolist())
    return GroupDifference(group, *sides, position, before, now)


@dataclass(frozen=True)
class Reproduction:
    """What came of drawing a groups run again.

    Attributes
    ----------
    types : tuple of GroupTypeVerdict
        From :func:`judge_groups`.
    differences : tuple of Difference
        What else differs between the runs.
    reason : str or None
        Why no groups could be drawn at all, where none could.
    """

    types: tuple[GroupTypeVerdict, ...]
    differences: tuple[Difference, ...]
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """Different if no groups were drawn, if any differ, or if stored files give them another meaning."""
        as_recorded = self.reason is None and self.types and not self._of_kind("meaning")
        same = as_recorded and all(each.verdict == Verdict.identical for each in self.types)
        return Verdict.identical if same else Verdict.different

    @property
    def unlike(self) -> list[Difference]:
        """All that differs but where and how the run was made, whether it changed a group or not."""
        return [each for each in self.differences if each.kind != "environment"]

    def as_dict(self) -> dict[str, Any]:
        """Return the content of verdict.json."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "group_types": {each.name: each.as_dict() for each in self.types},
            "differences": {
                kind: {d.name: {"recorded": d.recorded, "present": d.present} for d in self._of_kind(kind)}
                for kind in KINDS
            },
        }

    def text(self) -> str:
        """Return the verdict for the terminal: group types, differences of each kind, the verdict last."""
        lines = [self.reason] if self.reason is not None else [each.text() for each in self.types]
        for kind in KINDS:
            found = self._of_kind(kind)
            printed = len(found) if kind in ("input", "meaning") else _PRINTED
            lines += [
                f"{d.name}: recorded {d.recorded}, present {d.present} ({kind})" for d in found[:printed]
            ]
            if len(found) > printed:
                lines.append(f"{len(found) - printed} more differ ({kind})")
        return "\n".join([*lines, f"verdict: {self.verdict}"])

    def _of_kind(self, kind: str) -> list[Difference]:
        return [difference for difference in self.differences if difference.kind == kind]
