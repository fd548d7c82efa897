"""From users, groups and thresholds to the numbers that figures show."""

from collections.abc import Collection, Sequence

import numpy as np

from elsa_groups.base.runtime import Runtime
from elsa_groups.measures.statistics import Result
from elsa_groups.report.colors import BLUE, ORANGE
from elsa_groups.report.figures.bins import bin_edges
from elsa_groups.report.figures.data import (
    Floats,
    Histogram,
    Marks,
    Overlaps,
    PairSimilarities,
    Rows,
    Series,
    Shown,
    Similarities,
    Spread,
)
from elsa_groups.similarity.limits import Limits, Thresholds
from elsa_groups.similarity.sampling import sample_similarities
from elsa_groups.similarity.tiles import n_pairs
from elsa_groups.similarity.users import Users

# Up to so many pairs all are looked at, otherwise so many at random: a share is then known to 0.05%.
MAX_PAIRS = 1_000_000
_MOST_BINS, _FEWEST_BINS = 80, 10
# Of a histogram of groups.
_BINS = 40


def figures_of(
    users: Users,
    results: Sequence[Result],
    thresholds: Thresholds,
    *,
    without_rule: Collection[str] = (),
    threads: int = 1,
) -> list[Shown]:
    """Return what the figures of a run show, in the order in which to look at them.

    Similarity, recommendation overlap where something recommends, pairs, and a histogram of each group type,
    all of these over the same bins; without group types only the pairs.

    Parameters
    ----------
    users : Users
        What users are compared by, whose numbers members of groups are.
    results : sequence of Result
        The groups of every type.
    thresholds : Thresholds
        What similar and divergent meant.
    without_rule : collection of str
        Group types that anybody joins.
    threads : int
        Workers; no figure depends on it.

    Notes
    -----
    Cost: a million similarities for the pairs.
    """
    similar, divergent = thresholds.similar, thresholds.divergent
    pairs = count_pairs(users, thresholds.limits, threads=threads)
    if not results:
        return [pairs]
    shown: list[Shown] = [
        Similarities(similarity_rows(results, without_rule=without_rule), similar, divergent)
    ]
    if results[0].random_overlap is not None:
        shown.append(Overlaps(overlap_rows(results)))
    return [*shown, pairs, *count_similarities(results, similar=similar, divergent=divergent)]


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


def overlap_rows(results: Sequence[Result]) -> Rows:
    """Return a row for each group type: the share of its first 20 recommendations that a pair shares."""
    spread = Spread.of([result.tastes.recommendation_overlap_at_20 for result in results])
    return Rows(
        names=tuple(result.groups.key for result in results),
        random=Spread.of([np.asarray(result.random_overlap) for result in results]),
        marks=(Marks("groups of the type", "mean", spread, BLUE),),
    )


def count_similarities(results: Sequence[Result], *, similar: float, divergent: float) -> list[Histogram]:
    """Count the group similarities of every group type, all over the same bins.

    Parameters
    ----------
    results : sequence of Result
        One group type or more, each of at least one group.
    similar, divergent : float in [0, 1]
        Thresholds, which are edges of bins.
    """
    parts = [_parts_of(result) for result in results]
    everything = np.concatenate([values for part in parts for values in part.values()])
    low, high = float(everything.min()), float(everything.max())
    edges = bin_edges(low, high, similar=similar, divergent=divergent, n_bins=_BINS)
    return [
        Histogram(
            result.groups.key,
            edges,
            similar=similar,
            divergent=divergent,
            **{name: _count(v, edges) for name, v in part.items()},
        )
        for result, part in zip(results, parts, strict=True)
    ]


def _parts_of(result: Result) -> dict[str, Floats]:
    """Return what is counted of a group type: pairs within and across subgroups where it has several."""
    quality = result.quality
    parts = {"groups": quality.similarity, "random": result.baseline}
    if len(result.groups.sizes) > 1:
        sides = {"within": quality.within, "across": quality.across}
        defined = {name: values[~np.isnan(values)] for name, values in sides.items()}
        parts |= {name: values for name, values in defined.items() if len(values)}
    return parts


def _count(values: Floats, edges: Floats) -> Series:
    return Series(np.histogram(values, edges)[0], float(values.mean()))


def count_pairs(users: Users, limits: Limits, *, threads: int = 1) -> PairSimilarities:
    """Count the reference similarities of all pairs of users, or of a sample where there are many.

    Parameters
    ----------
    users : Users
        Two or more.
    limits : Limits
        Thresholds.
    threads : int
        Workers; the result does not depend on it.

    Notes
    -----
    At most a million dot products, 0.3 s at 256 dimensions, whatever the number of users; memory: 24 bytes
    for each. The sample is the same for the same users.
    """
    similar, divergent, _ = limits
    total = n_pairs(users.n_users)
    if total <= MAX_PAIRS:
        values = users.similarities(*np.triu_indices(users.n_users, 1))
    else:
        values = sample_similarities(users, MAX_PAIRS, seed=0, runtime=Runtime(threads))
    # Few pairs in many bins are noise.
    n_bins = int(np.clip(np.sqrt(len(values)), _FEWEST_BINS, _MOST_BINS))
    low, high = float(values.min()), float(values.max())
    edges = bin_edges(low, high, similar=similar, divergent=divergent, n_bins=n_bins)
    counts, _ = np.histogram(values, edges)
    return PairSimilarities(
        edges=edges,
        counts=counts,
        n_users=users.n_users,
        mean=float(values.mean()),
        similar=similar,
        divergent=divergent,
        similar_share=float((values >= similar).mean()),
        divergent_share=float((values <= divergent).mean()),
    )
