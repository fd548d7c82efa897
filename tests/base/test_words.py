"""Texts of anybody's where they could be taken for more than text."""

import pytest

from elsa_groups.base.words import as_cell, in_markdown


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1+1", "-x", "@SUM(A1)", "\t=1"])
def test_what_a_spreadsheet_would_compute_is_quoted(text):
    assert as_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.5", "+1e-3", "ELSA", "", "0.9"])
def test_numbers_and_words_stay(text):
    assert as_cell(text) == text


def test_markdown_shows_a_name_as_it_is():
    assert in_markdown("a *b* [c](d) <e>\n`f`") == r"a \*b\* \[c\]\(d\) \<e\> \`f\`"
