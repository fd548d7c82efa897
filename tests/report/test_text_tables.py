"""Tables on the terminal line up and fit."""

from elsa_groups.report.tables import CLOSING_COLUMNS
from elsa_groups.report.text_tables import aligned, closing_table

ROW = {
    "key": "opposing_2_1",
    "groups": 4,
    "within_mean": 0.75,
    "across_mean": 0.375,
    "similarity_mean": 0.5,
    "similarity_random": 0.25,
    "wrong_pair_share": 0.25,
    "restarts": 6,
}


def test_columns_line_up_on_the_side_that_is_asked_for():
    lines = aligned([["job", "run", "settings"], ["10", "ab", "seed=1"], ["9", "-", ""]], left=(1, 2))
    assert lines == ["job  run  settings", " 10  ab   seed=1", "  9  -"]


def test_the_closing_table_lines_up():
    one = {name: value for name, value in ROW.items() if name != "across_mean"} | {"key": "a_3"}
    above, titles, first, second = closing_table([ROW, one], CLOSING_COLUMNS).splitlines()
    assert above.split() == ["group", "all", "break", "abandoned"]
    assert titles.split() == ["type", "groups", "within", "across", "pairs", "random", "rule", "attempts"]
    assert first.split() == ["opposing_2_1", "4", "0.750", "0.375", "0.500", "0.250", "25.0%", "6"]
    # No pairs across subgroups where there is one subgroup.
    assert second.split()[3] == "-"
    assert len(titles) == len(first) == len(second)
    assert above.index("break") + len("break") == titles.index("rule") + len("rule")


def test_the_closing_table_fits_its_width_whatever_the_type():
    rows = [ROW | {"key": f"{'listeners' * 12}_{size}_1"} for size in (2, 4)]
    rows[0] |= {"groups": 1_000_000, "restarts": 123_456_789}
    lines = closing_table(rows, CLOSING_COLUMNS).splitlines()
    assert max(map(len, lines)) <= 80
    shown = [line.split()[0] for line in lines[2:]]
    assert shown == ["listenersli…teners_2_1", "listenersli…teners_4_1"]


def test_a_usual_type_is_shown_whole():
    assert "three_camps_2_2_2 " in closing_table([ROW | {"key": "three_camps_2_2_2"}], CLOSING_COLUMNS)
