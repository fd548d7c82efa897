"""Sentences of a paper that say which groups were drawn, and how."""

from collections.abc import Mapping, Sequence
from typing import Any

from elsa_groups.groups.filters import NAMES, NO_FILTERS
from elsa_groups.report.paper.references import MINORITY, TERMS
from elsa_groups.report.paper.types import join_words, ruled_families, say_sizes
from elsa_groups.report.tables import Row

_WITHIN = {
    "similar": "similar to each other",
    "divergent": "divergent from each other",
    "band": "in the band of each other",
}
_ACROSS = {"similar": "similar", "divergent": "divergent", "band": "in the band"}
_LINKAGES = {
    "mean": "mean similarity to the members of each subgroup is",
    "all": "similarity to every member of each subgroup is",
    "any": "similarity to at least one member of each subgroup is",
}
_SCOPES = {
    "history": "their histories",
    "targets": "what is held out of their histories",
    "half": "a random half of the catalogue",
    "sagea": "the half of the catalogue in which SAGEA's code counts common items",
}


def say_families(families: Mapping[str, Any]) -> list[str]:
    """Return sentences on the families of a run: sizes, rules, linkage.

    Parameters
    ----------
    families : mapping of str to mapping
        Of the settings, by name.
    """
    told = [
        f"Families of groups are {'; '.join(_say_family(name, family) for name, family in families.items())}."
    ]
    linkages = dict.fromkeys(family["linkage"] for family in ruled_families(families).values())
    told += [
        f"By linkage {linkage}, a user fits a group if the user's {_LINKAGES[linkage]} on the side of the"
        " threshold that the rule asks for."
        for linkage in linkages
    ]
    terms = [name for name in families if name in TERMS]
    return told + ([f"The term {join_words(terms)} is that of [@{MINORITY}]."] if terms else [])


def _say_family(name: str, family: Mapping[str, Any]) -> str:
    sizes = join_words([say_sizes(sizes) for sizes in family["compositions"]])
    rules = []
    if family["within"] != "any":
        several = any(len(sizes) > 1 for sizes in family["compositions"])
        rules.append(f"{_WITHIN[family['within']]}{' within a subgroup' if several else ''}")
    if family["across"] != "any":
        rules.append(f"{_ACROSS[family['across']]} across subgroups")
    rule = f"{' and '.join(rules)}, linkage {family['linkage']}" if rules else "drawn uniformly"
    paired = family.get("paired_with")
    pairing = f", with the first members of the group of {paired} that has the same number" if paired else ""
    return f"{name} ({sizes} members, {rule}{pairing})"


def say_sampling(settings: Mapping[str, Any]) -> list[str]:
    """Return sentences on how members are drawn, and the seed."""
    max_draws = settings["sampling"]["max_draws"]
    until = "no user fits" if max_draws is None else f"{max_draws:,} candidates have been considered"
    return [
        "Members are drawn one after another, uniformly from the users that are not yet in the group; who"
        f" does not fit is passed over, and a group is started anew when {until} before it is full.",
        f"All draws follow from the seed {settings['seed']}.",
    ]


def say_filters(filters: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """Return sentences on the filters that are on, and what they rejected; none where all are off.

    Parameters
    ----------
    filters : mapping of str to mapping
        Of the settings, by name.
    rows : sequence of Row
        Summary rows, one a type.
    """
    asked = [
        getattr(NO_FILTERS, name).asks.format(
            value=filters[name]["value"], scope=_SCOPES.get(filters[name].get("scope"), "")
        )
        for name in NAMES
        if filters[name]["value"] not in (None, False)
    ]
    if not asked:
        return []
    rejected = sum(count for row in rows for name, count in row.items() if name.startswith("rejected_"))
    candidates = sum(row["candidates"] for row in rows)
    return [
        f"A group is kept only if {join_words(asked)}; {rejected:,} of {candidates:,} groups drawn were"
        " rejected."
    ]
