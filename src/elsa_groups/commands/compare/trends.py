"""Metrics of several runs: over each numeric setting that differs, or run by run where none does."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from elsa_groups.commands.compare.comparison import (
    BROKEN_AT_STRICTEST,
    ComparedRun,
    RunsComparison,
    explain_counts,
)
from elsa_groups.commands.compare.differing_settings import Varying, say_value
from elsa_groups.commands.compare.lines import Line, Point, draw_line, name_ends, names_width, tick_values
from elsa_groups.commands.compare.looks import dot_legend, looks_of, marker_legend, markers_of
from elsa_groups.measures.statistics import STATISTIC
from elsa_groups.report.figures.run import RunFigure
from elsa_groups.report.figures.style import (
    LINE_HEIGHT,
    SMALL_SIZE,
    Room,
    add_figure_legend,
    default_settings,
    legend_height,
    name_axes,
    name_panel,
    new_figure,
    say_types,
    text_width,
)
from elsa_groups.report.text_tables import shorten

# A figure for each of the first of them; the tables have all.
FIGURES_UP_TO = 4
# Rows of runs that one still looks at.
DOTS_UP_TO = 40
# What has a panel, beside groups that break the rule and what others logged: a title, and the metrics in it,
# the second hollow.
PANELS = (
    ("mean similarity", ("similarity_mean",)),
    ("within (filled) and across (hollow)", ("within_mean", "across_mean")),
    ("overlap@20", ("recommendation_overlap_at_20_mean",)),
)
# Where runs have different thresholds, all are judged by the same ones.
_BREAKING = ("groups that break the rule", ("wrong_pair_share",))
_BREAKING_STRICTEST = ("break the rule at the strictest thresholds", (BROKEN_AT_STRICTEST,))
# Letters of a row's label.
_ROW_LETTERS = 20
_LEGEND_COLUMNS = 3


def metric_figures(comparison: RunsComparison) -> list[RunFigure]:
    """Return a figure for each numeric setting that some runs differ in alone; or one with a row each run.

    Numeric settings that change along with another one, as both quantiles may, are told by its figure.
    """
    figures: list[RunFigure] = []
    told: set[str] = set()
    for setting in comparison.variation.settings:
        if not setting.is_numeric or setting.name in told or len(figures) == FIGURES_UP_TO:
            continue
        told |= {other.name for other in _moving_along(comparison, setting)}
        if any(
            len({setting.values[run] for run in runs}) > 1 for runs in _others(comparison, setting).values()
        ):
            alt = describe_trend(comparison, setting)
            figures.append(RunFigure.of(f"over_{setting.name}", draw_trend(comparison, setting), alt))
    if not figures and len(comparison.runs) <= DOTS_UP_TO:
        figures.append(RunFigure.of("runs", draw_runs(comparison), describe_runs(comparison)))
    return figures


def _moving_along(comparison: RunsComparison, setting: Varying) -> list[Varying]:
    """Return the other numeric settings that say the same of every run: one value each for one of this."""
    return [
        other
        for other in comparison.variation.settings
        if other.is_numeric
        and other.name != setting.name
        and len({*zip(setting.values, other.values, strict=True)})
        == len({*setting.values})
        == len({*other.values})
    ]


def _panels(comparison: RunsComparison) -> list[tuple[str, tuple[str, ...]]]:
    """Return the panels of which some type has a metric; what others logged has one each."""
    breaking = _BREAKING_STRICTEST if BROKEN_AT_STRICTEST in comparison.all_metrics else _BREAKING
    own = (*PANELS, breaking)
    known = {*STATISTIC, BROKEN_AT_STRICTEST}
    others = [(metric, (metric,)) for metric in comparison.metrics if metric not in known]
    there = {
        metric
        for run in comparison.runs
        for key in comparison.keys
        for _, metrics in (*own, *others)
        for metric in metrics
        if run.value(key, metric) is not None
    }
    return [(title, metrics) for title, metrics in (*own, *others) if there.intersection(metrics)]


@default_settings()
def draw_trend(comparison: RunsComparison, setting: Varying) -> Figure:
    """Draw panels over a setting: a line for each type and each value of the others, with 95% intervals."""
    panels, others = _panels(comparison), _others(comparison, setting)
    markers = markers_of(others)
    said = _say_settings(comparison, setting, has_markers=bool(markers))
    room = replace(_room(len(markers), said), right=names_width(comparison.keys))
    height = max(1.2, LINE_HEIGHT * (len(comparison.keys) + 1))
    figure, drawn = new_figure(shorten(f"Over {setting.name}", 46), len(panels), room, panel_height=height)
    for axes, (title, metrics) in zip(drawn, panels, strict=True):
        name_panel(axes, title)
        named: dict[tuple[str, str], Line] = {}
        for metric in metrics:
            for line in _lines(comparison, setting, metric, hollow=metric != metrics[0]):
                draw_line(axes, line)
                # Of several lines of a type the one that ends furthest to the right is named.
                before = named.get((line.name, metric))
                if before is None or line.points[-1].x >= before.points[-1].x:
                    named[line.name, metric] = line
        axes.margins(x=0.04, y=0.12)
        _scale_values(axes, "y", metrics[0])
        tick_values(axes, [float(value) for value in setting.values], written=axes is drawn[-1])
        name_ends(axes, list(named.values()))
    name_axes(figure, said)
    if markers:
        add_figure_legend(figure, marker_legend(markers), _LEGEND_COLUMNS)
    return figure


def _room(n_entries: int, below: str, left: float = 0.55) -> Room:
    """Return the room for a legend and for what is said of the axis in common."""
    head = (legend_height(-(-n_entries // _LEGEND_COLUMNS)) if n_entries else 0.0) + LINE_HEIGHT + 0.05
    return Room(left=left, head=head, between=0.36, foot=0.3 + LINE_HEIGHT * (1 + below.count("\n")))


def _lines(comparison: RunsComparison, setting: Varying, metric: str, *, hollow: bool) -> Iterator[Line]:
    """Yield the lines of a panel: of every type, and of every value of the other settings."""
    looks, others = looks_of(comparison), _others(comparison, setting)
    markers = markers_of(others)
    for values, runs in others.items():
        for key, look in looks.items():
            points = _points(comparison, setting, runs, key, metric)
            if points:
                yield Line(key, points, look, markers.get(values, "o"), hollow)


def _interval(run: ComparedRun, key: str, metric: str) -> tuple[float, float] | None:
    low, high = (run.value(key, f"{metric.removesuffix('_mean')}_{end}") for end in ("low", "high"))
    return None if low is None or high is None else (low, high)


def _points(
    comparison: RunsComparison, setting: Varying, runs: Sequence[int], key: str, metric: str
) -> list[Point]:
    """Return what runs have of a metric, in the order of the setting."""
    points = []
    for run in runs:
        compared = comparison.runs[run]
        mean = compared.value(key, metric)
        if mean is not None:
            points.append(Point(float(setting.values[run]), mean, _interval(compared, key, metric)))
    return sorted(points, key=lambda point: point.x)


def _say_settings(comparison: RunsComparison, setting: Varying, *, has_markers: bool) -> str:
    """Name the setting of the horizontal axis, those that move along with it, and those of the markers."""
    along = [other.short for other in _moving_along(comparison, setting)]
    said = "\nand with it ".join([setting.name, *along])
    if has_markers:
        names = ", ".join(other.short for other in _apart(comparison, setting))
        said += f"\nmarkers: {shorten(names, 52)}"
    return said


def _apart(comparison: RunsComparison, setting: Varying) -> list[Varying]:
    """Return the other settings that differ and do not move along, each told once."""
    along = {setting.name, *(other.name for other in _moving_along(comparison, setting))}
    return [other for other in comparison.told_settings if other.name not in along]


def _others(comparison: RunsComparison, setting: Varying) -> dict[str, list[int]]:
    """Group runs by the values of all settings that stay apart, written in short."""
    groups: dict[str, list[int]] = {}
    for run in range(len(comparison.runs)):
        text = ", ".join(say_value(other.values[run]) for other in _apart(comparison, setting))
        groups.setdefault(text, []).append(run)
    return groups


def _scale_values(axes: Axes, which: Literal["x", "y"], metric: str) -> None:
    """Scale the axis that a metric is read from."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(5))
    if metric == BROKEN_AT_STRICTEST or (metric in STATISTIC and STATISTIC[metric].is_share):
        axis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")


