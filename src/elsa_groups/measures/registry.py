"""Everything that is measured of a group. To add one: a field of Quality or Tastes, and an entry here."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elsa_groups.measures.similarity import Quality
from elsa_groups.measures.tastes import Tastes


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number of each group, and how it is told.

    Attributes
    ----------
    name : str
        In files and metrics, and of the field of :class:`Quality` or :class:`Tastes` that has it for each
        group, NaN where it is undefined.
    label, heading : str
        Beside a chart; above a column, where it may break. The heading is the label unless it is given.
    definition : str
        What it is, as in docs/evidence.md.
    format : str
        Of its mean.
    ratio : bool
        Whether it has a natural zero, so that a ratio of means says something.
    metric : bool
        Whether its mean is logged to MLflow, as ``<key>/<name>_mean``, and shown where runs are compared.
    interval_in_summary : bool
        Whether the summary has its comparison with random groups and its interval.
    on_page : bool
        Whether the page shows its comparison with random groups.
    by_subgroups : bool
        Whether it is left out of groups with a single subgroup.
    against_random : bool
        Whether it is compared with random groups; the others are only a column of the measures.
    """

    name: str
    label: str
    heading: str = ""
    definition: str
    format: str
    ratio: bool = False
    metric: bool = False
    interval_in_summary: bool = False
    on_page: bool = False
    by_subgroups: bool = False
    against_random: bool = True


MEASURES = (
    Measure(
        name="similarity",
        label="similarity",
        heading="mean",
        definition="(1 + cosine) / 2, mean over the pairs of members",
        format="{:.3f}",
        metric=True,
        interval_in_summary=True,
        on_page=True,
    ),
    Measure(
        name="within",
        label="within subgroups",
        heading="within",
        definition="similarity, mean over the pairs inside subgroups",
        format="{:.3f}",
        metric=True,
        by_subgroups=True,
    ),
    Measure(
        name="across",
        label="across subgroups",
        heading="across",
        definition="similarity, mean over the pairs between subgroups",
        format="{:.3f}",
        metric=True,
        by_subgroups=True,
    ),
    Measure(
        name="wrong_pairs",
        label="pairs that break the rule",
        definition="pairs on the wrong side of the threshold of their rule; not compared with random groups",
        format="{:.2f}",
        against_random=False,
    ),
    Measure(
        name="recommendation_overlap_at_20",
        label="overlap@20",
        heading="top 20\nshared",
        definition="of the first 20 items that the parent recommends to each member, own history left out:"
        " the share that two members have in common, mean over the pairs",
        format="{:.3f}",
        ratio=True,
        metric=True,
        interval_in_summary=True,
        on_page=True,
    ),
    Measure(
        name="recommendation_overlap_at_10",
        label="overlap@10",
        definition="the same of the first 10",
        format="{:.3f}",
        ratio=True,
    ),
    Measure(
        name="recommendation_overlap_within",
        label="overlap@20 within subgroups",
        definition="that at 20, over the pairs inside subgroups",
        format="{:.3f}",
        ratio=True,
        by_subgroups=True,
    ),
    Measure(
        name="recommendation_overlap_across",
        label="overlap@20 across subgroups",
        definition="that at 20, over the pairs between subgroups",
        format="{:.3f}",
        ratio=True,
        by_subgroups=True,
    ),
    Measure(
        name="jaccard",
        label="Jaccard index of histories",
        definition="items that two histories have in common by items of either, mean over the pairs:"
        " similarity that no model has seen",
        format="{:.3f}",
        ratio=True,
        interval_in_summary=True,
    ),
    Measure(
        name="common_items",
        label="common items",
        heading="common\nitems",
        definition="items in every member's history",
        format="{:.2f}",
        ratio=True,
        interval_in_summary=True,
        on_page=True,
    ),
    Measure(
        name="union_items",
        label="items of anybody",
        definition="items in anybody's history",
        format="{:.2f}",
        ratio=True,
    ),
    Measure(
        name="activity",
        label="activity",
        definition="items in a history, mean over the members",
        format="{:.1f}",
        ratio=True,
    ),
    Measure(
        name="popularity",
        label="popularity",
        definition="of the users that can be drawn, how many have an item: mean over the items of a history,"
        " then over the members",
        format="{:.1f}",
        ratio=True,
    ),
)
RATIOS = frozenset(measure.name for measure in MEASURES if measure.ratio)
SUMMARISED = frozenset(measure.name for measure in MEASURES if measure.interval_in_summary)


def values_of(quality: Quality, tastes: Tastes) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Return all measures of the groups of a type by their names, each of shape (n_groups,)."""
    fields = vars(quality) | vars(tastes)
    return {measure.name: fields[measure.name] for measure in MEASURES}


def measures_of(quality: Quality, tastes: Tastes) -> dict[str, NDArray[np.float64]]:
    """Return all measures of the groups of a type by their names, each of shape (n_groups,), float64.

    Of groups with one subgroup, measures within and across are left out, as is what no group has.
    """
    several, values = not np.isnan(quality.across).all(), values_of(quality, tastes)
    named = {m.name: values[m.name] for m in MEASURES if m.against_random and (several or not m.by_subgroups)}
    return {name: values.astype(np.float64) for name, values in named.items() if not np.isnan(values).all()}


def docs_table() -> str:
    """Return the table of measures of docs/evidence.md."""
    rows = [f"| `{measure.name}` | {measure.definition} |" for measure in MEASURES]
    return "\n".join(["| measure | definition |", "|---|---|", *rows])
