"""Who is in several groups: members that groups share, and how often users appear."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from elsa_groups.report.figures.style import (
    BLUE,
    INK,
    ORANGE,
    SMALL_SIZE,
    add_figure_legend,
    default_settings,
    name_axes,
    name_panel,
    new_figure,
    new_rows,
    say_keys,
    settle,
    write_beside,
)
from elsa_groups.report.tables import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Numbers = TypeVar("Numbers", Floats, Integers)

# Numbers of shared members that have a column of their own; the last one counts all above, too.
_COLUMNS = 8
# Shares below one in a hundred thousand are coloured as faintly as that one.
_FAINTEST = 1e-5
# From here up letters on the colour are white.
_DARK = 0.1
_BINS = 30
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
def draw_shared(shared: SharedMembers) -> "Figure":
    """Draw a row for each key and a column for each number of shared members: pairs of groups, counted."""
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    figure, axes = new_rows("Members that two groups of a key share", shared.keys, margin=1.15)
    n_rows, n_columns = shared.pairs.shape
    shares = shared.shares
    axes.grid(visible=False)
    axes.pcolormesh(
        np.arange(n_columns + 1) - 0.5, np.arange(n_rows + 1) - 0.5, np.ma.masked_equal(shares, 0.0),
        cmap=LinearSegmentedColormap.from_list("blues", ["#E6F1F8", BLUE]), norm=LogNorm(_FAINTEST, 1.0),
        edgecolors="white", linewidth=1.5,
    )  # fmt: skip
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


@dataclass(frozen=True)
class Participation:
    """How many users are in how many groups of a key.

    Attributes
    ----------
    key : str
        The key.
    edges : Floats, shape (n_bins + 1,)
        Edges of bins of equally many numbers of groups, each half below its smallest number.
    users : Integers, shape (n_bins,)
        Users whose number of groups is in the bin.
    expected : Floats, shape (n_bins,)
        As many as there would be by chance, if every user were as likely as any other.
    busiest : int
        Groups that the busiest user is in.
    """

    key: str
    edges: Floats
    users: Integers
    expected: Floats
    busiest: int


def count_participation(key: str, members: Integers, n_users: int) -> Participation:
    """Count users by the number of groups that they are in.

    Parameters
    ----------
    key : str
        The key.
    members : (n_groups, size) int64 in [0, n_users)
        Nobody twice in a group.
    n_users : int
        Users that could be drawn.

    Notes
    -----
    By chance the groups of a user follow the binomial law of ``n_groups`` trials and probability
    ``size / n_users``. Cost: the sum of users, members and groups; memory: 8 bytes for each.
    """
    n_groups, size = members.shape
    users = np.bincount(np.bincount(members.ravel(), minlength=n_users))
    expected = n_users * _binomial(n_groups, size / n_users)
    busiest = len(users) - 1
    # Numbers of groups that less than half a user is expected in are of no interest, unless there is one.
    last = max(busiest, int((expected >= 0.5).nonzero()[0].max(initial=0)))
    width = -(-(last + 1) // _BINS)
    n_bins = -(-(last + 1) // width)
    edges: Floats = np.linspace(-0.5, width * n_bins - 0.5, n_bins + 1)
    return Participation(
        key, edges, _sum_bins(users, width, n_bins), _sum_bins(expected, width, n_bins), busiest
    )


def _sum_bins(values: Numbers, width: int, n_bins: int) -> Numbers:
    filled = np.zeros((n_bins, width), values.dtype)
    filled.flat[: len(values)] = values[: filled.size]
    summed: Numbers = filled.sum(axis=1)
    return summed


def _binomial(n: int, p: float) -> Floats:
    """Return the probabilities of 0, 1, ... n successes."""
    k = np.arange(n + 1)
    if p >= 1.0:
        return np.asarray(k == n, np.float64)
    ways = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    likely: Floats = np.exp(ways + k * np.log(p) + (n - k) * np.log1p(-p))
    return likely


@default_settings()
def draw_participation(keys: Sequence[Participation]) -> "Figure":
    """Draw a panel for each key: users by the number of groups that they are in, chance as a line."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    columns = min(3, len(keys))
    figure, panels = new_figure(
        "How many groups of a key a user is in", len(keys), columns=columns,
        panel_height=1.9 if columns == 1 else 1.25, sharex=False, sharey=True,
    )  # fmt: skip
    for axes, key in zip(panels, keys, strict=True):
        # Less than one user is nobody.
        users = axes.stairs(key.users, key.edges, fill=True, baseline=0.5, color=BLUE, label="users")
        chance = axes.stairs(
            key.expected, key.edges, baseline=None, color=ORANGE, linewidth=1.5, label="expected by chance"
        )
        axes.set_yscale("log")
        name_panel(axes, key.key, columns)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
    panels[0].set_ylim(0.5, 2.0 * max(key.users.max() for key in keys))
    name_axes(figure, "groups that a user is in", "users")
    add_figure_legend(figure, [users, chance])
    settle(figure)
    return figure


def describe_participation(keys: Sequence[Participation], n_users: int) -> str:
    """Say in words and numbers what :func:`draw_participation` shows."""
    top = max(keys, key=lambda key: key.busiest)
    return (
        f"Histograms of the number of groups that each of {n_users:,} users is in, for"
        f" {say_keys([key.key for key in keys])}, beside what chance would give. The most groups that one"
        f" user is in are {top.busiest:,}, of {top.key}."
    )
