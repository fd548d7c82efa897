"""The page of a comparison, read as HTML."""

import math

import numpy as np
import pytest

from elsa_groups.commands.compare.agreement import Agreement
from elsa_groups.commands.compare.comparison import compare_groups_runs
from elsa_groups.commands.compare.page import ROWS_UP_TO, render_comparison

from ...report.test_page import Element, Tree


def read(runs, agreements=None) -> Element:
    page = render_comparison(
        compare_groups_runs(runs), agreements=agreements or {}, pictures=[], command="mlflow run <x>"
    )
    assert page == render_comparison(
        compare_groups_runs(runs[::-1]), agreements=agreements or {}, pictures=[], command="mlflow run <x>"
    )
    return Tree(page).root


def rows_of(table: Element) -> list[list[str]]:
    return [[cell.text for cell in row.all("th", "td")] for row in table.all("tr")]


@pytest.fixture
def runs(make_compared):
    return [make_compared(f"r{q}", name="<i>odd</i>", quantile=q) for q in (0.95, 0.5)]


def test_each_key_has_a_table_of_settings_against_metrics(runs):
    page = read(runs)

    tables = [table for section in page.classed("key") for table in section.all("table")]
    assert [heading.text for heading in page.all("h3")] == [
        "similar_3",
        "similar_5",
        "opposing_2_1",
        "random_3",
    ]
    assert rows_of(tables[2]) == [
        ["run", "thresholds. similar. quantile", "similar from", "divergent up to", "mean", "across",
         "break the rule", "random mean", "accepted"],
        ["1", "0.5", "0.6250", "0.2500", "0.570", "0.375", "25.0%", "0.500", "16.67%"],
        ["2", "0.95", "0.7375", "0.2500", "0.615", "0.375", "25.0%", "0.500", "16.67%"],
    ]  # fmt: skip
    assert len(rows_of(tables[0])[0]) == 8


def test_what_a_run_lacks_is_told_as_undefined(runs, make_compared):
    page = read([*runs, make_compared("few", quantile=0.1, keys=("random_3",))])
    row = rows_of(page.classed("key")[1].all("table").__next__())[1]
    assert row[:2] == ["1", "0.1"]
    assert row[4:] == ["–undefined"] * 4


def test_other_data_are_told_before_anything_else(make_compared):
    page = read([make_compared("a"), make_compared("b", data="b")])
    (cautions,) = page.classed("cautions")
    assert cautions.text.startswith("⚠ Before you compare settings The data are not the same.")
    assert next(page.all("main")).children[1] is cautions


def test_what_else_differs_is_named_and_names_are_escaped(make_compared):
    page = read([make_compared("a", name="<i>odd</i>", commit="1"), make_compared("b")])
    assert not list(page.all("i"))
    assert "<i>odd</i>" in [cell.text for cell in page.all("td")]
    assert "environment.code.commit" in [term.text for term in page.all("dt")]
    assert next(page.all("pre")).text == "mlflow run <x>"


def test_what_runs_have_in_common_is_in_the_tables_of_keys(runs):
    users, groups = np.array([[1, 0.25], [0.25, 1]]), np.array([[1, 0.999], [0.999, 1]])
    page = read(runs, {"similar_3": Agreement("similar_3", users, groups)})
    (matrix,) = page.classed("matrix")
    assert rows_of(matrix) == [["run", "1", "2"], ["1", "", "99"], ["2", "25", ""]]


def test_undefined_shares_are_dashes(runs):
    nothing = np.full((2, 2), math.nan)
    page = read(runs, {"similar_3": Agreement("similar_3", nothing, nothing)})
    assert rows_of(page.classed("matrix")[0])[2] == ["2", "–", ""]


def test_rows_beyond_a_hundred_are_left_to_the_csv(make_compared):
    runs = [make_compared(f"{n:03}", quantile=n / 200, keys=("random_3",)) for n in range(ROWS_UP_TO + 3)]
    page = read(runs)
    assert [len(rows_of(table)) for table in page.all("table")] == [ROWS_UP_TO + 1] * 2
    assert f"The first {ROWS_UP_TO} runs; comparison.csv has all." in page.text


def test_one_key_needs_no_choice(make_compared):
    page = read([make_compared(str(q), quantile=q, keys=("random_3",)) for q in (0.5, 0.9)])
    assert not list(page.all("input"))
