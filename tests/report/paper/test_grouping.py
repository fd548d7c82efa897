"""Every filter there is has its words."""

from elsa_groups.groups.filters import NAMES, NO_FILTERS


def test_every_filter_has_words_of_its_own():
    words = {getattr(NO_FILTERS, name).asks for name in NAMES}
    assert len(words) == len(NAMES)
    assert all(words)
