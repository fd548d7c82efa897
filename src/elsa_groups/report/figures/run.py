"""The figures of a groups run, one after the other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures.map import choose_examples, describe_map, draw_map, map_users
from elsa_groups.report.figures.overlap import count_pairs_sharing, describe_shared, draw_shared
from elsa_groups.report.figures.pairs import count_pairs, describe_pairs, draw_pairs
from elsa_groups.report.figures.participation import (
    count_participation,
    describe_participation,
    draw_participation,
)
from elsa_groups.report.figures.recommendation_overlap import count_overlaps, describe_overlaps, draw_overlaps
from elsa_groups.report.figures.similarity import (
    describe_similarities,
    draw_similarities,
    summarise_similarities,
)
from elsa_groups.report.figures.style import save_png
from elsa_groups.report.figures.within_across import describe_sides, draw_sides, find_sides
from elsa_groups.report.page import Picture
from elsa_groups.similarity.thresholds import Thresholds
from elsa_groups.similarity.users import Users


@dataclass(frozen=True)
class RunFigure:
    """A figure of a run, and what is said of it.

    Attributes
    ----------
    name : str
        File name, without its ending.
    title : str
        What it says at its top.
    alt : str
        What it shows, in a sentence or two, for who does not see it.
    figure : Figure
        The figure.
    """

    name: str
    title: str
    alt: str
    figure: Figure

    @classmethod
    def of(cls, name: str, figure: Figure, alt: str) -> "RunFigure":
        """Take the title from the figure."""
        return cls(name, figure.get_suptitle(), alt, figure)


def figures_of(
    users: Users,
    vectors: NDArray[np.float32],
    results: Sequence[Result],
    thresholds: Thresholds,
    *,
    threads: int = 1,
) -> Iterator[RunFigure]:
    """Yield the figures of a run in the order in which to look at them.

    ``pairs``, ``similarity``, ``within_across`` where a key has subgroups with pairs,
    ``recommendation_overlap`` where something recommends, ``overlap``, ``participation``, ``map``; without
    keys only the first and the last.

    Parameters
    ----------
    users : Users
        What users are compared by, whose numbers members of groups are.
    vectors : (n_users, dim) float32
        Their embeddings, for the map.
    results : sequence of Result
        The groups of every key.
    thresholds : Thresholds
        What similar and divergent meant.
    threads : int
        Workers; no figure depends on it.

    Notes
    -----
    Cost: ``n_users * dim**2`` multiply-adds for the map, a million dot products for the pairs, and about half
    a second for each figure.
    """
    limits = {"similar": thresholds.similar, "divergent": thresholds.divergent}
    pairs = count_pairs(users, thresholds.limits, threads=threads)
    yield RunFigure.of("pairs", draw_pairs(pairs), describe_pairs(pairs))
    if results:
        yield from _figures_of_keys(results, len(vectors), limits)
    places, examples = map_users(vectors), choose_examples(results)
    yield RunFigure.of("map", draw_map(places, examples), describe_map(places, examples))


def _figures_of_keys(
    results: Sequence[Result], n_users: int, limits: dict[str, float]
) -> Iterator[RunFigure]:
    summary = summarise_similarities(results, **limits)
    yield RunFigure.of("similarity", draw_similarities(summary), describe_similarities(summary))
    if sides := find_sides(results):
        yield RunFigure.of("within_across", draw_sides(sides, **limits), describe_sides(sides, **limits))
    if results[0].random_overlap is not None:
        overlaps = count_overlaps(results)
        yield RunFigure.of("recommendation_overlap", draw_overlaps(overlaps), describe_overlaps(overlaps))
    shared = count_pairs_sharing(results)
    yield RunFigure.of("overlap", draw_shared(shared), describe_shared(shared))
    keys = [count_participation(result.groups.key, result.groups.members, n_users) for result in results]
    yield RunFigure.of("participation", draw_participation(keys), describe_participation(keys, n_users))


def save_pictures(folder: Path, figures: Iterable[RunFigure]) -> list[Picture]:
    """Write figures, each to ``<name>.png``; return them as a page shows them."""
    pictures = []
    for shown in figures:
        png = folder / f"{shown.name}.png"
        save_png(shown.figure, png)
        pictures.append(Picture(shown.title, shown.alt, png.read_bytes()))
    return pictures
