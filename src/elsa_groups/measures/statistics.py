"""Numbers of all groups of a type, how they are told, and which of them are metrics."""

from dataclasses import dataclass

from elsa_groups.measures.registry import MEASURES, Measure


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
    metric : bool
        Whether it is logged to MLflow; the summary has the others too.
    """

    name: str
    label: str
    heading: str = ""
    definition: str
    format: str
    metric: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it is told in percent."""
        return self.format.endswith("%}")


def mean_of(measure: Measure) -> Statistic:
    """Return the mean of a measure over the groups of a type."""
    return Statistic(
        name=f"{measure.name}_mean",
        label="mean similarity" if measure.name == "similarity" else measure.label,
        heading=measure.heading,
        definition=f"mean over groups: {measure.definition}",
        format=measure.format,
        metric=measure.metric,
    )


_MEANS = [mean_of(m) for m in sorted(MEASURES, key=lambda m: m.by_subgroups)]

# In the order of metrics and columns.
STATISTICS = (
    Statistic(name="groups", label="groups", definition="groups of the type", format="{:,}", metric=True),
    *(of for of in _MEANS if of.name == "similarity_mean"),
    Statistic(
        name="similarity_std",
        label="standard deviation of similarity",
        heading="sd",
        definition="population standard deviation of the groups' similarity",
        format="{:.3f}",
        metric=True,
    ),
    Statistic(
        name="similarity_random",
        label="mean of random groups",
        heading="random\nmean",
        definition="mean similarity of random groups of the same size",
        format="{:.3f}",
        metric=True,
    ),
    Statistic(
        name="wrong_pair_share",
        label="groups with a wrong pair",
        heading="with a\nwrong pair",
        definition="share of the groups with a pair on the wrong side of the threshold of its rule",
        format="{:.1%}",
        metric=True,
    ),
    Statistic(
        name="acceptance_rate",
        label="candidates accepted",
        heading="accepted",
        definition="share of the drawn candidates that joined a group",
        format="{:.2%}",
        metric=True,
    ),
    Statistic(
        name="member_overlap_mean",
        label="mean overlap",
        heading="mean\noverlap",
        definition="members that two groups share by their size, mean over all pairs of groups",
        format="{:.4f}",
        metric=True,
    ),
    Statistic(
        name="member_overlap_max",
        label="largest overlap",
        heading="largest\noverlap",
        definition="members that two groups share by their size, largest of all pairs of groups",
        format="{:.2f}",
        metric=True,
    ),
    Statistic(
        name="user_coverage",
        label="users reached",
        heading="users\nreached",
        definition="share of the eligible users who are in a group",
        format="{:.1%}",
        metric=True,
    ),
    *(of for of in _MEANS if of.name != "similarity_mean"),
    Statistic(name="restarts", label="restarts", definition="groups begun anew", format="{:,}"),
    Statistic(
        name="duplicates",
        label="duplicates",
        definition="groups minus distinct sets of members",
        format="{:,}",
    ),
)
STATISTIC = {statistic.name: statistic for statistic in STATISTICS}
METRICS = tuple(statistic.name for statistic in STATISTICS if statistic.metric)


def columns_of(*names: str) -> tuple[tuple[str, str, str], ...]:
    """Return columns of a table: for each statistic its heading, its name and its format."""
    return tuple((of.heading or of.label, of.name, of.format) for of in (STATISTIC[name] for name in names))
