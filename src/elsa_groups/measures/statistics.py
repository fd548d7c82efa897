"""Numbers of all groups of a type. To add one: an entry here, with the function that finds it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from elsa_groups.groups.groups import Groups
from elsa_groups.measures.baselines import BaselineComparison
from elsa_groups.measures.overlap import Overlap
from elsa_groups.measures.registry import MEASURES, Measure, measures_of
from elsa_groups.measures.similarity import Quality
from elsa_groups.measures.tastes import Tastes


@dataclass(frozen=True)
class Result:
    """The groups of one type and all that was measured of them.

    Attributes
    ----------
    groups : Groups
        The groups.
    quality : Quality
        Similarity inside each of them.
    overlap : Overlap
        Users that they share.
    baseline : NDArray[np.float64], shape (n_random,)
        Similarity of each of some random groups of the same size.
    seconds : float
        What drawing took.
    tastes : Tastes
        What the members of each group have in common.
    random_overlap : NDArray[np.float64], shape (n_random,), or None
        Recommendation overlap at 20 of the same random groups; None where nothing recommends.
    evidence : sequence of BaselineComparison
        Every measure beside both kinds of random groups.
    activity_difference : float or None
        Standardised mean difference of the members' activity from that of users; None without histories.
    trained_share : float in [0, 1] or None
        Share of the members that the parent was trained on, where it is known.
    no_interval : str or None
        Why there are no intervals although they were asked for.
    """

    groups: Groups
    quality: Quality
    overlap: Overlap
    baseline: NDArray[np.float64]
    seconds: float
    tastes: Tastes
    random_overlap: NDArray[np.float64] | None
    evidence: Sequence[BaselineComparison]
    activity_difference: float | None
    trained_share: float | None = None
    no_interval: str | None = None

    @cached_property
    def measures(self) -> dict[str, NDArray[np.float64]]:
        """What was measured of each group, by the names of the measures; see :func:`measures_of`."""
        return measures_of(self.quality, self.tastes)


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """One number of the groups of a type.

    Attributes
    ----------
    name : str
        In the summary, and of the metric ``<key>/<name>``.
    label, heading : str
        Beside a chart; above a column, where it may break. The heading is the label unless it is given.
    definition : str
        What it is.
    format : str
        How it is written; a share in percent.
    of : callable
        Finds it; None where it is undefined.
    metric : bool
        Whether it is logged to MLflow, whose lists get slow beyond some sixty; the summary has all.
    """

    name: str
    label: str
    heading: str = ""
    definition: str
    format: str
    of: Callable[[Result], float | None]
    metric: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it is told in percent."""
        return self.format.endswith("%}")


def mean_of(measure: Measure) -> Statistic:
    """Return the mean of a measure over the groups of a type."""

    def mean(result: Result) -> float | None:
        return float(result.measures[measure.name].mean()) if measure.name in result.measures else None

    return Statistic(
        name=f"{measure.name}_mean",
        label="mean similarity" if measure.name == "similarity" else measure.label,
        heading=measure.heading,
        definition=f"mean over groups: {measure.definition}",
        format=measure.format,
        of=mean,
        metric=measure.metric,
    )


def _similarity_quantile(name: str, label: str, quantile: float) -> Statistic:
    return Statistic(
        name=f"similarity_{name}",
        label=f"{label} of similarity",
        definition=f"{label} of the groups' similarity",
        format="{:.3f}",
        of=lambda result: float(np.quantile(result.quality.similarity, quantile)),
    )


_MEANS = {measure.name: mean_of(measure) for measure in MEASURES if measure.against_random}
_FIRST = ("similarity", "within", "across")

