"""Tables of groups, and what of them becomes metrics."""

import csv
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elsa_groups.groups.groups import Accounting, Groups
from elsa_groups.measures.overlap import measure_overlap
from elsa_groups.measures.similarity import Quality
from elsa_groups.measures.statistics import Result
from elsa_groups.report.tables import (
    evidence_table,
    measures_table,
    members_table,
    metrics_of,
    mlflow_table,
    summary_row,
    write_overlap,
    write_parquet,
)

from .conftest import make_evidence, make_tastes

CONTRACT = [
    "similarity_mean",
    "wrong_pair_share",
    "acceptance_rate",
    "member_overlap_mean",
    "user_coverage",
    "recommendation_overlap_at_20_mean",
]


def result(members, sizes=(3,), similarity=None, within=None, across=None, key="similar_3"):
    members = np.array(members, np.int64)
    n = len(members)
    nothing = np.full(n, np.nan)
    quality = Quality(
        similarity=np.array(similarity if similarity is not None else [0.5] * n),
        within=nothing if within is None else np.array(within),
        across=nothing if across is None else np.array(across),
        wrong_pairs=np.array([2] + [0] * (n - 1)),
    )
    accounting = Accounting(
        draws=np.full(n, 20), accepted=np.full(n, 3), restarts=np.arange(n, dtype=np.int64)
    )
    tastes = make_tastes(n, quality, np.random.default_rng(0))
    return Result(
        groups=Groups(key, members, sizes, accounting),
        quality=quality,
        overlap=measure_overlap(members, n_users=8, threshold=0.3),
        baseline=np.array([0.2, 0.4, 0.6, 0.8]),
        seconds=1.5,
        tastes=tastes,
        random_overlap=np.array([0.1, 0.2]),
        evidence=make_evidence(quality, tastes),
        activity_difference=0.25,
    )


FOUR = [[0, 1, 2], [1, 2, 5], [5, 6, 7], [2, 1, 0]]


def test_a_row_holds_statistics_worked_by_hand():
    of = result(FOUR, similarity=[0.1, 0.3, 0.5, 0.7])
    row = summary_row(of)
    # Random groups measure half of each group: 0.05, 0.15, 0.25, 0.35.
    # Halves of 0.36, 0.4, 0.44 differ less than independent groups would: those decide.
    # Their variance is 0.2 / 3, by n - 1, and Student's quantile that of three degrees of freedom.
    reach = 3.182446 * (0.2 / 3 / 4) ** 0.5
    expected = {
        "groups": 4,
        "size": 3,
        "similarity_mean": 0.4,
        "similarity_std": 0.05**0.5,  # squares of 0.3, 0.1, 0.1, 0.3 over 4
        "similarity_min": 0.1,
        "similarity_q05": 0.13,  # 0.15 of the way from 0.1 to 0.3
        "similarity_q50": 0.4,
        "similarity_q95": 0.67,
        "similarity_max": 0.7,
        "similarity_random": 0.2,
        "similarity_as_active": 0.2,
        "similarity_percentile": 100.0,
        "similarity_cliffs_delta": 8 / 16,  # 1 + 2 + 4 + 4 above less 3 below
        "similarity_low": max(0.0, 0.4 - reach),
        "similarity_high": 0.4 + reach,
        "similarity_effective_groups": 4.0,
        "activity_difference": 0.25,
        "wrong_pair_share": 0.25,
        "wrong_pairs_mean": 0.5,
        "acceptance_rate": 0.15,
        "draws_mean": 20.0,
        "restarts": 6,
        "member_overlap_mean": 8 / 18,
        "member_overlap_max": 1.0,
        "overlapping_pairs": 4,
        "pairs_sharing_1": 1,
        "pairs_sharing_2": 2,
        "pairs_sharing_3": 1,
        "duplicates": 1,
        "user_coverage": 0.75,
        "participation_max": 3,
        # Counts 0, 0, 1, 1, 2, 2, 3, 3: (-3 - 1 + 2 + 6 + 15 + 21) / (8 * 12).
        "participation_gini": 40 / 96,
        "seconds": 1.5,
        "candidates": 4,
        "shortfall": 0,
    }
    assert row.pop("key") == "similar_3"
    tastes = {f"{name}_mean": v.mean() for name, v in vars(of.tastes).items() if not np.isnan(v).all()}
    assert {name: row.pop(name) for name in tastes} == pytest.approx(tastes, abs=1e-12)
    for measure in ("recommendation_overlap_at_20", "common_items", "jaccard"):
        kinds = ("random", "as_active", "percentile", "cliffs_delta", "low", "high", "effective_groups")
        assert all(row.pop(f"{measure}_{kind}") is not None for kind in kinds)
    assert row == pytest.approx(expected, abs=1e-6)


