"""The figures of a groups run, one after the other."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from elsa_groups.base.files import write_json
from elsa_groups.measures.statistics import Result
from elsa_groups.report.figures.histogram import (
    Histogram,
    count_similarities,
    describe_histogram,
    draw_histogram,
)
from elsa_groups.report.figures.pairs import count_pairs, describe_pairs, draw_pairs
from elsa_groups.report.figures.recommendation_overlap import describe_overlaps, draw_overlaps, overlap_rows
from elsa_groups.report.figures.similarity import describe_similarities, draw_similarities, similarity_rows
from elsa_groups.report.figures.style import save_png, save_svg
from elsa_groups.report.pictures import Picture
from elsa_groups.similarity.limits import Thresholds
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
    results: Sequence[Result],
    thresholds: Thresholds,
    *,
    without_rule: Collection[str] = (),
    threads: int = 1,
) -> Iterator[RunFigure]:
    """Yield the figures of a run in the order in which to look at them.

    ``similarity``, ``recommendation_overlap`` where something recommends, ``pairs``; without group types
    only the last one.

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
    limits = {"similar": thresholds.similar, "divergent": thresholds.divergent}
    if results:
        rows = similarity_rows(results, without_rule=without_rule)
        alt = describe_similarities(rows, **limits)
        yield RunFigure.of("similarity", draw_similarities(rows, **limits), alt)
        if results[0].random_overlap is not None:
            rows = overlap_rows(results)
            yield RunFigure.of("recommendation_overlap", draw_overlaps(rows), describe_overlaps(rows))
    pairs = count_pairs(users, thresholds.limits, threads=threads)
    yield RunFigure.of("pairs", draw_pairs(pairs), describe_pairs(pairs))


def histograms_of(results: Sequence[Result], thresholds: Thresholds) -> list[Histogram]:
    """Return the distribution of group similarity of every group type, all over the same bins."""
    return count_similarities(results, similar=thresholds.similar, divergent=thresholds.divergent)


def save_histogram(folder: Path, histogram: Histogram) -> Picture:
    """Write a histogram to ``<group type>.json``, ``.png`` and ``.svg``; return it as a page shows it."""
    write_json(folder / f"{histogram.key}.json", histogram.as_dict())
    figure = draw_histogram(histogram)
    return save_picture(folder, RunFigure.of(histogram.key, figure, describe_histogram(histogram)))


def save_picture(folder: Path, shown: RunFigure) -> Picture:
    """Write a figure to ``<name>.png`` and ``<name>.svg``; return it as a page shows it."""
    svg = folder / f"{shown.name}.svg"
    save_png(shown.figure, svg.with_suffix(".png"))
    save_svg(shown.figure, svg)
    return Picture(shown.name, shown.title, shown.alt, svg.read_text(encoding="utf-8"))


def save_pictures(folder: Path, figures: Iterable[RunFigure]) -> list[Picture]:
    """Write figures, each as PNG and SVG; return them as a page shows them."""
    return [save_picture(folder, shown) for shown in figures]
