"""Keys of groups made up for figures, and what is written in a figure."""

import struct
from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from elsa_groups.groups.groups import Accounting, Groups
from elsa_groups.measures.baselines import BaselineComparison, compare_with_baselines
from elsa_groups.measures.jackknife import find_interval
from elsa_groups.measures.overlap import measure_overlap
from elsa_groups.measures.registry import measures_of
from elsa_groups.measures.similarity import Quality
from elsa_groups.measures.statistics import Result
from elsa_groups.measures.tastes import Tastes


def make_result(
    key: str = "similar_3",
    n_groups: int = 75,
    *,
    n_users: int = 200,
    seed: int = 0,
    similarity: float | None = None,
    members: list[list[int]] | None = None,
) -> Result:
    """Return a key with its sizes, whose groups are random and as similar as is said."""
    rng = np.random.default_rng(seed)
    sizes = tuple(int(part) for part in key.split("_") if part.isdigit())
    if members is None:
        drawn = [rng.choice(n_users, sum(sizes), replace=False) for _ in range(n_groups)]
    else:
        drawn = members
    rows = np.array(drawn, np.int64)
    n = len(rows)

    def values(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, n) if similarity is None else np.full(n, similarity)

    nothing = np.full(n, np.nan)
    several = len(sizes) > 1
    quality = Quality(
        similarity=values(0.5, 0.9),
        within=values(0.7, 0.95) if several and max(sizes) > 1 else nothing,
        across=values(0.4, 0.6) if several else nothing,
        wrong_pairs=np.zeros(n, np.int64),
    )
    counts = np.ones(n, np.int64)
    baseline = rng.normal(0.55, 0.03, 100) if similarity is None else np.full(100, similarity)
    overlap = measure_overlap(rows, n_users=n_users, threshold=0.3)
    tastes = make_tastes(n, quality, rng)
    return Result(
        Groups(key, rows, sizes, Accounting(counts, counts, counts)), quality, overlap, baseline, 1.0,
        tastes, rng.binomial(60, 0.1, 100) / 60, make_evidence(quality, tastes), 0.0,
    )  # fmt: skip


def make_tastes(n_groups: int, quality: Quality, rng: np.random.Generator) -> Tastes:
    """Return tastes of groups with the sides that their quality has."""
    shares = rng.binomial(60, 0.3, (5, n_groups)) / 60
    sides = [
        np.where(np.isnan(of), np.nan, shares[i]) for i, of in enumerate((quality.within, quality.across))
    ]
    items = rng.integers(0, 5, (2, n_groups))
    return Tastes(
        shares[2], shares[3], *sides, shares[4], items[0], 100 + items[1], *rng.uniform(20, 40, (2, n_groups))
    )


def make_evidence(quality: Quality, tastes: Tastes) -> list[BaselineComparison]:
    """Return evidence where random groups measure half as much, and halves of users a tenth more or less."""
    measures = measures_of(quality, tastes)
    random = {name: values / 2 for name, values in measures.items()}
    intervals = {
        name: find_interval(values, values.mean() * np.array([0.9, 1.0, 1.1]), len(values))
        for name, values in measures.items()
    }
    return compare_with_baselines(measures, {"random": random, "as_active": random}, intervals)


def written(figure: Figure) -> list[tuple[Text, Bbox]]:
    """Everything that is written in a figure, and where."""
    figure.canvas.draw()
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title]
        # Ticks outside of the axes have labels, too, which are not drawn.
        texts += [tick.label1 for axis in (axes.xaxis, axes.yaxis) for tick in axis._update_ticks()]
        texts += axes.get_legend().get_texts() if axes.get_legend() else []
    # The titles of a figure and of what its axes have in common are among its texts.
    visible = [text for text in texts if text.get_visible() and text.get_text()]
    return [(text, text.get_window_extent()) for text in visible]


def check_writing(figure: Figure) -> None:
    """Nothing written meets anything else or leaves the figure, and all is large enough."""
    places = written(figure)
    for text, box in places:
        name = text.get_text()
        assert text.get_fontsize() >= 8.5, name
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, f"{name} leaves the figure"
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, f"{name} leaves the figure"
    for (one, a), (other, b) in combinations(places, 2):
        assert not a.overlaps(b), f"{one.get_text()} and {other.get_text()} overlap"


def png_size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", content[16:24])