def describe_trend(comparison: RunsComparison, setting: Varying) -> str:
    """Say in words and numbers what :func:`draw_trend` shows: ends of the longest line of each type."""
    low, high = (say_value(end(setting.values)) for end in (min, max))
    # Between runs that differ in anything else, too, no line is drawn.
    line = max(_others(comparison, setting).values(), key=lambda runs: len({setting.values[n] for n in runs}))
    line = sorted(line, key=lambda run: float(setting.values[run]))
    moves = []
    for key in comparison.keys:
        ends = [comparison.runs[run].value(key, "similarity_mean") for run in (line[0], line[-1])]
        if ends[0] is not None and ends[1] is not None:
            moves.append(f"{key} from {ends[0]:.3f} to {ends[1]:.3f}")
    which = f"from run {line[0] + 1} to run {line[-1] + 1}"
    similarity = f" Mean similarity {which}: {'; '.join(moves)}." if moves else ""
    strictest = f" {explain_counts(comparison)}" if comparison.strictest else ""
    return (
        f"Lines over {setting.name} from {low} to {high}, for {say_types(comparison.keys)} and"
        f" {len(comparison.runs)} runs.{similarity}{_say_unmoved(comparison, line)}{strictest}"
    )


def _say_unmoved(comparison: RunsComparison, line: Sequence[int]) -> str:
    """Name the types whose mean similarity the setting moves no further than chance does."""
    unmoved = []
    for key in comparison.keys:
        found = [_interval(comparison.runs[run], key, "similarity_mean") for run in line]
        known = [ends for ends in found if ends is not None]
        if len(known) == len(line) > 1 and max(low for low, _ in known) <= min(high for _, high in known):
            unmoved.append(key)
    said = "no dependence on the setting can be told, as all 95% intervals overlap"
    return f" For {', '.join(unmoved)} {said}." if unmoved else ""


