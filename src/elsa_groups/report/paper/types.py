"""Group types in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from elsa_groups.groups.family import has_rule


def type_names(families: Mapping[str, Any]) -> dict[str, str]:
    """Return what each type is called in a text: its family with the sizes of its subgroups.

    >>> type_names({"opposing": {"compositions": [[2, 1]]}})
    {'opposing_2_1': 'opposing 2+1'}
    """
    return {
        "_".join([name, *map(str, sizes)]): f"{name} {say_sizes(sizes)}"
        for name, family in families.items()
        for sizes in family["compositions"]
    }


def ruled_families(families: Mapping[str, Any]) -> dict[str, Any]:
    """Return the families that ask for anything of a pair of members: those that are not random groups."""
    return {name: family for name, family in families.items() if has_rule(family)}


def say_sizes(sizes: Sequence[int]) -> str:
    """Return the sizes of subgroups as a sum."""
    return "+".join(map(str, sizes))


def join_words(words: Sequence[str]) -> str:
    """Join words by commas and a last "and".

    >>> join_words(["3", "5", "8"])
    '3, 5 and 8'
    """
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
