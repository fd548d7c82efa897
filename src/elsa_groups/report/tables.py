"""Tables of groups: one row a key for the summary, one row a member for the groups themselves."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from elsa_groups.groups.groups import Groups
from elsa_groups.measures.baselines import BaselineComparison
from elsa_groups.measures.overlap import Overlap
from elsa_groups.measures.registry import SUMMARISED, values_of
from elsa_groups.measures.statistics import METRICS, STATISTICS, Result

Row = dict[str, Any]

# What the summary says of random groups and of intervals; evidence.parquet says it of every measure.
_INTERVAL = ("low", "high", "standard_error", "effective_groups")
# What the table at the end of a command tells of a type: title in two lines, name in the row, format.
CLOSING_COLUMNS = (
    ("", "groups", "groups", "{}"),
    ("", "within", "within_mean", "{:.3f}"),
    ("", "across", "across_mean", "{:.3f}"),
    ("all", "pairs", "similarity_mean", "{:.3f}"),
    ("", "random", "similarity_random", "{:.3f}"),
    ("break", "rule", "wrong_pair_share", "{:.1%}"),
    ("abandoned", "attempts", "restarts", "{}"),
)
# Rows of each type in the table of groups, which a browser holds as a whole.
BROWSED_UP_TO = 10_000


def summary_row(result: Result) -> Row:
    """Return what is known of a type as one row; what is undefined is left out.

    Statistics ``similarity_*`` are over the groups of the type: population standard deviation, quantiles
    ``q05``, ``q50`` and ``q95``. ``<measure>_random`` and ``<measure>_as_active`` are the means of random
    groups of the same size, and of those as active; ``<measure>_percentile`` and ``<measure>_cliffs_delta``
    compare with the former; ``<measure>_low``, ``<measure>_high`` and ``<measure>_effective_groups`` are of
    the interval (see :mod:`elsa_groups.measures.jackknife`). ``pairs_sharing_<m>`` counts the pairs of groups
    with exactly m common members. Of all ``candidates``, ``rejected_<name>`` were rejected by a
    filter; ``shortfall`` is how many groups are missing; ``no_interval`` says why there is no interval.
    """
    row: Row = {"key": result.groups.key}
    row |= {statistic.name: statistic.of(result) for statistic in STATISTICS}
    row |= _evidence(result.evidence)
    row |= {f"rejected_{name}": count for name, count in result.groups.accounting.rejected}
    row["no_interval"] = result.no_interval
    # Last, as their number depends on the size of groups.
    row |= {f"pairs_sharing_{m}": n for m, n in enumerate(result.overlap.pairs_sharing, start=1)}
    return {name: value for name, value in row.items() if value is not None}


def _evidence(comparisons: Sequence[BaselineComparison]) -> Row:
    row: Row = {}
    for of in comparisons:
        if of.measure not in SUMMARISED:
            continue
        row[f"{of.measure}_{of.baseline}"] = of.random_mean
        if of.baseline == "random":
            row |= {f"{of.measure}_percentile": of.percentile, f"{of.measure}_cliffs_delta": of.cliffs_delta}
            if of.interval is not None:
                interval = {name: getattr(of.interval, name) for name in ("low", "high", "effective_groups")}
                row |= {f"{of.measure}_{name}": value for name, value in interval.items()}
    return row


def metrics_of(row: Row, *, has_rule: bool) -> dict[str, float]:
    """Return the metrics of a group type by their full names, ``<type>/<name>``.

    The number of groups is among them only if some are missing, the acceptance rate only if the type has a
    rule.
    """
    names = ("groups", *METRICS) if row["shortfall"] else METRICS
    left_out = set() if has_rule else {"acceptance_rate"}
    return {f"{row['key']}/{name}": float(row[name]) for name in names if name in row.keys() - left_out}


def mlflow_table(rows: list[Row]) -> dict[str, list[Any]]:
    """Return rows as MLflow's table artifact: all columns in first-seen order, null where undefined."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {"columns": columns, "data": [[row.get(name) for name in columns] for row in rows]}


