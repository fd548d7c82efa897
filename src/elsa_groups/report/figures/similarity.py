"""The first figure to look at: similarity within and across subgroups of every group type."""

from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.figure import Figure

from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures.rows import Floats, Marks, Rows, Spread, draw_rows
from elsa_groups.report.figures.style import BLUE, ORANGE, say_range, say_types

TITLE = "Similarity of the members of a group"


def similarity_rows(results: Sequence[Result], *, without_rule: Collection[str] = ()) -> Rows:
    """Return a row for each group type: similarity within and across subgroups, and who breaks the rule.

    All pairs of a group that is one subgroup are within it. Types ``without_rule`` have none to break.
    """
    shares = [f"{(result.quality.wrong_pairs > 0).mean():.1%}" for result in results]
    keys = [result.groups.key for result in results]
    within, across = (Spread.of(values) for values in zip(*map(_sides, results), strict=True))
    label, heading = ("within subgroups", "within") if across.is_there else ("groups", "mean")
    marks = (
        Marks(label, heading, within, BLUE),
        Marks("across", "across", across, ORANGE, "D", hollow=True),
    )
    return Rows(
        names=tuple(keys),
        random=Spread.of([result.baseline for result in results]),
        marks=tuple(kind for kind in marks if kind.spread.is_there),
        notes=tuple(
            "no rule" if key in without_rule else share for key, share in zip(keys, shares, strict=True)
        ),
        heading="a pair\nbreaks rule",
    )


def _sides(result: Result) -> tuple[Floats, Floats]:
    quality = result.quality
    within = quality.similarity if len(result.groups.sizes) == 1 else quality.within
    return within, quality.across


def draw_similarities(rows: Rows, *, similar: float, divergent: float) -> Figure:
    """Draw the rows, and both thresholds through all of them."""
    x = (
        "mean over the pairs of a group\nmark: mean; line and band: 5 to 95% of groups\n"
        "one pair on the wrong side, and the group breaks its rule"
    )
    return draw_rows(TITLE, rows, x, thresholds=(divergent, similar))


def describe_similarities(rows: Rows, *, similar: float, divergent: float) -> str:
    """Say in words and numbers what :func:`draw_similarities` shows."""
    across = len(rows.marks) > 1
    said = [
        f"{'mean ' if across else ''}{marks.heading} {say_range(_defined(rows.names, marks.spread))}"
        for marks in rows.marks
    ]  # fmt: skip
    return (
        f"Similarity in the groups of {say_types(rows.names)}: {', '.join(said)}, beside random groups of the"
        f" same size, mean {say_range(_defined(rows.names, rows.random))}. Pairs are divergent up to"
        f" {divergent:.4f} and similar from {similar:.4f}."
    )


def _defined(names: Sequence[str], spread: Spread) -> dict[str, float]:
    means = zip(names, spread.mean.tolist(), strict=True)
    return {name: mean for name, mean in means if not np.isnan(mean)}
