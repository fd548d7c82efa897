"""Several groups runs beside each other: the settings that differ, and what came of them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.words import as_cell, say_numbers
from elsa_groups.commands.compare.differing_settings import (
    Variation,
    Varying,
    find_variation,
    order_of_runs,
    say_value,
)
from elsa_groups.commands.compare.orders import RankedRuns, rank_runs
from elsa_groups.commands.compare.strictest import breaking_share, strictest_limits
from elsa_groups.commands.evaluate.leaders import Order
from elsa_groups.groups.family import has_rule
from elsa_groups.measures.statistics import METRICS, STATISTIC
from elsa_groups.record.schema import limits_of
from elsa_groups.report.cautions import Caution
from elsa_groups.report.tables import Row, mlflow_table
from elsa_groups.report.text_tables import aligned, shorten
from elsa_groups.similarity.limits import Limits

_LIMITS = ("similar", "divergent")
# In the rows: the share of groups that break their rule at the strictest thresholds of all runs.
BROKEN_AT_STRICTEST = "wrong_pair_share_strictest"
# What a type without a rule has none of, though older runs logged it.
_OF_RULES = ("wrong_pair_share", BROKEN_AT_STRICTEST)
_LABEL_LENGTH = 24
# Settings that have a column of their own beside all metrics.
COLUMNS_UP_TO = 4
_TERMINAL_WIDTH, _KEY_LENGTH = 80, 20
_TERMINAL_METRICS = (
    ("similarity", STATISTIC["similarity_mean"]),
    ("within", STATISTIC["within_mean"]),
    ("across", STATISTIC["across_mean"]),
    ("break the rule", STATISTIC["wrong_pair_share"]),
)


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """What a comparison needs of a groups run.

    Attributes
    ----------
    run_id, name : str
        Which run.
    lineage : mapping
        Its lineage record.
    rows : mapping of str to Row
        Its summary by type.
    metrics : mapping of str to float
        Everything that was logged of it, by whom it may be; ``<key>/<name>`` is of a type.
    extremes : mapping of str to mapping of str to (n_groups,) float64
        By key the extremes of the pairs of its groups; empty where the run has none.
    orders : mapping of str to Order, optional
        By family and type the order of aggregators; None where the run has no evaluation.
    """

    run_id: str
    name: str
    lineage: Mapping[str, Any]
    rows: Mapping[str, Row]
    metrics: Mapping[str, float]
    extremes: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)
    orders: Mapping[str, Order] | None = None

    @property
    def limits(self) -> dict[str, float]:
        """Both thresholds, by the names of their metrics."""
        return {f"threshold/{name}": float(self.lineage["thresholds"][name]) for name in _LIMITS}

    def rules(self, key: str) -> Mapping[str, Any]:
        """Return the names of the rules ``within`` and ``across`` of a type; empty if the record has none."""
        families: Mapping[str, Mapping[str, Any]] = self.lineage["settings"].get("families", {})
        return families.get(self.lineage["groups"].get(key, {}).get("family"), {})

    def value(self, key: str, metric: str) -> float | None:
        """Return a metric of a type, the summary's where it has one; None where it is undefined."""
        if metric in _OF_RULES and not has_rule(self.rules(key)):
            return None
        found = self.rows.get(key, {}).get(metric, self.metrics.get(f"{key}/{metric}"))
        return None if found is None else float(found)


