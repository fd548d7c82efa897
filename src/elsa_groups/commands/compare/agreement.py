"""Who several runs have in common: users that a key reaches, and groups that came out the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from elsa_groups.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    SMALL_SIZE,
    Room,
    default_settings,
    name_axes,
    name_panel,
    new_figure,
    say_types,
)
from elsa_groups.report.page import say_percent

Members = NDArray[np.int64]
Shares = NDArray[np.float64]

# Pairs of runs grow with the square of runs, and so does what is compared and shown.
RUNS_UP_TO = 20
# Beyond, two digits do not fit into a cell any more, and three do not beyond the other.
_WRITTEN_UP_TO, _WHOLE_UP_TO = 10, 7
_COLUMNS = 2
# From these shares up white letters are the easier ones to read on blue, and never on green.
_DARK_BLUE, _DARK_GREEN = 0.75, np.inf


@dataclass(frozen=True, eq=False)
class Agreement:
    """What pairs of runs have in common in one key.

    Attributes
    ----------
    key : str
        The key.
    users : Shares, shape (n_runs, n_runs)
        Of the users that either run reaches the share that both reach (Jaccard).
    groups : Shares, shape (n_runs, n_runs)
        Of the distinct groups of the run that has fewer the share that the other one has, too; groups are
        sets of users.

    Notes
    -----
    Both are symmetric and 1 on the diagonal; NaN where a run lacks the key or has other users.
    """

    key: str
    users: Shares
    groups: Shares

    @property
    def is_defined(self) -> bool:
        """Whether any two runs can be compared."""
        return bool(np.isfinite(self.users[np.tril_indices(len(self.users), -1)]).any())


def measure_agreement(key: str, members: Sequence[Members | None], worlds: Sequence[str]) -> Agreement:
    """Compare the users and groups of a key between all pairs of runs.

    Parameters
    ----------
    key : str
        The key.
    members : sequence of (n_groups, size) int64, or None
        For each run its groups, users numbered the same way in all runs; None where it lacks the key.
    worlds : sequence of str
        For each run what its users belong to: runs of different ones have none in common by definition.

    Notes
    -----
    Cost: sorting the groups of each run once, ``n_groups * size`` values, and merging two sorted arrays for
    each pair of runs. Memory: a copy of all members.
    """
    n_runs = len(members)
    users, groups = (np.full((n_runs, n_runs), np.nan) for _ in range(2))
    reached = [None if rows is None else np.unique(rows) for rows in members]
    distinct = [None if rows is None else np.unique(np.sort(rows, axis=1), axis=0) for rows in members]
    for one in range(n_runs):
        for other in range(one + 1):
            a, b, sets_a, sets_b = reached[one], reached[other], distinct[one], distinct[other]
            if a is None or b is None or sets_a is None or sets_b is None or worlds[one] != worlds[other]:
                continue
            common = len(np.intersect1d(a, b, assume_unique=True))
            users[one, other] = users[other, one] = common / (len(a) + len(b) - common)
            groups[one, other] = groups[other, one] = _share_of_fewer(sets_a, sets_b)
    return Agreement(key, users, groups)


def _share_of_fewer(a: Members, b: Members) -> float:
    if a.shape[1] != b.shape[1]:
        return 0.0
    # Both hold every group once, so that one that comes twice is in both.
    _, counts = np.unique(np.concatenate([a, b]), axis=0, return_counts=True)
    return float((counts == 2).sum() / min(len(a), len(b)))


@default_settings()
def draw_agreement(agreements: Sequence[Agreement]) -> Figure:
    """Draw a matrix of runs for each key: users in common below the diagonal, same groups above it."""
    columns = min(_COLUMNS, len(agreements))
    n_runs = len(agreements[0].users)
    whole = "; no number: 100" if _WHOLE_UP_TO < n_runs <= _WRITTEN_UP_TO else ""
    said = f"below, blue: users reached by both\nabove, green: same groups{whole}"
    figure, panels = new_figure(
        "What two runs have in common, in percent", len(agreements), Room(left=0.5, head=0.25, foot=0.62),
        columns=columns, panel_height=0.45 + 0.19 * n_runs * (_COLUMNS if columns == 1 else 1),
    )  # fmt: skip
    for axes, agreement in zip(panels, agreements, strict=True):
        name_panel(axes, agreement.key)
        _draw_matrix(axes, agreement)
    name_axes(figure, said, "run")
    return figure


def _draw_matrix(axes: Axes, agreement: Agreement) -> None:
    n_runs = len(agreement.users)
    edges = np.arange(n_runs + 1) - 0.5
    axes.grid(visible=False)
    halves = (
        (np.tril(np.ones((n_runs, n_runs), bool), -1), agreement.users, "#EDF4F9", BLUE, _DARK_BLUE),
        (np.triu(np.ones((n_runs, n_runs), bool), 1), agreement.groups, "#EAF6F2", GREEN, _DARK_GREEN),
    )
    for half, shares, faint, full, dark in halves:
        axes.pcolormesh(
            edges, edges, np.ma.masked_invalid(np.where(half, shares, np.nan)), vmin=0.0, vmax=1.0,
            cmap=LinearSegmentedColormap.from_list(full, [faint, full]), edgecolors="white", linewidth=1.0,
        )  # fmt: skip
        if n_runs <= _WRITTEN_UP_TO:
            written = half & (shares < 1.0) if n_runs > _WHOLE_UP_TO else half & np.isfinite(shares)
            _write_shares(axes, shares, written, dark)
    numbers = range(0, n_runs, -(-n_runs // _WRITTEN_UP_TO))
    axes.set_xticks(numbers, [str(number + 1) for number in numbers])
    axes.set_yticks(numbers, [str(number + 1) for number in numbers])
    axes.set_xlim(-0.5, n_runs - 0.5)
    axes.set_ylim(n_runs - 0.5, -0.5)
    axes.tick_params(axis="x", length=0)
    axes.spines["bottom"].set_visible(False)


def _write_shares(axes: Axes, shares: Shares, where: NDArray[np.bool_], dark: float) -> None:
    for row, column in zip(*where.nonzero(), strict=True):
        axes.text(
            column, row, say_percent(shares[row, column]), ha="center", va="center", fontsize=SMALL_SIZE,
            color="white" if shares[row, column] > dark else INK,
        )  # fmt: skip


def describe_agreement(agreements: Sequence[Agreement]) -> str:
    """Say in words and numbers what :func:`draw_agreement` shows."""
    said = []
    for what, shares in (
        ("users reached by both", {a.key: _mean_of_pairs(a.users) for a in agreements}),
        ("groups that are the same", {a.key: _mean_of_pairs(a.groups) for a in agreements}),
    ):
        said.append(f"{what}, {_say_shares(shares)}")
    n_runs = len(agreements[0].users)
    keys = say_types([agreement.key for agreement in agreements])
    return f"Matrices of {n_runs} runs for {keys}. Over pairs of runs, {'; '.join(said)}."


def _mean_of_pairs(shares: Shares) -> float:
    pairs = shares[np.tril_indices(len(shares), -1)]
    return float(np.nanmean(pairs)) if np.isfinite(pairs).any() else float("nan")


def _say_shares(shares: Mapping[str, float]) -> str:
    defined = {key: share for key, share in shares.items() if np.isfinite(share)}
    if not defined:
        return "none to compare"
    low, high = min(defined, key=defined.__getitem__), max(defined, key=defined.__getitem__)
    if low == high:
        return f"{defined[low]:.0%}"
    return f"{defined[low]:.0%} ({low}) to {defined[high]:.0%} ({high})"
