from dataclasses import replace

from elsa_groups.commands.feasibility.assessment import Estimate, Feasibility
from elsa_groups.commands.feasibility.loosening import Looser
from elsa_groups.commands.feasibility.table import feasibility_metrics, feasibility_row, feasibility_text

FEASIBLE = Feasibility(
    "similar_3", 75, 200, "feasible",
    Estimate(0.75, 0.68, 0.8), 30.0, 20.0, 0.5,
    (0.1, 0.05), (1.0, 0.75), Estimate(0.5, 0.43, 0.57), Estimate(1234.5, 1000.0, 1500.0), 1.0,
    Estimate(6.0, 5.9, 6.1), (),
)  # fmt: skip
STARVED = replace(
    FEASIBLE, key="divergent_8", verdict="infeasible", starting_share=Estimate(0.0, 0.0, 0.02),
    activity_starting=None, starting_difference=None, acceptance=(0.001, 0.0), reached_share=(1.0, 0.5),
    completing_share=Estimate(0.0, 0.0, 0.02), expected_draws=Estimate(None), expected_restarts=None,
    log10_distinct_groups=Estimate(None),
    looser=(Looser({"divergent": 0.05}, {"divergent": 0.49}, 0.51),),
)  # fmt: skip


def test_a_row_has_the_ends_of_intervals_and_leaves_out_what_is_undefined():
    row = feasibility_row(FEASIBLE)
    assert list(row)[:3] == ["key", "starting_share", "starting_share_low"]
    assert (row["expected_draws_low"], row["expected_draws"], row["expected_draws_high"]) == (
        1000,
        1234.5,
        1500,
    )
    assert (row["acceptance_2"], row["acceptance_3"], row["reached_share_3"]) == (0.1, 0.05, 0.75)
    assert "looser" not in row

    row = feasibility_row(STARVED)
    assert row["looser"] == "thresholds.divergent.quantile=0.05"
    by_value = "thresholds.divergent.quantile=0.05 thresholds.divergent.value=null"
    assert feasibility_row(STARVED, {"divergent"})["looser"] == by_value
    assert by_value in feasibility_text([STARVED], {"divergent"})
    assert not {"expected_draws", "expected_restarts", "log10_distinct_groups", "starting_difference"} & set(
        row
    )


def test_metrics_are_named_after_the_key_and_left_out_where_undefined():
    assert feasibility_metrics(feasibility_row(FEASIBLE)) == {
        "similar_3/starting_share": 0.75,
        "similar_3/completing_share": 0.5,
        "similar_3/expected_draws": 1234.5,
        "similar_3/log10_distinct_groups": 6.0,
    }
    assert set(feasibility_metrics(feasibility_row(STARVED))) == {
        "divergent_8/starting_share", "divergent_8/completing_share",
    }  # fmt: skip


def test_the_terminal_shows_a_table_and_what_would_do_below_it():
    lines = feasibility_text([FEASIBLE, STARVED]).splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["group", "can", "more", "second", "last", "draws", "distinct"],
        ["type", "verdict", "start", "active", "joins", "joins", "a", "group", "groups"],
        ["similar_3", "feasible", "75%", "+0.50", "10.0%", "5.00%", "1,234", "1e+06"],
        ["divergent_8", "infeasible", "0%", "-", "0.1%", "0.00%", "-", "-"],
    ]
    assert max(map(len, lines[:4])) <= 80
    assert lines[4:] == [
        "divergent_8: infeasible, as 0.00% of 200 attempts complete; nearest to do:"
        " thresholds.divergent.quantile=0.05 (51% complete)"
    ]


def test_fewer_groups_than_wanted_are_told():
    few = replace(FEASIBLE, log10_distinct_groups=Estimate(1.5, 1.4, 1.6))
    assert "similar_3: fewer distinct groups than the 75 wanted" in feasibility_text([few])
    assert "fewer" not in feasibility_text([FEASIBLE])


def test_a_key_that_no_quantile_helps_is_told():
    text = feasibility_text([replace(STARVED, looser=())])
    assert "no quantile alone would do; ask for smaller groups or another linkage" in text
