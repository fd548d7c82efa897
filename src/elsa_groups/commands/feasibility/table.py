"""What drawing would take, as rows of a table, on the terminal, and in words."""

import math
from collections.abc import Collection, Sequence

from elsa_groups.commands.feasibility.assessment import Estimate, Feasibility
from elsa_groups.commands.feasibility.loosening import Looser
from elsa_groups.report.tables import Row
from elsa_groups.report.text_tables import closing_table

# Of a key's row, what is logged as metrics.
METRICS = ("starting_share", "completing_share", "expected_draws", "log10_distinct_groups")
# Title in two lines, name in the row, format.
_COLUMNS = (
    ("", "verdict", "verdict", "{}"),
    ("can", "start", "starting_share", "{:.0%}"),
    ("more", "active", "starting_difference", "{:+.2f}"),
    ("second", "joins", "acceptance_first", "{:.1%}"),
    ("last", "joins", "acceptance_last", "{:.2%}"),
    ("draws", "a group", "expected_draws", "{:,.0f}"),
    ("distinct", "groups", "distinct_groups", "{:.0e}"),
)


def feasibility_row(of: Feasibility, by_value: Collection[str] = ()) -> Row:
    """Return what is estimated of a type as one row; what is undefined is left out.

    ``<name>_low`` and ``<name>_high`` are the ends of its interval; ``acceptance_<m>`` is that of member m,
    from 2 on; ``looser`` are settings that would do. Thresholds ``by_value`` are those that the settings give
    as similarities.
    """
    row: Row = {
        "key": of.key,
        **_estimate("starting_share", of.starting_share),
        "verdict": of.verdict,
        "groups": of.n_groups,
        "attempts": of.attempts,
        "activity_starting": of.activity_starting,
        "activity_others": of.activity_others,
        "starting_difference": of.starting_difference,
        **_estimate("completing_share", of.completing_share),
        **_estimate("expected_draws", of.expected_draws),
        "expected_restarts": of.expected_restarts,
        **_estimate("log10_distinct_groups", of.log10_distinct_groups),
        "looser": "; ".join(_settings(looser, by_value) for looser in of.looser) or None,
        **{f"acceptance_{m}": share for m, share in enumerate(of.acceptance, start=2)},
        **{f"reached_share_{m}": share for m, share in enumerate(of.reached_share, start=2)},
    }
    return {name: value for name, value in row.items() if value is not None}


def feasibility_metrics(row: Row) -> dict[str, float]:
    """Return the metrics of a type by their full names, ``<key>/<name>``."""
    return {f"{row['key']}/{name}": float(row[name]) for name in METRICS if name in row}


def feasibility_text(keys: Sequence[Feasibility], by_value: Collection[str] = ()) -> str:
    """Return the table for the terminal, and below it, for keys that are not feasible, what would do.

    Thresholds ``by_value`` are those that the settings give as similarities.
    """
    rows = []
    for of in keys:
        row = feasibility_row(of) | {
            "acceptance_first": of.acceptance[0],
            "acceptance_last": of.acceptance[-1],
        }
        if of.log10_distinct_groups.value is not None:
            row["distinct_groups"] = 10.0**of.log10_distinct_groups.value
        rows.append(row)
    few = [of for of in keys if 10.0 ** (of.log10_distinct_groups.value or math.inf) < of.n_groups]
    return "\n".join(
        [
            closing_table(rows, _COLUMNS),
            *(_advice(of, by_value) for of in keys if of.verdict != "feasible"),
            *(f"{of.key}: fewer distinct groups than the {of.n_groups:,} wanted" for of in few),
        ]
    )


def _estimate(name: str, of: Estimate) -> Row:
    return {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}


def _settings(looser: Looser, by_value: Collection[str]) -> str:
    return " ".join(
        f"thresholds.{name}.quantile={quantile:g}"
        # A value goes before a quantile.
        + (f" thresholds.{name}.value=null" if name in by_value else "")
        for name, quantile in looser.quantiles.items()
    )


def _advice(of: Feasibility, by_value: Collection[str]) -> str:
    share = of.completing_share.value or 0.0
    found = f"{of.key}: {of.verdict}, as {share:.2%} of {of.attempts} attempts complete"
    if not of.looser:
        return f"{found}, and no quantile alone would do; ask for smaller groups or another linkage"
    ways = [f"{_settings(looser, by_value)} ({looser.completing_share:.0%} complete)" for looser in of.looser]
    return f"{found}; nearest to do: {' or '.join(ways)}"
