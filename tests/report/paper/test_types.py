"""Group types in words."""

import pytest

from elsa_groups.report.paper.types import join_words, ruled_families


@pytest.mark.parametrize(
    ("words", "joined"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")]
)
def test_words_are_joined(words, joined):
    assert join_words(words) == joined


def test_random_groups_have_no_rule():
    families = {
        "a": {"within": "any", "across": "any"},
        "b": {"within": "any", "across": "divergent"},
        "c": {"within": "band", "across": "any"},
    }
    assert [*ruled_families(families)] == ["b", "c"]
