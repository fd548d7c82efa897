"""How often users appear: the groups of a key that each is in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray
from scipy.special import gammaln

from elsa_groups.report.figures.style import (
    BLUE,
    ORANGE,
    add_figure_legend,
    default_settings,
    name_axes,
    name_panel,
    new_figure,
    say_keys,
    settle,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Numbers = TypeVar("Numbers", Floats, Integers)

_BINS = 30


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
def draw_participation(keys: Sequence[Participation]) -> Figure:
    """Draw a panel for each key: users by the number of groups that they are in, chance as a line."""
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