@dataclass(frozen=True, eq=False)
class RunsComparison:
    """Groups runs in the order of their settings, and where they differ; made by :func:`compare_groups_runs`.

    Attributes
    ----------
    runs : tuple of ComparedRun
        The runs; what is shown numbers them from 1 in this order.
    variation : Variation
        Where their records differ; values are in the same order.
    strictest : Limits or None
        The strictest thresholds of any run, by which all are judged, too; None where all have the same, or
        where those of different data or models cannot be compared.
    """

    runs: tuple[ComparedRun, ...]
    variation: Variation
    strictest: Limits | None = None

    @cached_property
    def families(self) -> dict[str, str]:
        """The family of every type that a run has, by type."""
        return {key: group["family"] for run in self.runs for key, group in run.lineage["groups"].items()}

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that a run has, in the order of the runs."""
        return tuple(self.families)

    @cached_property
    def all_metrics(self) -> tuple[str, ...]:
        """What a run has of a group type: statistics of this project, then metrics of others by name."""
        there = {name for run in self.runs for row in run.rows.values() for name in row}
        logged = {
            name.rpartition("/")[2]
            for run in self.runs
            for name in run.metrics
            if name.rpartition("/")[0] in self.families
        }
        own = (*STATISTIC, BROKEN_AT_STRICTEST)
        return (*(name for name in own if name in there), *sorted(logged - {*own}))

    @cached_property
    def ranked(self) -> list[RankedRuns]:
        """The orders of aggregators of runs that have an evaluation, by family and type."""
        return rank_runs([run.orders for run in self.runs])

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those that are shown: what this project logs, beside random groups, and what others logged."""
        shown = {*METRICS, "similarity_random", BROKEN_AT_STRICTEST}
        return tuple(name for name in self.all_metrics if name in shown or name not in STATISTIC)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A short label of each run: its number, and its settings if they are few, or else its name."""
        return tuple(self._label(position) for position in range(len(self.runs)))

    def _label(self, position: int) -> str:
        text = ", ".join(say_value(setting.values[position]) for setting in self.told_settings)
        if not text or len(text) > _LABEL_LENGTH:
            text = self.runs[position].name
        return f"{position + 1}: {shorten(text, _LABEL_LENGTH)}"

    @cached_property
    def told_settings(self) -> tuple[Varying, ...]:
        """The settings that differ; of those with the same values in every run the first one alone."""
        first: dict[tuple[str, ...], Varying] = {}
        for setting in self.variation.settings:
            first.setdefault(tuple(map(say_value, setting.values)), setting)
        return tuple(first.values())


def compare_groups_runs(runs: Sequence[ComparedRun]) -> RunsComparison:
    """Order runs by the settings that differ, and say where they differ; the order given is of no effect."""
    by_name = sorted(runs, key=lambda run: (run.name, run.run_id))
    settings = find_variation([run.lineage for run in by_name]).settings
    ordered = tuple(by_name[position] for position in order_of_runs(settings, len(by_name)))
    variation = find_variation([run.lineage for run in ordered])
    strictest = strictest_limits([limits_of(run.lineage["thresholds"]) for run in ordered])
    if strictest is None or variation.sources:
        return RunsComparison(ordered, variation)
    return RunsComparison(tuple(_judge(run, strictest) for run in ordered), variation, strictest)


def _judge(run: ComparedRun, limits: Limits) -> ComparedRun:
    """Return a run whose rows have the share of groups that break their rule at some thresholds."""
    rows = dict(run.rows)
    for key, extremes in run.extremes.items():
        rules = run.rules(key)
        if extremes and rules:
            rows[key] = {**rows[key], BROKEN_AT_STRICTEST: breaking_share(extremes, rules, limits)}
    return replace(run, rows=rows)


def comparison_cautions(comparison: RunsComparison) -> tuple[Caution, ...]:
    """Return what a reader must know before looking at settings: that data or model are not the same."""
    found = []
    if runs := _apart(comparison.variation, "data.digest"):
        text = f"Those of {runs} differ, and what came may be due to them rather than to any setting."
        found.append(Caution("The data are not the same", text))
    if runs := _apart(comparison.variation, "parent.checkpoint_sha256"):
        text = (
            f"Those of {runs} differ. Similarities of different embeddings have no scale in common: compare"
            " each with random groups of its own run."
        )
        found.append(Caution("The models are not the same", text))
    return tuple(found)


def _apart(variation: Variation, name: str) -> str:
    """Name runs that have one and the same source together; nothing if all have."""
    runs: dict[str, list[int]] = {}
    for entry in variation.sources:
        if entry.name == name:
            for number, value in enumerate(entry.values, start=1):
                runs.setdefault(value, []).append(number)
    said = [f"run{'s' if len(n) > 1 else ''} {say_numbers(n)}" for n in runs.values()]
    return " and of ".join(said)


def explain_counts(comparison: RunsComparison) -> str:
    """Say by which thresholds it was counted which groups break their rule."""
    own = "A group breaks the rule where a pair is on the wrong side of its run's own threshold"
    limits = comparison.strictest
    if limits is None:
        return f"{own}."
    return (
        f"{own}; at the strictest, where it is by those of any run: similar from {limits.similar:.4f},"
        f" divergent up to {limits.divergent:.4f}."
    )


def comparison_csv(comparison: RunsComparison) -> str:
    """Return one line a run and group type: which, the settings that differ, thresholds and metrics.

    Columns: ``run_id``, ``run_name``, ``key``, ``conf.<path>``, ``threshold/similar``,
    ``threshold/divergent``, then metrics by name; empty where a value is undefined.
    """
    settings = comparison.variation.settings
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = ["run_id", "run_name", "key", *(f"conf.{setting.name}" for setting in settings)]
    writer.writerow([*columns, *comparison.runs[0].limits, *comparison.all_metrics])
    for position, run in enumerate(comparison.runs):
        values = [as_cell(say_value(setting.values[position])) for setting in settings]
        for key in run.lineage["groups"]:
            measured = [run.value(key, metric) for metric in comparison.all_metrics]
            which = [run.run_id, as_cell(run.name), key]
            writer.writerow([*which, *values, *run.limits.values(), *measured])
    return file.getvalue()


def settings_table(comparison: RunsComparison) -> dict[str, list[Any]]:
    """Return MLflow's table of one row a run: all that differs between their records."""
    variation = comparison.variation
    entries = [Varying(f"conf.{entry.name}", entry.values) for entry in variation.settings]
    entries += [*variation.sources, *variation.surroundings]
    rows: list[Row] = []
    for position, run in enumerate(comparison.runs):
        which = {"run": position + 1, "run_id": run.run_id, "run_name": run.name}
        rows.append(which | {e.name: say_value(e.values[position]) for e in entries} | run.limits)
    return mlflow_table(rows)


