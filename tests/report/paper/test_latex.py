"""The table is LaTeX with a cell for each column, and its cells are those of the rows."""

import re

import pytest

from elsa_groups.report.paper.latex import escape_latex, groups_table
from elsa_groups.settings.conf import conf_dir

FAMILIES = sorted(path.stem for path in (conf_dir() / "families").glob("*.yaml"))


def body_of(table: str) -> list[list[str]]:
    """Return the cells of each line between the rules."""
    inside = table.partition("\\midrule\n")[2].partition("    \\bottomrule")[0]
    lines = inside.splitlines()
    assert all(line.endswith(r" \\") for line in lines)
    return [re.split(r"(?<!\\)&", line.strip().removesuffix(r" \\")) for line in lines]


def spanned(line: str) -> int:
    """Return how many columns a line takes."""
    cells = re.split(r"(?<!\\)&", line)
    found = [re.search(r"\\multicolumn\{(\d+)\}", cell) for cell in cells]
    return sum(int(match[1]) if match else 1 for match in found)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_line_has_a_cell_for_each_column(make_told, name):
    record, rows = make_told(f"families={name}")
    table = groups_table(record, rows)
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lrc]+)\}", table)
    lines = [line for line in table.splitlines() if line.endswith(r"\\")]
    assert len(lines) == len(rows) + 2
    assert {spanned(line) for line in lines} == {len(columns)}
    rules = [tuple(map(int, ends)) for ends in re.findall(r"\\cmidrule\(lr\)\{(\d+)-(\d+)\}", table)]
    assert rules == [(4, 5), (6, 7), (8, 9)]


def test_begins_and_ends_meet_and_braces_close(make_told):
    table = groups_table(*make_told())
    assert re.findall(r"\\begin\{(.+?)\}", table) == re.findall(r"\\end\{(.+?)\}", table)[::-1]
    plain = re.sub(r"\\[{}]", "", table)
    assert plain.count("{") == plain.count("}")
    for rule in ("toprule", "midrule", "bottomrule"):
        assert table.count(f"\\{rule}") == 1
    assert "$" not in table


def test_cells_are_the_numbers_of_the_rows(make_told):
    record, rows = make_told()
    for line, row in zip(body_of(groups_table(record, rows)), rows, strict=True):
        cells = [cell.strip() for cell in line]
        assert cells[1] == "20"
        assert cells[2] == ("--" if row["key"] == "random_3" else "0.0")
        assert cells[3] == (
            f"{row['similarity_mean']:.3f} [{row['similarity_low']:.3f}, {row['similarity_high']:.3f}]"
        )
        assert cells[4] == f"{row['similarity_random']:.3f}"
        assert cells[7].startswith(f"{row['common_items_mean']:.2f} [")


def test_what_is_not_known_is_a_dash_and_what_no_type_has_is_no_column(make_told):
    record, rows = make_told()
    of = "recommendation_overlap_at_20"
    without = [{name: v for name, v in row.items() if not name.startswith(of)} for row in rows]
    (line, *_) = body_of(groups_table(record, [without[0], *rows[1:]]))
    assert [cell.strip() for cell in line[5:7]] == ["--", "--"]
    table = groups_table(record, without)
    assert "verlap" not in table.partition(r"\label")[2]
    assert {len(line) for line in body_of(table)} == {7}


def test_without_intervals_the_caption_promises_none(make_told):
    record, rows = make_told()
    assert r"95\% confidence interval" in groups_table(record, rows)
    bare = [{name: v for name, v in row.items() if not name.endswith(("_low", "_high"))} for row in rows]
    table = groups_table(record, bare)
    assert "confidence" not in table
    assert "[" not in table


def test_hostile_names_are_text(make_told):
    record, rows = make_told()
    record["data"]["dataset"] = "50%_of $A & B\n\\input{/etc/passwd} #~^\u202e"
    families = record["settings"]["families"]
    record["settings"]["families"] = {f"{name}_x": family for name, family in families.items()}
    for row in rows:
        name, *sizes = row["key"].split("_")
        row["key"] = "_".join([f"{name}_x", *sizes])
    table = groups_table(record, rows)
    assert (
        r"50\%\_of \$A \& B \textbackslash{}input\{/etc/passwd\} \#\textasciitilde{}\textasciicircum{}:"
        in table
    )
    assert body_of(table)[0][0].strip() == r"similar\_x 3"


@pytest.mark.parametrize("letter", "\\{}$&#_%~^")
def test_no_special_letter_is_left(letter):
    left = re.sub(r"\\text\w+\{\}|\\[{}$&#_%]", "", escape_latex(f"a{letter}b"))
    assert left == "ab"


def test_negative_numbers_have_a_minus(make_told):
    record, rows = make_told()
    rows[0]["common_items_low"] = -0.5
    assert "[$-$0.50, " in groups_table(record, rows)
