"""Runs side by side: order, tables and what a reader is told first."""

import csv
import io
import random

import pytest

from elsa_groups.commands.compare.comparison import (
    compare_groups_runs,
    comparison_cautions,
    comparison_csv,
    comparison_table,
    settings_table,
)

QUANTILES = (0.95, 0.5, 0.8)


@pytest.fixture
def runs(make_compared):
    return [make_compared(f"r{q}", name=f"q{q}", quantile=q) for q in QUANTILES]


def test_runs_come_in_the_order_of_their_settings_however_they_were_given(runs):
    expected = comparison_csv(compare_groups_runs(runs))
    assert [run.run_id for run in compare_groups_runs(runs).runs] == ["r0.5", "r0.8", "r0.95"]
    for seed in range(5):
        shuffled = random.Random(seed).sample(runs, len(runs))
        assert comparison_csv(compare_groups_runs(shuffled)) == expected


def test_the_csv_has_a_line_for_each_run_and_key(runs, make_compared):
    few = make_compared("few", name="few", quantile=0.99, keys=("random_3",), metrics={"random_3/ndcg": 0.25})

    lines = list(csv.DictReader(io.StringIO(comparison_csv(compare_groups_runs([*runs, few])))))

    assert list(lines[0]) == [
        "run_id", "run_name", "key", "conf.thresholds.similar.quantile", "threshold/similar",
        "threshold/divergent", "similarity_mean", "groups", "across_mean", "wrong_pair_share",
        "similarity_random", "acceptance_rate", "restarts", "ndcg",
    ]  # fmt: skip
    assert [(line["run_id"], line["key"]) for line in lines] == [
        *((f"r{q}", key) for q in sorted(QUANTILES) for key in runs[0].rows),
        ("few", "random_3"),
    ]
    for line in lines[:-1]:
        quantile = float(line["conf.thresholds.similar.quantile"])
        number = list(runs[0].rows).index(line["key"])
        assert float(line["similarity_mean"]) == 0.5 + 0.1 * quantile + 0.01 * number
        assert float(line["threshold/similar"]) == 0.5 + quantile / 4
        assert line["across_mean"] == ("0.375" if line["key"] == "opposing_2_1" else "")
        assert line["ndcg"] == ""
        # Random groups have no rule to break, though runs log that none is broken.
        assert line["wrong_pair_share"] == ("" if line["key"] == "random_3" else "0.25")
    assert lines[-1]["ndcg"] == "0.25"


def test_metrics_that_others_logged_of_a_key_count_and_nobody_elses(make_compared):
    metrics = {
        "similar_3/similarity_mean": 0.0,
        "similar_3/ndcg": 0.5,
        "seconds/total": 1.0,
        "nobody_3/x": 2.0,
    }
    runs = [make_compared(name, metrics=metrics) for name in "ab"]

    comparison = compare_groups_runs(runs)

    assert comparison.metrics[-1] == "ndcg"
    assert {"total", "x", "groups", "restarts"}.isdisjoint(comparison.metrics)
    assert comparison.runs[0].value("similar_3", "ndcg") == 0.5
    # The summary's own, whose digest was checked, wins.
    assert comparison.runs[0].value("similar_3", "similarity_mean") == pytest.approx(0.59, abs=1e-12)
    assert comparison.runs[0].value("similar_5", "ndcg") is None


def test_the_table_of_settings_holds_all_that_differs(make_compared):
    table = settings_table(
        compare_groups_runs([make_compared("a"), make_compared("b", quantile=0.5, commit="1")])
    )

    assert table["columns"] == [
        "run", "run_id", "run_name", "conf.thresholds.similar.quantile", "environment.code.commit",
        "threshold/similar", "threshold/divergent",
    ]  # fmt: skip
    assert table["data"] == [
        [1, "b", "groups of a run", "0.5", "1" * 40, 0.625, 0.25],
        [2, "a", "groups of a run", "0.9", "0" * 40, 0.725, 0.25],
    ]


def test_a_label_is_the_settings_told_once_or_the_name(make_compared):
    assert compare_groups_runs([make_compared(v, linkage=v) for v in ("all", "any")]).labels == (
        "1: all",
        "2: any",
    )
    assert compare_groups_runs([make_compared("a"), make_compared("b")]).labels == (
        "1: groups of a run", "2: groups of a run",
    )  # fmt: skip


def test_the_same_data_and_model_need_no_caution(runs):
    assert comparison_cautions(compare_groups_runs(runs)) == ()


def test_other_data_and_another_model_are_told_first_with_whose_they_are(make_compared):
    comparison = compare_groups_runs(
        [make_compared(str(n), quantile=n / 10, data="aab"[n % 3], model="abb"[n % 3]) for n in range(6)]
    )

    data, model = comparison_cautions(comparison)

    assert data.title == "The data are not the same"
    assert data.text.startswith("Those of runs 1–2, 4–5 and of runs 3, 6 differ")
    assert model.title == "The models are not the same"
    assert model.text.startswith("Those of runs 1, 4 and of runs 2–3, 5–6 differ")
    assert comparison_table(comparison).startswith("The data are not the same: Those of runs 1–2")


def test_the_table_for_the_terminal_has_runs_with_settings_and_keys_with_numbers(runs):
    expected = """\
run  similar.quantile  id
1                 0.5  r0.5
2                 0.8  r0.8
3                0.95  r0.95

similarity        1      2      3
similar_3     0.550  0.580  0.595
similar_5     0.560  0.590  0.605
opposing_2_1  0.570  0.600  0.615
random_3      0.580  0.610  0.625

across            1      2      3
opposing_2_1  0.375  0.375  0.375

break the rule      1      2      3
similar_3       25.0%  25.0%  25.0%
similar_5       25.0%  25.0%  25.0%
opposing_2_1    25.0%  25.0%  25.0%"""
    assert comparison_table(compare_groups_runs(runs)) == expected


def test_runs_that_do_not_fit_the_terminal_are_counted(make_compared):
    text = comparison_table(
        compare_groups_runs([make_compared(f"{n:032x}", quantile=n / 20) for n in range(14)])
    )
    assert text.endswith("7 more runs are in comparison.csv")
    assert max(map(len, text.splitlines())) <= 80


def test_settings_that_do_not_fit_the_terminal_are_counted(make_compared):
    runs = [
        make_compared(f"{n:032x}", quantile=n / 20, linkage=["mean", "all"][n % 2], seed=n, n_groups=10 + n)
        for n in range(3)
    ]
    lines = comparison_table(compare_groups_runs(runs)).splitlines()
    assert lines[0].split() == ["run", "seed", "n_groups", "similar.quantile", "id"]
    assert lines[4] == "settings that differ too, in the report: 1"
    assert max(map(len, lines)) <= 80
