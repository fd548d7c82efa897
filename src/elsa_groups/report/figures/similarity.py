"""The first figure to look at: similarity within and across subgroups of every group type."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from elsa_groups.report.figures.data import Similarities, Spread
from elsa_groups.report.figures.rows import draw_rows
from elsa_groups.report.figures.style import say_range, say_types

TITLE = "Similarity of the members of a group"


def draw_similarities(shown: Similarities) -> Figure:
    """Draw the rows, and both thresholds through all of them."""
    x = (
        "mean over the pairs of a group\nmark: mean; line and band: 5 to 95% of groups\n"
        "one pair on the wrong side, and the group breaks its rule"
    )
    return draw_rows(TITLE, shown.rows, x, thresholds=(shown.divergent, shown.similar))


def describe_similarities(shown: Similarities) -> str:
    """Say in words and numbers what :func:`draw_similarities` shows."""
    rows = shown.rows
    across = len(rows.marks) > 1
    said = [
        f"{'mean ' if across else ''}{marks.heading} {say_range(_defined(rows.names, marks.spread))}"
        for marks in rows.marks
    ]  # fmt: skip
    return (
        f"Similarity in the groups of {say_types(rows.names)}: {', '.join(said)}, beside random groups of the"
        f" same size, mean {say_range(_defined(rows.names, rows.random))}. Pairs are divergent up to"
        f" {shown.divergent:.4f} and similar from {shown.similar:.4f}."
    )


def _defined(names: Sequence[str], spread: Spread) -> dict[str, float]:
    means = zip(names, spread.mean.tolist(), strict=True)
    return {name: mean for name, mean in means if not np.isnan(mean)}
