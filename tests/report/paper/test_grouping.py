"""Every filter there is has its words."""

from dataclasses import fields

from elsa_groups.groups.filters import Filters
from elsa_groups.report.paper.grouping import FILTERS


def test_every_filter_has_its_words_in_the_order_in_which_they_reject():
    assert [field.name for field in fields(Filters) if field.name != "budget"] == [*FILTERS]
