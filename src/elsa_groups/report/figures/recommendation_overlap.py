"""Recommendation overlap of the groups of every type, beside random groups."""

from matplotlib.figure import Figure

from elsa_groups.report.figures.data import Rows
from elsa_groups.report.figures.rows import draw_rows
from elsa_groups.report.figures.style import say_range, say_types

TITLE = "Recommendations that members share"


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
