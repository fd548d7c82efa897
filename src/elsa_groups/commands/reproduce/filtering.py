"""What filters have to do with the judgement on regenerated groups."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from elsa_groups.commands.reproduce.replay import Replay

Members = NDArray[np.int64]
Explain = Callable[[str, int, Members], Replay]


@dataclass(frozen=True)
class Filtering:
    """What filters left of the candidates of each key, on either side.

    Attributes
    ----------
    recorded, regenerated : mapping of str to (n_groups,) int64
        Ascending numbers by which the groups were drawn.
    refilter : callable
        Given a key, returns by number the candidates that filters decide about otherwise than the record.
    """

    recorded: Mapping[str, Members]
    regenerated: Mapping[str, Members]
    refilter: Callable[[str], Mapping[int, Replay]]


def differing_groups(
    sides: tuple[Members, Members], numbers: tuple[Members, Members], refiltered: Iterable[int]
) -> list[list[int]]:
    """Return the numbers of groups that differ, and their rows on either side, -1 where there is none.

    Parameters
    ----------
    sides : pair of (n_groups, size) int64
        Members recorded and regenerated.
    numbers : pair of (n_groups,) int64
        Ascending numbers that these were drawn by.
    refiltered : iterable of int
        Numbers that count as differing whatever the members are.
    """
    either = np.union1d(np.union1d(*numbers), np.array([*refiltered], np.int64))
    rows = [np.where(np.isin(either, there), np.searchsorted(there, either), -1) for there in numbers]
    same = (rows[0] >= 0) & (rows[1] >= 0) & ~np.isin(either, [*refiltered])
    same[same] = (sides[0][rows[0][same]] == sides[1][rows[1][same]]).all(axis=1)
    differing: list[list[int]] = np.stack([either, *rows], axis=1)[~same].tolist()
    return differing


# Filters kept a group, or did not, as follows from other groups that differ.
_FOLLOWS = Replay(explained=True, margin=0.0, turned=0, position=None, complete=True)


def explain_group(
    key: str, number: int, recorded: Members | None, explain: Explain, refiltered: Replay | None
) -> Replay:
    """Explain the members of a group and that filters kept it, or else that they kept none.

    Parameters
    ----------
    key, number : str, int
        Which group.
    recorded : (size,) int64, optional
        Its recorded members; None if there was none of this number.
    explain : callable
        What explains members.
    refiltered : Replay, optional
        What became of it by filters, where they decide otherwise than the record.
    """
    if recorded is None or (refiltered is not None and not refiltered.explained):
        return refiltered or _FOLLOWS
    replay = explain(key, number, recorded)
    if refiltered is None or not replay.explained:
        return replay
    margins = [found.margin or 0.0 for found in (replay, refiltered)]
    return replace(replay, margin=max(margins), turned=replay.turned + refiltered.turned)