def test_a_key_of_several_subgroups_has_within_and_across():
    row = summary_row(result(FOUR, (2, 1), within=[0.9, 0.8, 0.7, 0.8], across=[0.1, 0.2, 0.2, 0.1]))
    assert row["within_mean"] == pytest.approx(0.8)
    assert row["across_mean"] == pytest.approx(0.15)
    apart = summary_row(result(FOUR, (1, 1, 1), across=[0.1, 0.2, 0.2, 0.1]))
    assert "within_mean" not in apart
    assert "across_mean" in apart


def test_one_group_leaves_out_what_is_undefined_and_stays_json():
    row = summary_row(result([[0, 1, 2]]))
    assert "member_overlap_mean" not in row
    assert "member_overlap_max" not in row
    assert row["similarity_std"] == 0.0
    json.dumps(row, allow_nan=False)


def test_what_the_ui_compares_first_is_the_mean_similarity():
    assert mlflow_table([summary_row(result(FOUR))])["columns"][:2] == ["key", "similarity_mean"]


def test_metrics_are_those_of_the_contract():
    row = summary_row(result(FOUR))
    metrics = metrics_of(row, has_rule=True)
    assert sorted(metrics) == sorted(f"similar_3/{name}" for name in CONTRACT)
    assert all(type(value) is float for value in metrics.values())
    two = metrics_of(
        summary_row(result(FOUR, (2, 1), within=[0.9] * 4, across=[0.1] * 4, key="opposing_2_1")),
        has_rule=True,
    )
    assert {"opposing_2_1/within_mean", "opposing_2_1/across_mean"} < two.keys()
    assert metrics.keys() - metrics_of(row, has_rule=False).keys() == {"similar_3/acceptance_rate"}
    assert metrics_of(row | {"shortfall": 1}, has_rule=True)["similar_3/groups"] == 4.0


def test_an_undefined_value_is_no_metric():
    metrics = metrics_of(summary_row(result([[0, 1, 2]])), has_rule=True)
    assert "similar_3/member_overlap_mean" not in metrics
    assert "similar_3/similarity_mean" in metrics


def test_rows_of_a_table_share_their_columns():
    table = mlflow_table([{"key": "a_2", "x": 1}, {"key": "b_3", "y": 2.5}])
    assert table == {"columns": ["key", "x", "y"], "data": [["a_2", 1, None], ["b_3", None, 2.5]]}


def test_members_become_one_row_each():
    groups = result([[4, 0, 2], [2, 3, 1]], (2, 1)).groups
    users = np.array([[5, 0, 3], [3, 4, 1]])
    table = members_table(groups, users, ("a", "b", "c", "d", "e", "ü"))
    assert table.to_pydict() == {
        "group": [0, 0, 0, 1, 1, 1],
        "number": [0, 0, 0, 1, 1, 1],
        "position": [0, 1, 2, 0, 1, 2],
        "subgroup": [0, 0, 1, 0, 0, 1],
        "user_index": [5, 0, 3, 3, 4, 1],
        "user_id": ["ü", "a", "d", "d", "e", "b"],
    }
    types = [
        pa.int64(),
        pa.int64(),
        pa.int32(),
        pa.int32(),
        pa.int64(),
        pa.dictionary(pa.int32(), pa.string()),
    ]
    assert table.schema.types == types
    assert table["user_id"].chunk(0).dictionary.to_pylist() == ["a", "b", "d", "e", "ü"]


