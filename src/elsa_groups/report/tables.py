"""Tables of groups: one row a key for the summary, one row a member for the groups themselves."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from elsa_groups.groups.family import Groups
from elsa_groups.groups.quality import Overlap, Quality

Row = dict[str, Any]

# Of a key's row, what is logged as metrics; the rest is in the summary table alone.
METRICS = (
    "groups",
    "similarity_mean",
    "similarity_std",
    "similarity_random",
    "wrong_pair_share",
    "acceptance_rate",
    "member_overlap_mean",
    "member_overlap_max",
    "user_coverage",
    "within_mean",
    "across_mean",
)


@dataclass(frozen=True)
class Result:
    """The groups of one key and all that was measured of them.

    Attributes
    ----------
    groups : Groups
        The groups.
    quality : Quality
        Similarity inside each of them.
    overlap : Overlap
        Users that they share.
    baseline : NDArray[np.float64], shape (n_random,)
        Similarity of each of some random groups of the same size.
    seconds : float
        What drawing took.
    trained_share : float in [0, 1] or None
        Share of the members that the parent was trained on, where it is known.
    """

    groups: Groups
    quality: Quality
    overlap: Overlap
    baseline: NDArray[np.float64]
    seconds: float
    trained_share: float | None = None


def summary_row(result: Result) -> Row:
    """Return what is known of a key as one row; what is undefined is left out.

    Statistics ``similarity_*`` are over the groups of the key: population standard deviation, quantiles
    ``q05``, ``q50`` and ``q95``. ``similarity_random`` is the mean of same-size random groups, and
    ``similarity_percentile``, in [0, 100], the percentage of them no more similar than this key's mean;
    ``pairs_sharing_<m>`` counts the pairs of groups with exactly m common members.
    """
    groups, overlap, draws = result.groups, result.overlap, result.groups.accounting
    row: Row = {
        "key": groups.key,
        "groups": len(groups.members),
        "size": groups.members.shape[1],
        **_statistics("similarity", result.quality.similarity),
        "similarity_random": float(result.baseline.mean()),
        "similarity_percentile": 100.0 * float((result.baseline <= result.quality.similarity.mean()).mean()),
    }
    if len(groups.sizes) > 1:
        row["across_mean"] = float(result.quality.across.mean())
        if max(groups.sizes) > 1:
            row["within_mean"] = float(result.quality.within.mean())
    row |= {
        "wrong_pair_share": float((result.quality.wrong_pairs > 0).mean()),
        "wrong_pairs_mean": float(result.quality.wrong_pairs.mean()),
        "acceptance_rate": draws.acceptance_rate,
        "draws_mean": float(draws.draws.mean()),
        "restarts": int(draws.restarts.sum()),
        "member_overlap_mean": overlap.mean,
        "member_overlap_max": overlap.maximum,
        "overlapping_pairs": overlap.overlapping_pairs,
        "duplicates": overlap.duplicates,
        "user_coverage": overlap.user_coverage,
        "participation_max": overlap.participation_max,
        "participation_gini": overlap.participation_gini,
        "trained_share": result.trained_share,
        "seconds": result.seconds,
        # Last, as their number depends on the size of groups.
        **{f"pairs_sharing_{m}": n for m, n in enumerate(overlap.pairs_sharing, start=1)},
    }
    return {name: value for name, value in row.items() if value is not None}


def _statistics(name: str, values: NDArray[np.float64]) -> Row:
    quantiles = np.quantile(values, [0.05, 0.5, 0.95])
    return {
        f"{name}_mean": float(values.mean()),
        f"{name}_std": float(values.std()),
        f"{name}_min": float(values.min()),
        **{f"{name}_q{q}": float(v) for q, v in zip(("05", "50", "95"), quantiles, strict=True)},
        f"{name}_max": float(values.max()),
    }


def metrics_of(row: Row) -> dict[str, float]:
    """Return the metrics of a key by their full names, ``<key>/<name>``."""
    return {f"{row['key']}/{name}": float(row[name]) for name in METRICS if name in row}


def mlflow_table(rows: list[Row]) -> dict[str, list[Any]]:
    """Return rows as MLflow's table artifact: all columns in first-seen order, null where undefined."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {"columns": columns, "data": [[row.get(name) for name in columns] for row in rows]}


def members_table(groups: Groups, users: NDArray[np.int64], user_ids: tuple[str, ...]) -> pa.Table:
    """Return one row a member: group, position, subgroup, user_index, user_id.

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
            "position": np.tile(np.arange(size, dtype=np.int32), n_groups),
            "subgroup": np.tile(groups.subgroup_of_position.astype(np.int32), n_groups),
            "user_index": users.ravel(),
            "user_id": pa.DictionaryArray.from_arrays(codes.ravel().astype(np.int32), ids),
        }
    )


def write_members(path: Path, table: pa.Table) -> None:
    """Write a table of members as parquet."""
    pq.write_table(table, path, compression="zstd")


def write_overlap(path: Path, overlap: Overlap, size: int) -> None:
    """Write the most overlapping pairs of groups as CSV: group_a, group_b, shared, overlap."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["group_a", "group_b", "shared", "overlap"])
        writer.writerows([a, b, shared, shared / size] for a, b, shared in overlap.top.tolist())


# Title in two lines, name in the row, format.
_CLOSING = (
    ("", "groups", "groups", "{}"),
    ("", "similarity", "similarity_mean", "{:.3f}"),
    ("", "random", "similarity_random", "{:.3f}"),
    ("wrong", "pair", "wrong_pair_share", "{:.1%}"),
    ("overlap", "max", "member_overlap_max", "{:.2f}"),
    ("", "coverage", "user_coverage", "{:.1%}"),
    ("", "accepted", "acceptance_rate", "{:.2%}"),
    ("", "restarts", "restarts", "{}"),
    ("", "seconds", "seconds", "{:.2f}"),
)
_CLOSING_WIDTH = 100


def closing_table(rows: list[Row]) -> str:
    """Return the rows as a plain table for the terminal, at most 100 columns wide.

    A dash stands where a value is undefined; keys too long for the width lose their middle.
    """
    columns = [
        [above, title, *(form.format(row[name]) if name in row else "-" for row in rows)]
        for above, title, name, form in _CLOSING
    ]
    numbers = [[cell.rjust(max(map(len, column))) for cell in column] for column in columns]
    room = _CLOSING_WIDTH - sum(2 + len(column[0]) for column in numbers)
    keys = ["", "key", *(shorten(row["key"], room) for row in rows)]
    keys = [cell.ljust(max(map(len, keys))) for cell in keys]
    return "\n".join("  ".join(line) for line in zip(keys, *numbers, strict=True))


def shorten(text: str, width: int) -> str:
    """Cut the middle out of a text, as keys tell families at their start and sizes at their end.

    >>> shorten("opposing_with_a_long_name_3_2", 15)
    'opposin…ame_3_2'
    """
    half = (width - 1) // 2
    return text if len(text) <= width else f"{text[: width - 1 - half]}…{text[-half:]}"
