"""Metrics of several runs: over each numeric setting that differs, or run by run where none does."""

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from elsa_groups.commands.compare.comparison import RunsComparison
from elsa_groups.commands.compare.looks import (
    Look,
    dot_legend,
    key_legend,
    looks_of,
    marker_legend,
    markers_of,
)
from elsa_groups.commands.compare.variation import Varying, say_value
from elsa_groups.measures.statistics import STATISTICS
from elsa_groups.report.figures.run import RunFigure
from elsa_groups.report.figures.style import (
    INK,
    add_figure_legend,
    default_settings,
    name_axes,
    name_panel,
    new_figure,
    say_keys,
    settle,
)
from elsa_groups.report.text_tables import shorten

# A figure for each of the first of them; the tables have all.
FIGURES_UP_TO = 4
# Rows of runs that one still looks at.
DOTS_UP_TO = 40
NAMES = {
    **{statistic.name: statistic.label for statistic in STATISTICS if statistic.metric},
    "threshold/similar": "similar threshold",
    "threshold/divergent": "divergent threshold",
}
_SHARES = tuple(statistic.name for statistic in STATISTICS if statistic.is_share)
# Falls by orders of magnitude.
_MAGNITUDES = ("acceptance_rate",)
# The baseline is the same whatever is set, but for the size of groups.
_NOT_DRAWN = ("similarity_random",)
# Letters of a row's label, beside half the width of a figure.
_ROW_LETTERS = 16
_COLUMNS = 2
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


def _drawn(comparison: RunsComparison) -> list[str]:
    """Return the metrics that have a panel: those that some key has."""
    return [
        metric
        for metric in comparison.metrics
        if metric not in _NOT_DRAWN
        and any(run.value(key, metric) is not None for run in comparison.runs for key in comparison.keys)
    ]


@default_settings()
def draw_trend(comparison: RunsComparison, setting: Varying) -> Figure:
    """Draw a panel for each metric over a setting: a line for each key, and for each value of the others."""
    metrics = [*_drawn(comparison), *comparison.runs[0].limits]
    figure, panels = new_figure(
        shorten(f"Over {setting.name}", 60), len(metrics), columns=_COLUMNS, panel_height=1.35
    )
    looks, others = looks_of(comparison), _others(comparison, setting)
    markers = markers_of(others)
    for axes, metric in zip(panels, metrics, strict=True):
        name_panel(axes, NAMES.get(metric, metric), _COLUMNS)
        for values, runs in others.items():
            marker = markers.get(values, "o")
            for key, look in _lines(metric, looks).items():
                points = [(setting.values[run], _value(comparison, run, key, metric)) for run in runs]
                _draw_line(axes, [(x, y) for x, y in points if y is not None], look, marker)
        axes.margins(y=0.12)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _scale_values(axes, "y", metric)
    name_axes(figure, _say_settings(comparison, setting, has_markers=bool(markers)))
    add_figure_legend(figure, [*key_legend(looks), *marker_legend(markers)], _LEGEND_COLUMNS)
    settle(figure)
    return figure


def _draw_line(axes: Axes, points: list[tuple[float, float]], look: Look, marker: str) -> None:
    if points:
        axes.plot(
            *zip(*sorted(points), strict=True), color=look.color, linestyle=look.line, linewidth=1.3,
            marker=marker, markersize=3.5, markeredgewidth=0,
        )  # fmt: skip


def _say_settings(comparison: RunsComparison, setting: Varying, *, has_markers: bool) -> str:
    """Name the setting of the horizontal axis, those that move along with it, and those of the markers."""
    along = [other.short for other in _moving_along(comparison, setting)]
    said = "\nand with it ".join([setting.name, *along])
    if has_markers:
        names = ", ".join(other.short for other in _apart(comparison, setting))
        said += f"\nmarkers: {shorten(names, 52)}"
    return said


def _value(comparison: RunsComparison, run: int, key: str, metric: str) -> float | None:
    compared = comparison.runs[run]
    limits = compared.limits
    return limits[metric] if metric in limits else compared.value(key, metric)


def _lines(metric: str, looks: dict[str, Look]) -> dict[str, Look]:
    """Return whose lines a panel has; a threshold is no key's."""
    return {"": Look(INK, "solid", "o")} if metric.startswith("threshold/") else looks


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
    if metric in _MAGNITUDES:
        axes.set(**{f"{which}scale": "log"})
        axis.set_major_locator(LogLocator(numticks=5))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(4 if which == "x" else 5))
    if metric in _SHARES:
        axis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")


def describe_trend(comparison: RunsComparison, setting: Varying) -> str:
    """Say in words and numbers what :func:`draw_trend` shows: ends of the longest of the lines of a key."""
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
    return (
        f"Lines of {len(_drawn(comparison))} metrics and both thresholds over {setting.name} from {low} to"
        f" {high}, for {say_keys(comparison.keys)} and {len(comparison.runs)} runs.{similarity}"
    )


@default_settings()
def draw_runs(comparison: RunsComparison) -> Figure:
    """Draw a panel for each metric with a row for each run, in which every key has a mark."""
    metrics = _drawn(comparison)
    n_runs = len(comparison.runs)
    figure, panels = new_figure(
        "Metrics of each run", len(metrics), columns=_COLUMNS, panel_height=0.55 + 0.2 * n_runs,
        sharex=False, sharey=True,
    )  # fmt: skip
    looks = looks_of(comparison)
    for axes, metric in zip(panels, metrics, strict=True):
        name_panel(axes, NAMES.get(metric, metric), _COLUMNS)
        for key, look in looks.items():
            points = [(run.value(key, metric), row) for row, run in enumerate(comparison.runs)]
            defined = [(value, row) for value, row in points if value is not None]
            if defined:
                axes.plot(
                    *zip(*defined, strict=True), color=look.color, linestyle="none", marker=look.marker,
                    markersize=4.5, markeredgecolor="white", markeredgewidth=0.4,
                )  # fmt: skip
        axes.set_yticks(range(n_runs), [shorten(label, _ROW_LETTERS) for label in comparison.labels])
        axes.set_ylim(n_runs - 0.5, -0.5)
        axes.margins(x=0.06)
        _scale_values(axes, "x", metric)
    name_axes(figure, "", "run")
    add_figure_legend(figure, dot_legend(looks), _LEGEND_COLUMNS)
    settle(figure)
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
        f"Marks of {len(_drawn(comparison))} metrics in a row for each of {len(comparison.runs)} runs, for"
        f" {say_keys(comparison.keys)}. Mean similarity over runs: {', '.join(means)}."
    )
