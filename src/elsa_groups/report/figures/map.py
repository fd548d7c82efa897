"""A map of the users, some groups drawn over it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import FillStyleType
from numpy.typing import NDArray

from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    GREYS,
    INK,
    ORANGE,
    add_figure_legend,
    color_cells,
    default_settings,
    name_axes,
    name_panel,
    new_figure,
    settle,
)

# Rows of the embeddings in float64 at a time.
_ROWS = 4096
# More users than these are counted in cells.
_MOST_DOTS = 20_000
_CELLS = 100
# Groups of a family drawn: colour and shape of each.
_MARKS = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"))
_MARK_SIZE = 5.5
# One subgroup after the other.
_FILLS: tuple[FillStyleType, ...] = ("full", "none", "left", "bottom")


@dataclass(frozen=True)
class UserMap:
    """Users in the plane in which their embeddings vary most.

    Attributes
    ----------
    positions : NDArray[np.float64], shape (n_users, 2)
        Coordinates along both axes, from the mean of all users, to six decimals.
    shares : tuple of float
        Share of the variance along each axis.
    """

    positions: NDArray[np.float64]
    shares: tuple[float, float]


@dataclass(frozen=True)
class MapExample:
    """Some groups of a key.

    Attributes
    ----------
    key : str
        The key.
    members : NDArray[np.int64], shape (n_shown, size)
        Their members, as rows of the map.
    subgroups : NDArray[np.int64], shape (size,)
        Subgroup of each position.
    """

    key: str
    members: NDArray[np.int64]
    subgroups: NDArray[np.int64]


def map_users(vectors: NDArray[np.float32]) -> UserMap:
    """Project users on the two principal axes of their embeddings.

    Parameters
    ----------
    vectors : (n_users, dim) float32
        Unit rows.

    Notes
    -----
    The axes are eigenvectors of the covariance, (dim, dim), summed over blocks of rows in float64, each with
    the sign by which its largest loading is positive. Cost: ``n_users * dim**2`` multiply-adds and
    an eigendecomposition; memory: the map and a block. Positions are rounded far above what libraries
    and threads differ in, so that the map does not depend on them unless two axes share a variance.
    """
    n_users, dim = vectors.shape
    blocks = range(0, n_users, _ROWS)
    mean = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((dim, dim))
    for start in blocks:
        block = vectors[start : start + _ROWS] - mean
        covariance += block.T @ block
    variances, axes = np.linalg.eigh(covariance)
    # Ascending; a single dimension has a single axis.
    axes = axes[:, :-3:-1]
    largest = np.abs(axes).round(9).argmax(axis=0)
    axes = axes * np.where(axes[largest, range(axes.shape[1])] < 0, -1.0, 1.0)
    positions = np.zeros((n_users, 2))
    for start in blocks:
        block = vectors[start : start + _ROWS] - mean
        positions[start : start + _ROWS, : axes.shape[1]] = block @ axes
    total = float(variances.sum())
    shares = [float(v) / total if total > 1e-9 else 0.0 for v in variances[:-3:-1]]
    return UserMap(positions.round(6) + 0.0, (shares[0], shares[1] if dim > 1 else 0.0))


def choose_examples(results: Sequence[Result]) -> list[MapExample]:
    """Take the first three groups of the first key of each family."""
    firsts: dict[str, MapExample] = {}
    for result in results:
        groups = result.groups
        example = MapExample(groups.key, groups.members[: len(_MARKS)], groups.subgroup_of_position)
        firsts.setdefault(groups.family, example)
    return list(firsts.values())


@default_settings()
def draw_map(users: UserMap, examples: Sequence[MapExample]) -> Figure:
    """Draw a map for each example, a mark for each of its members, lines from the middle of the group.

    Users behind are dots, or cells by their number where they are many. Members of the first subgroup have
    full marks, those of the others hollow or half ones. Without examples there is one map.
    """
    n_panels = max(1, len(examples))
    columns = min(2, n_panels)
    figure, panels = new_figure(
        f"{len(users.positions):,} users on their two main axes", n_panels, columns=columns,
        panel_height=2.0 if n_panels > 1 else 3.2, margin=0.9, sharex=False,
    )  # fmt: skip
    for axes in panels:
        _draw_users(axes, users.positions)
        # Only distances mean something, and those are on the same scale along both axes.
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set(visible=True, color=GREY)
    for axes, example in zip(panels, examples, strict=False):
        name_panel(axes, example.key, columns)
        for members, (color, marker) in zip(example.members, _MARKS, strict=False):
            _draw_group(axes, users.positions[members], example.subgroups, color, marker)
    name_axes(
        figure, f"first axis: {users.shares[0]:.1%} of the variance", f"second axis: {users.shares[1]:.1%}"
    )
    if examples:
        add_figure_legend(figure, _explain_marks(examples), columns=4)
    settle(figure)
    return figure


def _explain_marks(examples: Sequence[MapExample]) -> list[Artist]:
    """Name groups and subgroups by their numbers, as tables do."""
    n_groups = max(len(example.members) for example in examples)
    n_subgroups = max(int(example.subgroups.max()) for example in examples) + 1
    marks = [(f"group {number}", *mark, _FILLS[0]) for number, mark in enumerate(_MARKS[:n_groups])]
    marks += [(f"subgroup {number}", INK, "o", fill) for number, fill in enumerate(_FILLS[:n_subgroups])][1:]
    return [
        Line2D(
            [], [], color=color, marker=marker, fillstyle=fill, markersize=_MARK_SIZE, linestyle="none",
            markerfacecoloralt="white", label=label,
        )
        for label, color, marker, fill in marks
    ]  # fmt: skip


def _draw_users(axes: Axes, positions: NDArray[np.float64]) -> None:
    """Draw all users as dots, or their density on a logarithmic scale."""
    if len(positions) <= _MOST_DOTS:
        size = np.clip(60.0 / np.sqrt(len(positions)), 2.0, 5.0)
        axes.plot(*positions.T, ".", color=GREY, markersize=size, markeredgewidth=0)
        return
    counts, first, second = np.histogram2d(positions[:, 0], positions[:, 1], _CELLS)
    color_cells(axes, first, second, counts.T, colors=GREYS, limits=(0.5, counts.max()))


def _draw_group(
    axes: Axes, places: NDArray[np.float64], subgroups: NDArray[np.int64], color: str, marker: str
) -> None:
    for place in places:
        axes.plot(*np.stack([places.mean(axis=0), place]).T, color=color, linewidth=0.9)
    for subgroup in range(subgroups.max() + 1):
        axes.plot(
            *places[subgroups == subgroup].T, marker, color=color, markersize=_MARK_SIZE, linestyle="none",
            fillstyle=_FILLS[subgroup % len(_FILLS)], markerfacecoloralt="white",
        )  # fmt: skip


def describe_map(users: UserMap, examples: Sequence[MapExample]) -> str:
    """Say in words and numbers what :func:`draw_map` shows."""
    keys = ", ".join(example.key for example in examples)
    drawn = f" with up to {len(_MARKS)} groups each of {keys} drawn over it" if keys else ""
    return (
        f"Map of {len(users.positions):,} users on the two principal axes of their embeddings{drawn}."
        f" The axes hold {sum(users.shares):.1%} of the variance."
    )
