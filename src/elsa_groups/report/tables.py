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
    """The groups of one key and all that was measured of them."""

    groups: Groups
    quality: Quality
    overlap: Overlap
    baseline: NDArray[np.float64]
    seconds: float


def summary_row(result: Result) -> Row:
    """Return what is known of a key as one row; what is undefined is left out.

    Statistics ``similarity_*`` are over the groups of the key: population standard deviation, quantiles
    ``q05``, ``q50`` and ``q95``. ``similarity_random`` is the mean of same-size random groups;
    ``pairs_sharing_<m>`` counts the pairs of groups with exactly m common members.
    """
    groups, overlap, draws = result.groups, result.overlap, result.groups.accounting
    row: Row = {
        "key": groups.key,
        "groups": len(groups.members),
        "size": groups.members.shape[1],
        **_statistics("similarity", result.quality.similarity),
        "similarity_random": float(result.baseline.mean()),
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
        **{f"pairs_sharing_{m}": n for m, n in enumerate(overlap.pairs_sharing, start=1)},
        "duplicates": overlap.duplicates,
        "user_coverage": overlap.user_coverage,
        "participation_max": overlap.participation_max,
        "participation_gini": overlap.participation_gini,
        "seconds": result.seconds,
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


_CLOSING = (
    ("key", "key", "{}"),
    ("groups", "groups", "{:,}"),
    ("similarity", "similarity_mean", "{:.3f}"),
    ("random", "similarity_random", "{:.3f}"),
    ("wrong pair", "wrong_pair_share", "{:.0%}"),
    ("overlap max", "member_overlap_max", "{:.2f}"),
    ("coverage", "user_coverage", "{:.0%}"),
    ("accepted", "acceptance_rate", "{:.1%}"),
    ("restarts", "restarts", "{:,}"),
    ("seconds", "seconds", "{:.2f}"),
)


def closing_table(rows: list[Row]) -> str:
    """Return the rows as a plain table for the terminal, at most 100 columns wide for short keys."""
    cells = [[title for title, _, _ in _CLOSING]]
    cells += [[form.format(row[name]) if name in row else "" for _, name, form in _CLOSING] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_CLOSING))]
    return "\n".join(
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in cells)
    )
