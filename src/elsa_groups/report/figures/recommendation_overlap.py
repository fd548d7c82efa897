"""Recommendation overlap of the groups of every type, beside random groups."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures.rows import Marks, Rows, Spread, draw_rows
from elsa_groups.report.figures.style import BLUE, say_range, say_types

TITLE = "Recommendations that members share"


def overlap_rows(results: Sequence[Result]) -> Rows:
    """Return a row for each group type: the share of its first 20 recommendations that a pair shares."""
    spread = Spread.of([result.tastes.recommendation_overlap_at_20 for result in results])
    return Rows(
        names=tuple(result.groups.key for result in results),
        random=Spread.of([np.asarray(result.random_overlap) for result in results]),
        marks=(Marks("groups of the type", "mean", spread, BLUE),),
    )


def draw_overlaps(rows: Rows) -> Figure:
    """Draw the rows."""
    x = "overlap@20, mean over the pairs of a group\nmark: mean; line and band: 5 to 95% of groups"
    return draw_rows(TITLE, rows, x)


def describe_overlaps(rows: Rows) -> str:
    """Say in words and numbers what :func:`draw_overlaps` shows."""
    groups, random = (
        say_range(dict(zip(rows.names, spread.mean.tolist(), strict=True)))
        for spread in (rows.marks[0].spread, rows.random)
    )
    return (
        "Share of their first 20 recommendations that two members have in common, for"
        f" {say_types(rows.names)}: mean {groups}, beside random groups of the same size, mean {random}."
    )
