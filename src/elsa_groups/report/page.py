"""The page of a groups run: one HTML file that needs nothing else, no network and no script."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from elsa_groups import __version__
from elsa_groups.groups.family import has_rule
from elsa_groups.measures.baselines import BaselineComparison
from elsa_groups.measures.registry import MEASURES
from elsa_groups.report.cautions import Caution, signed
from elsa_groups.report.examples import ExampleGroup
from elsa_groups.report.pictures import Picture, fitting, inline_svg
from elsa_groups.report.tables import Row
from elsa_groups.similarity.names import OF_HISTORIES

# Letters of a name; whoever put a novel there is cut.
_NAME_LENGTH = 80

# The figure that is looked at first.
LEAD = "similarity"

_SIDES = ("within", "across")
_RULE = ("within", "across", "linkage")
_TO_EACH_OTHER = {
    "similar": "similar to each other",
    "divergent": "divergent from each other",
    "band": "in the band of each other",
    "any": "anybody",
}
# Up to so many group types all have an example that is open, otherwise one of each family.
_OPEN_UP_TO = 12


@dataclass(frozen=True)
class TypeRow:
    """What the page tells of a group type.

    Attributes
    ----------
    row : Row
        Its summary.
    rule : str
        What is asked of its pairs, in words.
    has_rule : bool
        Whether anything is.
    undivided : bool
        Whether its groups are one subgroup, so that all pairs are within it.
    evidence : sequence of dict
        Its measures beside both kinds of random groups; see :func:`_evidence`.
    examples : sequence of ExampleGroup
        Its first groups.
    """

    row: Row
    rule: str
    has_rule: bool
    undivided: bool
    evidence: Sequence[dict[str, Any]]
    examples: Sequence[ExampleGroup]

    @property
    def key(self) -> str:
        """Its name."""
        return str(self.row["key"])

    @property
    def sharing(self) -> str:
        """Pairs of its groups that share 1, 2, ... members, up to the most that any do."""
        counts = [int(n) for name, n in self.row.items() if name.startswith("pairs_sharing_")]
        while counts and not counts[-1]:
            counts.pop()
        return ", ".join(f"{n:,}" for n in counts) or "none"


@dataclass(frozen=True)
class RunPage:
    """The page of a groups run, and all that it tells.

    Attributes
    ----------
    record : mapping
        Of the lineage record: run_id, parent, data, users, thresholds, settings and environment.code.
    parent_name : str
        Name of the parent run.
    rows : sequence of Row
        Summary rows.
    cautions : sequence of Caution
        What a reader must be told first.
    pictures : sequence of Picture
        Figures, embedded as long as they fit. ``similarity`` is on top, all others are folded.
    notes : sequence of str
        Sentences on what could not be drawn or measured, and why.
    evidence : mapping of str to sequence of BaselineComparison
        Measures beside random groups, by group type; the page shows the foremost.
    examples : mapping of str to sequence of ExampleGroup
        Groups to judge, by group type.
    methods : str
        How the groups were drawn, as a paper says it.
    """

    record: Mapping[str, Any]
    parent_name: str
    rows: Sequence[Row]
    cautions: Sequence[Caution]
    pictures: Sequence[Picture]
    notes: Sequence[str]
    evidence: Mapping[str, Sequence[BaselineComparison]]
    examples: Mapping[str, Sequence[ExampleGroup]]
    methods: str

    def as_html(self) -> str:
        """Return the page, the same bytes for the same content.

        All text is escaped: names of items and users are a stranger's. A content security policy in the page
        itself keeps whatever should get through from loading or running.
        """
        shown = fitting(self.pictures)
        by_histories = OF_HISTORIES.get(self.record["settings"]["similarity"]["source"])
        types = _types(self.record["settings"]["families"], self.rows, self.evidence, self.examples)
        return open_template("page.html.jinja").render(
            page=self,
            record=self.record,
            coefficient=by_histories.name if by_histories else "cosine",
            types=types,
            opened=_opened(types),
            lead=[picture for picture in shown if picture.name == LEAD],
            pictures=[picture for picture in shown if picture.name != LEAD],
            n_more_pictures=len(self.pictures) - len(shown),
            asked_users=describe_users(self.record["settings"]),
            outcome=_outcome(types),
            filtered=_filtered(self.rows),
            version=__version__,
        )


def _types(
    families: Mapping[str, Any],
    rows: Sequence[Row],
    evidence: Mapping[str, Sequence[BaselineComparison]],
    examples: Mapping[str, Sequence[ExampleGroup]],
) -> list[TypeRow]:
    """Bring together what is told of each group type."""
    rules = _rules(families)
    return [
        TypeRow(
            row, *rules[row["key"]], _evidence(evidence.get(row["key"], ())), examples.get(row["key"], ())
        )
        for row in rows
    ]


def _opened(types: Sequence[TypeRow]) -> set[str]:
    """Return the group types whose first example is open: all, or the first of each family of many."""
    if len(types) <= _OPEN_UP_TO:
        return {of.key for of in types}
    families: dict[str, str] = {}
    for of in types:
        families.setdefault(re.sub(r"(_\d+)+$", "", of.key), of.key)
    return set(families.values())


@cache
def open_template(name: str, *rooms: str) -> Template:
    """Return a template of this room or of others, all that is filled into it escaped."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("elsa_groups", room) for room in ("report", *rooms)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"as": _as, "signed": signed, "name": _name, "sizes": _sizes}
    environment.filters |= {"percent": say_percent, "breakable": _breakable, "inline": inline_svg}
    return environment.get_template(name)


