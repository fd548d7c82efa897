"""The page of a comparison: one HTML file like that of a run, without network and script."""

from collections.abc import Mapping, Sequence

from elsa_groups import __version__
from elsa_groups.base.words import say_numbers
from elsa_groups.commands.compare.agreement import Agreement
from elsa_groups.commands.compare.comparison import (
    BROKEN_AT_STRICTEST,
    COLUMNS_UP_TO,
    RunsComparison,
    comparison_cautions,
    explain_counts,
)
from elsa_groups.commands.compare.differing_settings import say_value
from elsa_groups.commands.compare.orders import find_taus, say_conclusions
from elsa_groups.commands.compare.ranks import RANKS_FIGURE
from elsa_groups.measures.statistics import STATISTIC, columns_of
from elsa_groups.report.page import open_template
from elsa_groups.report.pictures import Picture, fitting
from elsa_groups.report.text_tables import shorten

# A row each in the table of every group type; the CSV has all.
ROWS_UP_TO = 100
# Letters of a value, in the table and above it.
_VALUE_LENGTH, _LONGEST = 28, 70
_FORMAT = "{:.4g}"


def render_comparison(
    comparison: RunsComparison,
    *,
    agreements: Mapping[str, Agreement],
    pictures: Sequence[Picture],
    command: str,
) -> str:
    """Return the page as HTML, the same for the same arguments.

    Parameters
    ----------
    comparison : RunsComparison
        The runs.
    agreements : mapping of str to Agreement
        What runs have in common, by group type; of some or of none.
    pictures : sequence of Picture
        Figures; those that fit are embedded.
    command : str
        What makes the comparison again.
    """
    shown = fitting(pictures)
    return open_template("comparison.html.jinja", "commands/compare").render(
        comparison=comparison,
        shown=comparison.runs[:ROWS_UP_TO],
        columns={key: _columns_of(comparison, key) for key in comparison.keys},
        rows={key: _rows_of(comparison, key) for key in comparison.keys},
        settings=comparison.told_settings[:COLUMNS_UP_TO],
        values=_values(comparison),
        explained=explain_counts(comparison),
        asked=[(s.name, " · ".join(_say_runs(s.values))) for s in comparison.variation.settings],
        sources=[(s.name, _say_runs(s.values)) for s in comparison.variation.sources],
        surroundings=[(s.name, _say_runs(s.values)) for s in comparison.variation.surroundings],
        cautions=comparison_cautions(comparison),
        agreements=agreements,
        pictures=[picture for picture in shown if picture.name != RANKS_FIGURE],
        rank_pictures=[picture for picture in shown if picture.name == RANKS_FIGURE],
        ranked=[
            (of, say_conclusions(of), find_taus(of, comparison.variation.settings))
            for of in comparison.ranked
        ],
        n_more_pictures=len(pictures) - len(shown),
        command=command,
        version=__version__,
    )


def _columns_of(comparison: RunsComparison, key: str) -> list[tuple[str, str, str]]:
    """Return metric, heading and format of what some run has of a type."""
    known = {metric: (metric, heading, form) for heading, metric, form in columns_of(*STATISTIC)}
    known[BROKEN_AT_STRICTEST] = (BROKEN_AT_STRICTEST, "at the\nstrictest", "{:.1%}")
    return [
        known.get(metric, (metric, metric.replace("_", "_\u200b"), _FORMAT))
        for metric in comparison.metrics
        if any(run.value(key, metric) is not None for run in comparison.runs)
    ]


def _rows_of(comparison: RunsComparison, key: str) -> list[dict[str, float]]:
    """Return what each run that is shown has of a type, by metric; what is undefined is left out."""
    rows = []
    for run in comparison.runs[:ROWS_UP_TO]:
        values = {metric: run.value(key, metric) for metric in comparison.metrics}
        rows.append({metric: value for metric, value in values.items() if value is not None})
    return rows


def _values(comparison: RunsComparison) -> list[list[str]]:
    """Return the settings of each run that have a column, as text."""
    settings = comparison.told_settings[:COLUMNS_UP_TO]
    return [
        [shorten(say_value(setting.values[run]), _VALUE_LENGTH) for setting in settings]
        for run in range(len(comparison.runs))
    ]


def _say_runs(values: Sequence[object]) -> list[str]:
    """Say which runs have which value, values in the order of the runs; alone if no two share one."""
    runs: dict[str, list[int]] = {}
    for number, value in enumerate(values, start=1):
        runs.setdefault(say_value(value), []).append(number)
    if len(runs) == len(values):
        return [shorten(text, _LONGEST) for text in runs]
    return [
        f"{shorten(text, _LONGEST)} (run{'s' if len(n) > 1 else ''} {say_numbers(n)})"
        for text, n in runs.items()
    ]