def test_filtered_groups_keep_the_numbers_they_were_drawn_by():
    found = result(FOUR)
    groups = replace(found.groups, kept=np.array([0, 3, 4, 9]))
    table = members_table(groups, groups.members, tuple("abcdefgh"))
    assert table["group"].to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert table["number"].to_pylist() == [0, 0, 0, 3, 3, 3, 4, 4, 4, 9, 9, 9]


def test_a_row_counts_what_filters_rejected():
    found = result(FOUR)
    rejected = (("no_duplicates", 2), ("disjoint", 0))
    drawn = Accounting(*(np.full(6, n) for n in (10, 2, 0)), rejected, 3, "budget")
    row = summary_row(replace(found, groups=replace(found.groups, accounting=drawn)))
    expected = {
        "groups": 4,
        "candidates": 6,
        "rejected_no_duplicates": 2,
        "rejected_disjoint": 0,
        "shortfall": 3,
        # Of all candidates, whoever rejected them.
        "acceptance_rate": 0.2,
        "draws_mean": 15.0,
    }
    assert {name: row[name] for name in expected} == expected


def test_members_survive_parquet(tmp_path):
    groups = result(FOUR).groups
    table = members_table(groups, groups.members, tuple("abcdefgh"))
    write_parquet(tmp_path / "members.parquet", table)
    assert pq.read_table(tmp_path / "members.parquet").equals(table)


def test_overlaps_are_written_most_first(tmp_path):
    write_overlap(tmp_path / "overlap.csv", result(FOUR).overlap, 3)
    with (tmp_path / "overlap.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["group_a", "group_b", "shared", "overlap"]
    assert [tuple(map(float, row)) for row in rows[1:]] == [
        (0, 3, 3, 1.0),
        (0, 1, 2, 2 / 3),
        (1, 3, 2, 2 / 3),
        (1, 2, 1, 1 / 3),
    ]
    assert b"\r" not in (tmp_path / "overlap.csv").read_bytes()


def test_a_row_of_measures_a_group_null_where_there_are_no_sides():
    of = result(FOUR)
    extremes = {"within_min": np.full(4, 0.25), "across_min": np.full(4, np.nan)}
    table = measures_table(of, extremes)
    assert table.column_names == [
        "group", "similarity", "within", "across", "wrong_pairs", "recommendation_overlap_at_20",
        "recommendation_overlap_at_10", "recommendation_overlap_within", "recommendation_overlap_across",
        "jaccard", "common_items", "union_items", "activity", "popularity", "within_min",
        "across_min",
    ]  # fmt: skip
    assert table["across"].to_pylist() == [None] * 4
    assert table["within_min"].to_pylist() == [0.25] * 4
    assert table["across_min"].to_pylist() == [None] * 4
    assert table["group"].to_pylist() == [0, 1, 2, 3]
    assert table["wrong_pairs"].to_pylist() == [2, 0, 0, 0]
    assert table["common_items"].to_pylist() == of.tastes.common_items.tolist()


def test_evidence_is_one_row_a_key_measure_and_baseline():
    results = [result(FOUR), result(FOUR, (2, 1), within=[0.9] * 4, across=[0.1] * 4, key="opposing_2_1")]
    rows = evidence_table(results).to_pylist()
    assert len({(row["key"], row["measure"], row["baseline"]) for row in rows}) == len(rows) == 2 * (8 + 12)
    for row, of in zip(rows, [of for result in results for of in result.evidence], strict=True):
        assert (row["mean"], row["ratio"]) == (of.mean, of.ratio)
        assert row["low"] == (None if of.interval is None else of.interval.low)
    without = evidence_table(
        [replace(results[0], evidence=[replace(of, interval=None) for of in results[0].evidence])]
    )
    assert set(without["low"].to_pylist()) == {None}
    assert without.schema == evidence_table(results).schema