def comparison_table(comparison: RunsComparison) -> str:
    """Return the comparison as plain tables for the terminal, at most 80 columns wide.

    First the runs with as many of the settings that differ as fit, then group types against as many runs.
    """
    tables = [f"{caution.title}: {caution.text}" for caution in comparison_cautions(comparison)]
    tables.append(_runs_table(comparison))
    shown = comparison.runs[: (_TERMINAL_WIDTH - _KEY_LENGTH) // 8]
    for title, statistic in _TERMINAL_METRICS:
        rows = [[title, *(str(n + 1) for n in range(len(shown)))]]
        for key in comparison.keys:
            values = [run.value(key, statistic.name) for run in shown]
            if any(value is not None for value in values):
                said = ["-" if value is None else statistic.format.format(value) for value in values]
                rows.append([shorten(key, _KEY_LENGTH), *said])
        if len(rows) > 1:
            tables.append("\n".join(aligned(rows)))
    if len(shown) < len(comparison.runs):
        tables.append(f"{len(comparison.runs) - len(shown)} more runs are in comparison.csv")
    return "\n\n".join(tables)


def _runs_table(comparison: RunsComparison) -> str:
    """Return a line a run: its number, the settings that differ, or else its name, and its id."""
    ids = ["id", *(run.run_id for run in comparison.runs)]
    columns = [["run", *(str(n + 1) for n in range(len(comparison.runs)))], ids]
    for setting in comparison.told_settings:
        told = [setting.short, *(shorten(say_value(value), _KEY_LENGTH) for value in setting.values)]
        if sum(max(map(len, column)) + 2 for column in (*columns, told)) <= _TERMINAL_WIDTH + 2:
            columns.insert(-1, told)
    left = len(comparison.told_settings) - (len(columns) - 2)
    if len(columns) == 2:
        columns.insert(-1, ["name", *(shorten(run.name, 2 * _KEY_LENGTH) for run in comparison.runs)])
    lines = "\n".join(aligned([list(row) for row in zip(*columns, strict=True)], left=(0, len(columns) - 1)))
    return lines if not left else f"{lines}\nsettings that differ too, in the report: {left}"
