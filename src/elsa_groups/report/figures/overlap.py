"""Members that groups share: how many pairs of groups have how many in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures.style import (
    BLUES,
    INK,
    SMALL_SIZE,
    color_cells,
    default_settings,
    name_axes,
    new_rows,
    say_keys,
    settle,
    write_beside,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Numbers of shared members that have a column of their own; the last one counts all above, too.
_COLUMNS = 8
# Shares below one in a hundred thousand are coloured as faintly as that one.
_FAINTEST = 1e-5
# From here up letters on the colour are white.
_DARK = 0.1
_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True)
class SharedMembers:
    """How many pairs of groups of each key share how many members.

    Attributes
    ----------
    keys : tuple of str
        The keys.
    pairs : Integers, shape (n_keys, n_columns)
        Pairs of groups with 1, 2, ... common members; the last column counts those with more, too. -1 where
        groups of the key are not that large.
    n_pairs : Integers, shape (n_keys,)
        All pairs of groups of the key.
    largest : int
        Members of the largest groups.
    """

    keys: tuple[str, ...]
    pairs: Integers
    n_pairs: Integers
    largest: int

    @property
    def columns(self) -> list[str]:
        """Names of the columns: the numbers of shared members."""
        last = self.pairs.shape[1]
        return [*map(str, range(1, last)), f"{last}+" if self.largest > last else str(last)]

    @property
    def shares(self) -> Floats:
        """Shares of all pairs of a key, shape of ``pairs``; 0 where there are none."""
        shares: Floats = self.pairs.clip(min=0) / self.n_pairs.clip(min=1)[:, None]
        return shares


def count_pairs_sharing(results: Sequence[Result]) -> SharedMembers:
    """Count pairs of groups by the members that they share, for one key or more."""
    sizes = [result.groups.members.shape[1] for result in results]
    n_columns = min(max(sizes), _COLUMNS)
    pairs = np.full((len(results), n_columns), -1, np.int64)
    for row, (result, size) in enumerate(zip(results, sizes, strict=True)):
        sharing = np.array(result.overlap.pairs_sharing)
        pairs[row, :size] = sharing[:n_columns]
        if size > n_columns:
            pairs[row, -1] += sharing[n_columns:].sum()
    n_groups = np.array([len(result.groups.members) for result in results])
    keys = tuple(result.groups.key for result in results)
    return SharedMembers(keys, pairs, n_groups * (n_groups - 1) // 2, max(sizes))


@default_settings()
def draw_shared(shared: SharedMembers) -> Figure:
    """Draw a row for each key and a column for each number of shared members: pairs of groups, counted."""
    figure, axes = new_rows("Members that two groups of a key share", shared.keys, margin=1.15)
    n_rows, n_columns = shared.pairs.shape
    shares = shared.shares
    axes.grid(visible=False)
    edges = np.arange(n_columns + 1) - 0.5, np.arange(n_rows + 1) - 0.5
    cells = color_cells(axes, *edges, shares, colors=BLUES, limits=(_FAINTEST, 1.0))
    cells.set(edgecolor="white", linewidth=1.5)
    for row, column in zip(*(shared.pairs >= 0).nonzero(), strict=True):
        color = "white" if shares[row, column] > _DARK else INK
        text = shorten_count(int(shared.pairs[row, column]))
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=SMALL_SIZE)
    for row, n in enumerate(shared.n_pairs):
        write_beside(axes, row, f"of {shorten_count(int(n))}")
    axes.set_xticks(range(n_columns), shared.columns)
    name_axes(figure, "members that both have; in cells: pairs of groups")
    settle(figure)
    return figure


def shorten_count(count: int) -> str:
    """Write a count in at most five characters and a unit.

    >>> [shorten_count(n) for n in (0, 2775, 49_995_000, 123_456, 999_950)]
    ['0', '2,775', '50.0M', '123k', '1.0M']
    """
    if count < 10_000:
        return f"{count:,}"
    unit, name = next((unit, name) for unit, name in _UNITS if count >= 0.9995 * unit)
    return f"{count / unit:.{1 if count < 99.95 * unit else 0}f}{name}"


def describe_shared(shared: SharedMembers) -> str:
    """Say in words and numbers what :func:`draw_shared` shows."""
    said = f"Table of how many pairs of groups share how many members, for {say_keys(shared.keys)}"
    if not shared.shares.any():
        return f"{said}: no pair shares any."
    any_shared = shared.shares.sum(axis=1)
    row = int(any_shared.argmax())
    most = int(shared.shares.nonzero()[1].max())
    return (
        f"{said}. Of {shared.keys[row]} {any_shared[row]:.2%} of the pairs share one or more, the largest"
        f" such share; the most members that a pair of any key shares are {shared.columns[most]}."
    )