# In the order of columns and metrics. Similarity comes right behind the name of the type, as MLflow's UI
# compares the second column of a table.
STATISTICS = (
    _MEANS["similarity"],
    Statistic(
        name="groups",
        label="groups",
        definition="groups of the type",
        format="{:,}",
        of=lambda result: len(result.groups.members),
    ),
    _MEANS["within"],
    _MEANS["across"],
    Statistic(
        name="wrong_pair_share",
        label="groups that break the rule",
        heading="break\nthe rule",
        definition="share of the groups with a pair on the wrong side of the threshold of its rule",
        format="{:.1%}",
        of=lambda result: float((result.quality.wrong_pairs > 0).mean()),
        metric=True,
    ),
    Statistic(
        name="wrong_pairs_mean",
        label="pairs of a group that break the rule",
        definition="pairs on the wrong side of the threshold of their rule, mean over groups",
        format="{:.2f}",
        of=lambda result: float(result.quality.wrong_pairs.mean()),
    ),
    Statistic(
        name="similarity_random",
        label="mean of random groups",
        heading="random\nmean",
        definition="mean similarity of random groups of the same size",
        format="{:.3f}",
        of=lambda result: float(result.baseline.mean()),
    ),
    Statistic(
        name="similarity_std",
        label="standard deviation of similarity",
        heading="sd",
        definition="population standard deviation of the groups' similarity",
        format="{:.3f}",
        of=lambda result: float(result.quality.similarity.std()),
    ),
    _similarity_quantile("min", "minimum", 0.0),
    _similarity_quantile("q05", "5% quantile", 0.05),
    _similarity_quantile("q50", "median", 0.5),
    _similarity_quantile("q95", "95% quantile", 0.95),
    _similarity_quantile("max", "maximum", 1.0),
    *(mean for name, mean in _MEANS.items() if name not in _FIRST),
    Statistic(
        name="activity_difference",
        label="difference of activity",
        definition="standardised mean difference of the members' activity from that of users",
        format="{:+.2f}",
        of=lambda result: result.activity_difference,
    ),
    Statistic(
        name="size",
        label="members",
        definition="members of a group",
        format="{:,}",
        of=lambda result: result.groups.members.shape[1],
    ),
    Statistic(
        name="member_overlap_mean",
        label="mean overlap",
        heading="mean\noverlap",
        definition="members that two groups share by their size, mean over all pairs of groups",
        format="{:.4f}",
        of=lambda result: result.overlap.mean,
        metric=True,
    ),
    Statistic(
        name="member_overlap_max",
        label="largest overlap",
        heading="largest\noverlap",
        definition="members that two groups share by their size, largest of all pairs of groups",
        format="{:.2f}",
        of=lambda result: result.overlap.maximum,
    ),
    Statistic(
        name="overlapping_pairs",
        label="overlapping pairs of groups",
        definition="pairs of groups whose overlap is at least overlap.threshold",
        format="{:,}",
        of=lambda result: result.overlap.overlapping_pairs,
    ),
    Statistic(
        name="duplicates",
        label="duplicates",
        definition="groups minus distinct sets of members",
        format="{:,}",
        of=lambda result: result.overlap.duplicates,
    ),
    Statistic(
        name="user_coverage",
        label="user coverage",
        heading="user\ncoverage",
        definition="share of the eligible users who are in a group",
        format="{:.1%}",
        of=lambda result: result.overlap.user_coverage,
        metric=True,
    ),
    Statistic(
        name="participation_max",
        label="groups of the busiest user",
        definition="groups of the user who is in most",
        format="{:,}",
        of=lambda result: result.overlap.participation_max,
    ),
    Statistic(
        name="participation_gini",
        label="Gini coefficient of participation",
        definition="Gini coefficient of the numbers of groups of all eligible users",
        format="{:.3f}",
        of=lambda result: result.overlap.participation_gini,
    ),
    Statistic(
        name="trained_share",
        label="members trained on",
        definition="share of the members that the parent was trained on",
        format="{:.1%}",
        of=lambda result: result.trained_share,
    ),
    Statistic(
        name="acceptance_rate",
        label="candidates accepted",
        heading="accepted",
        definition="share of the drawn candidates that joined a group",
        format="{:.2%}",
        of=lambda result: result.groups.accounting.acceptance_rate,
        metric=True,
    ),
    Statistic(
        name="draws_mean",
        label="candidates drawn",
        definition="candidates drawn for a group, mean over groups",
        format="{:,.1f}",
        of=lambda result: float(result.groups.accounting.draws.sum() / len(result.groups.members)),
    ),
    Statistic(
        name="restarts",
        label="abandoned attempts",
        definition="attempts at a group that were given up",
        format="{:,}",
        of=lambda result: int(result.groups.accounting.restarts.sum()),
    ),
    Statistic(
        name="seconds",
        label="seconds",
        definition="what drawing took",
        format="{:.2f}",
        of=lambda result: result.seconds,
    ),
    Statistic(
        name="candidates",
        label="groups drawn",
        definition="groups drawn before filters, of which those that pass are kept",
        format="{:,}",
        of=lambda result: result.groups.accounting.candidates,
    ),
    Statistic(
        name="shortfall",
        label="groups missing",
        definition="groups asked for that could not be drawn",
        format="{:,}",
        of=lambda result: result.groups.accounting.shortfall,
    ),
)
STATISTIC = {statistic.name: statistic for statistic in STATISTICS}
METRICS = tuple(statistic.name for statistic in STATISTICS if statistic.metric)


def columns_of(*names: str) -> tuple[tuple[str, str, str], ...]:
    """Return columns of a table: for each statistic its heading, its name and its format."""
    return tuple((of.heading or of.label, of.name, of.format) for of in (STATISTIC[name] for name in names))