def table_rows(table: Mapping[str, Any]) -> list[Row]:
    """Return the rows of such a table, undefined values as None.

    Raises
    ------
    ValueError, KeyError or TypeError
        If it is none.
    """
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def members_table(groups: Groups, users: NDArray[np.int64], user_ids: tuple[str, ...]) -> pa.Table:
    """Return one row a member: group, number, position, subgroup, user_index, user_id.

    ``number`` is the one that the group was drawn by, which is its place unless filters are on.

    Parameters
    ----------
    groups : Groups
        The groups.
    users : (n_groups, size) int64
        Their members as rows of ``user_ids``.
    user_ids : tuple of str
        Ids of all users.
    """
    n_groups, size = users.shape
    distinct, codes = np.unique(users, return_inverse=True)
    ids = pa.array([user_ids[user] for user in distinct], pa.string())
    return pa.table(
        {
            "group": np.repeat(np.arange(n_groups), size),
            "number": np.repeat(groups.numbers, size),
            "position": np.tile(np.arange(size, dtype=np.int32), n_groups),
            "subgroup": np.tile(groups.subgroup_of_position.astype(np.int32), n_groups),
            "user_index": users.ravel(),
            "user_id": pa.DictionaryArray.from_arrays(codes.ravel().astype(np.int32), ids),
        }
    )


def measures_table(result: Result, extremes: Mapping[str, NDArray[np.float64]]) -> pa.Table:
    """Return one row a group: its number, all that was measured of it, and its least and most similar pairs.

    Columns that no group of the type has, as those across subgroups where there is one, are there and null.
    """
    columns: dict[str, NDArray[Any]] = {"group": np.arange(len(result.groups.members))}
    columns |= values_of(result.quality, result.tastes) | dict(extremes)
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def group_rows(result: Result, user_ids: NDArray[np.str_]) -> list[Row]:
    """Return one row a group, to look through: who is in it, how similar they are, and what breaks its rule.

    Parameters
    ----------
    result : Result
        The groups of a type.
    user_ids : (n_rows, size) str
        Ids of the members of the first of them, which have a row.
    """
    columns = {
        "similarity": result.quality.similarity,
        "within": result.quality.within,
        "across": result.quality.across,
        "rule_breaking_pairs": result.quality.wrong_pairs,
        "recommendation_overlap_at_20": result.tastes.recommendation_overlap_at_20,
    }
    values = {name: values.tolist() for name, values in columns.items()}
    return [
        {"key": result.groups.key, "group": group, "members": ", ".join(members)}
        # What is undefined is not a number, in JSON it is nothing.
        | {name: of[group] for name, of in values.items() if of[group] == of[group]}
        for group, members in enumerate(user_ids.tolist())
    ]


def evidence_table(results: Sequence[Result]) -> pa.Table:
    """Return one row for each type, measure and kind of random groups; null where a value is undefined."""
    rows = [
        {
            "key": result.groups.key,
            "measure": of.measure,
            "baseline": of.baseline,
            "mean": of.mean,
            **{name: getattr(of.interval, name, None) for name in _INTERVAL},
            **{name: getattr(of, name) for name in ("random_mean", "percentile", "cliffs_delta", "ratio")},
        }
        for result in results
        for of in result.evidence
    ]
    words, numbers = ("key", "measure", "baseline"), ("random_mean", "percentile", "cliffs_delta", "ratio")
    schema = [(name, pa.string()) for name in words]
    schema += [(name, pa.float64()) for name in ("mean", *_INTERVAL, *numbers)]
    return pa.Table.from_pylist(rows, schema=pa.schema(schema))


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table as parquet."""
    pq.write_table(table, path, compression="zstd")


def write_overlap(path: Path, overlap: Overlap, size: int) -> None:
    """Write the most overlapping pairs of groups as CSV: group_a, group_b, shared, overlap."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["group_a", "group_b", "shared", "overlap"])
        writer.writerows([a, b, shared, shared / size] for a, b, shared in overlap.top.tolist())
