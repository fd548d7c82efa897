"""The registry of measures: every entry is complete, and what follows from it agrees."""

from dataclasses import fields
from pathlib import Path

import pytest

from elsa_groups.measures.registry import MEASURES, Measure, docs_table
from elsa_groups.measures.statistics import METRICS, STATISTICS, Statistic
from elsa_groups.measures.tastes import Tastes

DOCS = Path(__file__).resolve().parents[2] / "docs" / "evidence.md"


@pytest.mark.parametrize("entry", [*MEASURES, *STATISTICS], ids=lambda entry: entry.name)
def test_every_number_has_a_label_a_definition_and_a_format(entry: Measure | Statistic) -> None:
    assert entry.label
    assert entry.definition
    assert entry.format.format(1) != entry.format


@pytest.mark.parametrize("entries", [MEASURES, STATISTICS], ids=["measures", "statistics"])
def test_no_two_numbers_have_one_name_or_label(entries: tuple[Measure | Statistic, ...]) -> None:
    assert len({entry.name for entry in entries}) == len({entry.label for entry in entries}) == len(entries)


def test_everything_that_members_have_in_common_is_a_measure() -> None:
    assert {field.name for field in fields(Tastes)} <= {measure.name for measure in MEASURES}


def test_the_docs_have_the_table_of_measures() -> None:
    assert docs_table() in DOCS.read_text(encoding="utf-8")


def test_metrics_keep_their_names_and_order() -> None:
    assert (
        *("similarity_mean", "within_mean", "across_mean", "wrong_pair_share"),
        *("recommendation_overlap_at_20_mean", "member_overlap_mean", "user_coverage", "acceptance_rate"),
    ) == METRICS
