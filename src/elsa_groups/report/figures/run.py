"""The figures of a run, drawn and written."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from elsa_groups.base.files import write_json
from elsa_groups.report.figures.data import Histogram, Overlaps, PairSimilarities, Shown, Similarities
from elsa_groups.report.figures.histogram import describe_histogram, draw_histogram
from elsa_groups.report.figures.pairs import describe_pairs, draw_pairs
from elsa_groups.report.figures.recommendation_overlap import describe_overlaps, draw_overlaps
from elsa_groups.report.figures.similarity import describe_similarities, draw_similarities
from elsa_groups.report.figures.style import save_png, save_svg
from elsa_groups.report.pictures import Picture


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


def draw(shown: Shown) -> RunFigure:
    """Draw what a figure shows."""
    match shown:
        case Similarities():
            return RunFigure.of("similarity", draw_similarities(shown), describe_similarities(shown))
        case Overlaps(rows):
            return RunFigure.of("recommendation_overlap", draw_overlaps(rows), describe_overlaps(rows))
        case PairSimilarities():
            return RunFigure.of("pairs", draw_pairs(shown), describe_pairs(shown))
        case Histogram():
            return RunFigure.of(shown.key, draw_histogram(shown), describe_histogram(shown))


def save_shown(folder: Path, shown: Shown) -> Picture:
    """Draw a figure into the folder of its kind, ``figures`` or ``histograms``; the latter as JSON, too."""
    if isinstance(shown, Histogram):
        folder = folder / "histograms"
        write_json(folder / f"{shown.key}.json", shown.as_dict())
    else:
        folder = folder / "figures"
    return save_picture(folder, draw(shown))


def save_picture(folder: Path, shown: RunFigure) -> Picture:
    """Write a figure to ``<name>.png`` and ``<name>.svg``; return it as a page shows it."""
    svg = folder / f"{shown.name}.svg"
    save_png(shown.figure, svg.with_suffix(".png"))
    save_svg(shown.figure, svg)
    return Picture(shown.name, shown.title, shown.alt, svg.read_text(encoding="utf-8"))


def save_pictures(folder: Path, figures: Iterable[RunFigure]) -> list[Picture]:
    """Write figures, each as PNG and SVG; return them as a page shows them."""
    return [save_picture(folder, shown) for shown in figures]
