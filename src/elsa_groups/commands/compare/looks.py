"""How group types and settings look in the figures of a comparison, and the legends that say so."""

from dataclasses import dataclass
from typing import Any

from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from elsa_groups.commands.compare.comparison import RunsComparison
from elsa_groups.groups.family import has_rule
from elsa_groups.report.colors import BLUE, GREEN, GREY, INK, ORANGE
from elsa_groups.report.figures.style import DASHED, DOTTED
from elsa_groups.report.text_tables import shorten

# Okabe and Ito's others, after those that the families of the notebook have.
_COLORS = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#E69F00", INK)
_LINES = ("solid", DASHED, DOTTED, (0, (5, 1.5, 1, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Look:
    """How a group type is drawn: its family's colour, and a line and a marker for its sizes."""

    color: str
    line: Any
    marker: str


def looks_of(comparison: RunsComparison) -> dict[str, Look]:
    """Return the look of each group type; families that ask for nothing are grey."""
    families = list(dict.fromkeys(comparison.families.values()))
    asking = [family for family in families if not _asks_nothing(comparison, family)]
    colors = {family: _COLORS[number % len(_COLORS)] for number, family in enumerate(asking)}
    looks, sizes = {}, dict.fromkeys(families, 0)
    for key, family in comparison.families.items():
        number = sizes[family]
        sizes[family] += 1
        looks[key] = Look(
            colors.get(family, GREY), _LINES[number % len(_LINES)], _MARKERS[number % len(_MARKERS)]
        )
    return looks


def _asks_nothing(comparison: RunsComparison, family: str) -> bool:
    rules = [run.lineage["settings"].get("families", {}).get(family) for run in comparison.runs]
    return all(rule is None or not has_rule(rule) for rule in rules)


def markers_of(others: dict[str, list[int]]) -> dict[str, str]:
    """Return a marker for the values of other settings, if there are any and not too many to tell apart."""
    if not 1 < len(others) <= len(_MARKERS):
        return {}
    return dict(zip(others, _MARKERS, strict=False))


def marker_legend(markers: dict[str, str]) -> list[Artist]:
    """Name the marker of each value of other settings."""
    return [_mark(INK, marker, shorten(values, 22)) for values, marker in markers.items()]


def dot_legend(looks: dict[str, Look]) -> list[Artist]:
    """Name the mark of each group type."""
    return [_mark(look.color, look.marker, shorten(key, 20)) for key, look in looks.items()]


def _mark(color: str, marker: str, label: str) -> Artist:
    return Line2D([], [], color=color, linestyle="none", marker=marker, markersize=4.5, label=label)
