"""Whether orders of aggregators agree between runs: ranks, taus and what is said of them."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import kendalltau

from elsa_groups.commands.compare.comparison import compare_groups_runs
from elsa_groups.commands.compare.differing_settings import Varying
from elsa_groups.commands.compare.orders import (
    conclusions_text,
    find_taus,
    orders_rows,
    rank_runs,
    say_conclusions,
)
from elsa_groups.commands.compare.ranks import describe_ranks, rank_figures
from elsa_groups.commands.evaluate.leaders import Order, PairedDifference
from elsa_groups.commands.evaluate.measures import HEADLINES
from elsa_groups.commands.evaluate.reading import read_headlines
from elsa_groups.commands.evaluate.tables import differences_columns, orders_columns

from .test_page import read


def order(means, error=0.01, name="similar", recommender="parent"):
    """An order whose differences all have one standard error, and no error where they are 0."""
    pairs = []
    for (a, first), (b, second) in combinations(means.items(), 2):
        apart = first - second
        if not apart:
            pairs.append(PairedDifference(a, b, 0.0, same=True))
        elif error is None:
            pairs.append(PairedDifference(a, b, apart))
        else:
            pairs.append(PairedDifference(a, b, apart, apart - 2 * error, apart + 2 * error, error))
    ordered = dict(sorted(means.items(), key=lambda item: -item[1]))
    return Order(name, recommender, HEADLINES[0], 75, ordered, tuple(pairs))


def ranked_of(*means, **options):
    (found,) = rank_runs([{"similar": order(one, **options)} for one in means])
    return found


FIRST = {"ADD": 0.30, "LMS": 0.20, "MPL": 0.10}
SWAPPED = {"ADD": 0.20, "LMS": 0.30, "MPL": 0.10}


def test_ranks_and_taus_are_those_worked_out_by_hand():
    ranked = ranked_of(FIRST, SWAPPED)
    assert ranked.ranks.tolist() == [[1, 2, 3], [2, 1, 3]]
    (tau,) = find_taus(ranked, [Varying("seed", (1, 2))])
    # One of three pairs changes its order: (2 - 1) / 3.
    assert (tau.setting, tau.n_pairs, tau.mean) == ("seed", 1, pytest.approx(1 / 3))
    # Differences of ten standard errors stay what they are.
    assert (tau.low, tau.high) == pytest.approx((1 / 3, 1 / 3))


def test_ties_share_their_rank_and_count_as_in_tau_b():
    tied = {"ADD": 0.3, "AVG": 0.3, "LMS": 0.1}
    ranked = ranked_of(tied, {"ADD": 0.3, "AVG": 0.2, "LMS": 0.1})
    assert ranked.ranks.tolist() == [[1.5, 1.5, 3], [1, 2, 3]]
    (tau,) = find_taus(ranked, [Varying("seed", (1, 2))])
    assert tau.mean == pytest.approx(kendalltau([0.3, 0.3, 0.1], [0.3, 0.2, 0.1]).statistic)
    assert tau.mean == pytest.approx(2 / np.sqrt(2 * 3))
    assert (tau.low, tau.high) == pytest.approx((tau.mean, tau.mean))
    (alike,) = find_taus(ranked_of(tied, tied), [])
    assert (alike.setting, alike.n_pairs) == ("none", 1)
    assert (alike.mean, alike.low, alike.high) == pytest.approx((1.0, 1.0, 1.0))


def test_what_is_not_exactly_known_may_have_another_tau():
    (wide,) = find_taus(ranked_of(FIRST, FIRST, error=0.2), [Varying("seed", (1, 2))])
    (narrow,) = find_taus(ranked_of(FIRST, FIRST, error=0.05), [Varying("seed", (1, 2))])
    assert wide.mean == narrow.mean == 1.0
    assert wide.low < narrow.low < 1.0
    (unknown,) = find_taus(ranked_of(FIRST, FIRST, error=None), [Varying("seed", (1, 2))])
    assert (unknown.mean, unknown.low) == (1.0, None)


def test_drawn_means_differ_by_the_errors_of_their_differences():
    lone = {"ADD": 0.3, "LMS": 0.2}
    (tau,) = find_taus(ranked_of(lone, lone, error=0.05), [Varying("seed", (1, 2))])
    # A difference of two standard errors is turned in 2.28% of draws, so one run of two in p = 4.45%: tau is
    # -1 then, and its standard deviation 2 sqrt(p (1 - p)) = 0.412.
    assert tau.low == pytest.approx(1 - 1.96 * 0.412, abs=0.1)
    assert tau.high == 1.0


def test_runs_are_paired_that_differ_in_one_setting_alone():
    settings = [
        Varying("thresholds.similar.quantile", (0.8, 0.8, 0.9, 0.9)),
        Varying("thresholds.divergent.quantile", (0.2, 0.2, 0.1, 0.1)),
        Varying("seed", (1, 2, 1, 2)),
    ]
    taus = find_taus(ranked_of(FIRST, FIRST, SWAPPED, SWAPPED), settings)
    assert [(tau.setting, tau.n_pairs, tau.mean) for tau in taus] == [
        ("similar.quantile and divergent.quantile", 2, pytest.approx(1 / 3)),
        ("seed", 2, pytest.approx(1.0)),
    ]


def test_sentences_say_what_holds_in_all_runs_and_what_does_not():
    third = {"ADD": 0.30, "LMS": 0.25, "MPL": 0.24}
    assert say_conclusions(ranked_of(FIRST, SWAPPED, third)) == [
        "Of 3 runs the highest mean is of ADD in 2, LMS in 1.",
        "Told in all of them: ADD above MPL.",
        "Told one way in some runs and the other way in others: ADD above LMS in 1, 3, below in 2.",
        "Told in some runs only, never the other way: 1 of 3 pairs.",
    ]
    assert say_conclusions(ranked_of(FIRST, FIRST))[1:] == [
        "Told in all of them: ADD above LMS, MPL; LMS above MPL."
    ]
    assert say_conclusions(ranked_of(FIRST, FIRST, error=0.5))[1:] == [
        "Told in all of them: nothing.",
        "Told in none: 3 of 3 pairs.",
    ]


def test_runs_without_evaluation_are_left_out_and_so_are_aggregators_that_some_lack():
    found = rank_runs([None, {"similar": order(FIRST)}, {"similar": order(SWAPPED | {"GFAR": 0.5})}])
    assert [(of.runs, of.aggregators) for of in found] == [((1, 2), ("ADD", "LMS", "MPL"))]
    assert [row["run"] for row in orders_rows(found)[::3]] == [2, 3]
    assert rank_runs([None, {"similar": order(FIRST)}]) == []


def test_an_evaluation_is_read_back_as_it_was(tmp_path):
    written = [order(FIRST), order(FIRST, recommender="EASE"), order(SWAPPED, name="random_3")]
    written[1] = Order("similar", "EASE", HEADLINES[0], 75, {"ADD": 0.5, "LMS": 0.4, "MPL": 0.3})
    for name, columns in (("orders", orders_columns(written)), ("differences", differences_columns(written))):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    found = read_headlines(lambda name: tmp_path / name)
    assert found == {"similar": written[0], "random_3": written[2]}


def test_the_page_has_the_orders_of_runs_that_have_evaluations(make_compared):
    runs = [make_compared(f"r{seed}", seed=seed) for seed in (1, 2)]
    assert "order of aggregators" not in read(runs).text
    evaluated = [
        type(run)(**(vars(run) | {"orders": {"similar": order(means)}}))
        for run, means in zip(runs, (FIRST, SWAPPED), strict=True)
    ]
    page = read(evaluated)
    assert "Of 2 runs the highest mean is of ADD in 1, LMS in 1." in page.text
    (table,) = page.classed("taus")
    assert [[cell.text for cell in row.all("th", "td")] for row in table.all("tr")][1] == [
        "seed", "1", "0.33", "0.33 to 0.33",
    ]  # fmt: skip
    comparison = compare_groups_runs(evaluated)
    assert "similar: seed 0.33 (0.33 to 0.33)" in conclusions_text(
        comparison.ranked, comparison.variation.settings
    )


def test_the_figure_of_ranks_says_who_is_first_on_average():
    (figure,) = rank_figures([ranked_of(FIRST, FIRST, SWAPPED)])
    assert figure.title == "Rank of each aggregator"
    assert "similar ADD (1.3)" in describe_ranks([ranked_of(FIRST, FIRST, SWAPPED)])
    assert rank_figures([]) == []


def test_evaluations_are_compared_without_grouprec():
    code = (
        "import sys; sys.modules['grouprec'] = None; sys.modules['pandas'] = None;"
        " import elsa_groups.commands.compare.compare"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "src", "PATH": ""})
