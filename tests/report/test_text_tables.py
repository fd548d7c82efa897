"""Tables on the terminal line up and fit."""

from elsa_groups.report.tables import CLOSING_COLUMNS
from elsa_groups.report.text_tables import aligned, closing_table

ROW = {
    "key": "similar_3",
    "groups": 4,
    "similarity_mean": 0.5,
    "similarity_random": 0.25,
    "wrong_pair_share": 0.25,
    "member_overlap_max": 1.0,
    "restarts": 6,
    "seconds": 1.5,
}


def test_columns_line_up_on_the_side_that_is_asked_for():
    lines = aligned([["job", "run", "settings"], ["10", "ab", "seed=1"], ["9", "-", ""]], left=(1, 2))
    assert lines == ["job  run  settings", " 10  ab   seed=1", "  9  -"]


def test_the_closing_table_lines_up():
    # One group overlaps with none.
    alone = {name: value for name, value in ROW.items() if name != "member_overlap_max"} | {"key": "a_3"}
    above, titles, first, second = closing_table([ROW, alone], CLOSING_COLUMNS).splitlines()
    assert titles.split() == [
        "key", "groups", "similarity", "random", "pair", "max", "restarts", "seconds",
    ]  # fmt: skip
    assert above.split() == ["wrong", "overlap"]
    assert first.split() == [
        "similar_3", "4", "0.500", "0.250", "25.0%", "1.00", "6", "1.50",
    ]  # fmt: skip
    assert second.split()[5] == "-"
    assert len(titles) == len(first) == len(second)
    assert above.index("wrong") + len("wrong") == titles.index("pair") + len("pair")


def test_the_closing_table_fits_its_width_whatever_the_key():
    rows = [ROW | {"key": f"{'listeners' * 12}_{size}_1"} for size in (2, 4)]
    rows[0] |= {"groups": 1_000_000, "restarts": 123_456_789, "seconds": 12345.67}
    lines = closing_table(rows, CLOSING_COLUMNS).splitlines()
    assert max(map(len, lines)) <= 80
    shown = [line.split()[0] for line in lines[2:]]
    assert shown == ["listene…rs_2_1", "listene…rs_4_1"]


def test_a_usual_key_is_shown_whole():
    assert "three_camps_2_2_2 " in closing_table([ROW | {"key": "three_camps_2_2_2"}], CLOSING_COLUMNS)