@default_settings()
def draw_runs(comparison: RunsComparison) -> Figure:
    """Draw panels with a row for each run, in which every group type has a mark."""
    panels, looks, n_runs = _panels(comparison), looks_of(comparison), len(comparison.runs)
    labels = [shorten(label, _ROW_LETTERS) for label in comparison.labels]
    left = 0.12 + max(text_width(label, SMALL_SIZE) for label in labels)
    figure, drawn = new_figure(
        "Metrics of each run", len(panels), _room(len(looks), "", left), panel_height=0.35 + 0.2 * n_runs
    )
    for axes, (title, metrics) in zip(drawn, panels, strict=True):
        name_panel(axes, title)
        for metric in metrics:
            for key, look in looks.items():
                points = [(run.value(key, metric), row) for row, run in enumerate(comparison.runs)]
                defined = [(value, row) for value, row in points if value is not None]
                if defined:
                    hollow = metric != metrics[0]
                    axes.plot(
                        *zip(*defined, strict=True), linestyle="none", marker=look.marker, markersize=4.5,
                        markeredgecolor=look.color if hollow else "white",
                        markeredgewidth=1.0 if hollow else 0.4,
                        markerfacecolor="white" if hollow else look.color,
                    )  # fmt: skip
        axes.set_yticks(range(n_runs), labels)
        axes.set_ylim(n_runs - 0.5, -0.5)
        axes.margins(x=0.06)
        _scale_values(axes, "x", metrics[0])
    add_figure_legend(figure, dot_legend(looks), _LEGEND_COLUMNS)
    return figure


def describe_runs(comparison: RunsComparison) -> str:
    """Say in words and numbers what :func:`draw_runs` shows."""
    means = []
    for key in comparison.keys:
        values = [run.value(key, "similarity_mean") for run in comparison.runs]
        defined = [value for value in values if value is not None]
        if defined:
            means.append(f"{key} {min(defined):.3f} to {max(defined):.3f}")
    return (
        f"Marks in a row for each of {len(comparison.runs)} runs, for {say_types(comparison.keys)}."
        f" Mean similarity over runs: {', '.join(means)}."
    )