def _as(value: Any, form: str) -> str:
    return form.format(value)


def _name(text: str) -> str:
    """Return a stranger's text as one short line without control characters."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())
    return line if len(line) <= _NAME_LENGTH else f"{line[: _NAME_LENGTH - 1]}…"


def _breakable(path: str) -> str:
    """Put the parts of a dotted path below each other."""
    return path.replace(".", ".\n")


def _sizes(sizes: Sequence[int]) -> str:
    return "+".join(map(str, sizes))


def say_percent(share: float) -> str:
    """Write a share in percent, 100 only if nothing is missing.

    >>> [say_percent(share) for share in (1.0, 0.999, 0.5, 0.0, float("nan"))]
    ['100', '99', '50', '0', '–']
    """
    if np.isnan(share):
        return "–"
    return f"{100.0 * share:.0f}" if share in (0.0, 1.0) else f"{min(100.0 * share, 99.0):.0f}"


def describe_users(settings: Mapping[str, Any]) -> str:
    """Say which users and histories settings ask for, as in ``(user_set=test)``; nothing for all of all."""
    user_set = "file" if settings["user_file"] is not None else settings["user_set"]
    asked = {"user_set": user_set, "user_sample": settings["user_sample"], "history": settings["history"]}
    told = [f"{name}={value}" for name, value in asked.items() if value not in ("all", None, "full")]
    return f" ({', '.join(told)})" if told else ""


def _rules(families: Mapping[str, Any]) -> dict[str, tuple[str, bool, bool]]:
    """Say the rule of each group type in words, whether it has one, and whether its groups are undivided."""
    return {
        "_".join([name, *map(str, sizes)]): (
            _rule(sizes, **{part: family[part] for part in _RULE}),
            has_rule(family),
            len(sizes) == 1,
        )
        for name, family in families.items()
        for sizes in family["compositions"]
    }


def _rule(sizes: Sequence[int], *, within: str, across: str, linkage: str) -> str:
    if len(sizes) == 1:
        asked = [_TO_EACH_OTHER[within]]
    else:
        asked = [f"{within} within a subgroup"] if max(sizes) > 1 else []
        asked += [f"{across} across subgroups"]
    # A linkage links nothing where anybody may join.
    by = [] if {within, across} == {"any"} else [f"{linkage} linkage"]
    return ", ".join([f"{_sizes(sizes)} members", *asked, *by])


def _evidence(comparisons: Sequence[BaselineComparison]) -> list[dict[str, Any]]:
    """Return what the page shows of a type: for each measure its name, its format, and both comparisons."""
    found = {(of.measure, of.baseline): of for of in comparisons}
    return [
        {
            "measure": measure.name,
            "name": measure.label,
            "form": measure.format,
            "random": found[measure.name, "random"],
            "as_active": found[measure.name, "as_active"],
        }
        for measure in MEASURES
        if (measure.on_page or measure.name in _SIDES) and (measure.name, "random") in found
    ]


def _outcome(types: Sequence[TypeRow]) -> dict[str, Any]:
    rows, ruled = [type.row for type in types], [type.row for type in types if type.has_rule]
    by_similarity = sorted(rows, key=lambda row: float(row["similarity_mean"]))
    # It is known of all group types, or of none.
    shares = [row["trained_share"] for row in rows if "trained_share" in row]
    places = [row["groups"] * row["size"] for row in rows]
    return {
        "trained_share": np.average(shares, weights=places) if shares else None,
        "groups": sum(row["groups"] for row in rows),
        "ruled": sum(row["groups"] for row in ruled),
        "wrong": sum(round(row["wrong_pair_share"] * row["groups"]) for row in ruled),
        "least": by_similarity[0],
        "most": by_similarity[-1],
    }


def _filtered(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Say by group type what filters rejected; nothing where all are off."""
    found = []
    for row in rows:
        counts = {
            name.removeprefix("rejected_"): n for name, n in row.items() if name.startswith("rejected_")
        }
        if counts:
            by = ", ".join(f"{n:,} by {name}" for name, n in counts.items() if n) or "none"
            found.append((row["key"], f"{by} of {row['candidates']:,}"))
    return found
