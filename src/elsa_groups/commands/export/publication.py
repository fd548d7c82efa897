"""Groups as one folder to be published: groups, user ids, record, what it all is, and checksums."""

import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elsa_groups.base.checksums import SUMS, write_sums
from elsa_groups.base.errors import InputError
from elsa_groups.base.files import read_json, write_text
from elsa_groups.base.nested import flatten
from elsa_groups.base.temporary import temporary_folder
from elsa_groups.base.words import in_markdown
from elsa_groups.commands.export.plain import Counts
from elsa_groups.commands.generate.files import PAPER, SUMMARY_TABLE, USER_FILE
from elsa_groups.data.datasets import dataset_class
from elsa_groups.groups.family import has_rule
from elsa_groups.record.group_files import published_name
from elsa_groups.record.schema import CODE_DIFF, CONFIG, LINEAGE, THRESHOLDS
from elsa_groups.report.paper.references import write_bibliography
from elsa_groups.report.paper.types import type_names
from elsa_groups.report.tables import Row, table_rows
from elsa_groups.settings.recorded import with_every_setting
from elsa_groups.tracking.load import Record, RecordedFiles

log = logging.getLogger("elsa_groups.cli")

README, REFERENCES, METHODS = "README.md", "references.bib", "methods.md"
# Files of a run that are published besides its groups, with what they are; what a run lacks is left out.
_FILES = {
    f"{PAPER}/{METHODS}": "how the groups were drawn: a paragraph for a paper, with pandoc's citations",
    f"{PAPER}/groups.tex": "the table above with confidence intervals, for the LaTeX package booktabs",
    SUMMARY_TABLE: "one row a group type: counts, similarity, what breaks a rule, overlaps, intervals",
    f"{PAPER}/{REFERENCES}": "BibTeX of the data and of all that was used",
    "evidence.parquet": "every measure of every type beside random groups, with 95% confidence intervals",
    THRESHOLDS: "the similarity from which users are similar, that up to which they are divergent, and how"
    " both were found",
    CONFIG: "every setting that the groups were drawn with",
    USER_FILE: "the list of users that was given, whom groups were drawn from",
    CODE_DIFF: "how the program differed from the commit that the record names",
}
# An absolute path, or an address of one; and within text, a place in somebody's home.
_ABSOLUTE = re.compile(r"(file:)?/|[A-Za-z]:[\\/]|~")
_HOME = re.compile(r"(?:(?<![\w.])/(?:home|root|Users)/|\b[A-Za-z]:[\\/]Users[\\/])[^\s\"'<>]*")
_OF_TYPE = {
    "{key}.parquet": "one row a member: group, position, subgroup, user_index, user_id",
    "{key}.npy": "the same groups, one row a group: `user_index` of its members, int64, for NumPy",
    "{key}_measures.parquet": "one row a group: what was measured of it",
}
_COLUMNS = (
    "type",
    "groups",
    "users a group",
    "mean similarity",
    "of random groups",
    "groups that break the rule",
)


def write_publication(folder: Path, record: Record) -> Counts:
    """Write the groups of a run, and what is to be known of them, to a folder without folders.

    Parameters
    ----------
    folder : Path
        An empty folder.
    record : Record
        The run.

    Returns
    -------
    dict
        Number of types, of groups and of files.

    Raises
    ------
    InputError
        If a file is not the one that the run logged.
    """
    lineage = record.lineage
    with temporary_folder() as place:
        files = RecordedFiles(record.artifacts, place, lineage)
        for path in _paths(lineage):
            shutil.copyfile(files.read(path), folder / published_name(path))
        shutil.copyfile(record.artifacts.download(LINEAGE, place), folder / LINEAGE)
    told = with_every_setting(lineage)
    write_text(folder / README, describe_publication(told, _rows(folder)))
    if not (folder / REFERENCES).exists():
        write_text(folder / REFERENCES, write_bibliography(told))
    write_sums(folder)
    _warn_of_local_paths(folder, lineage)
    groups = [group["shape"][0] for group in lineage["groups"].values()]
    return {"group_types": len(groups), "groups": sum(groups), "files": len([*folder.iterdir()])}


def _paths(lineage: Mapping[str, Any]) -> list[str]:
    """Return the files of a run that are published; groups and their ids must be there."""
    there = lineage["artifacts"]
    of_types = [f"groups/{name.format(key=key)}" for key in lineage["groups"] for name in _OF_TYPE]
    needed = [SUMMARY_TABLE, *(path for path in of_types if not path.endswith("_measures.parquet"))]
    if absent := [path for path in needed if path not in there]:
        raise InputError(f"zenodo: the record of run {lineage['run_id']} lists no {absent[0]}; restore it")
    if "users" not in lineage:
        raise InputError(
            f"zenodo: the record of run {lineage['run_id']} does not say of whom groups were drawn (users);"
            " restore it, or draw the groups again"
        )
    return [path for path in (*of_types, *_FILES) if path in there]


def _rows(folder: Path) -> list[Row]:
    """Return the rows of the summary."""
    try:
        return table_rows(read_json(folder / published_name(SUMMARY_TABLE)))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"zenodo: {SUMMARY_TABLE}: expected a table, got {error}; draw the groups again"
        ) from error


def _warn_of_local_paths(folder: Path, lineage: Mapping[str, Any]) -> None:
    """Say which published files have absolute paths of the machine that wrote them."""
    found = {LINEAGE: _local_paths(lineage)}
    # The same settings as in the record.
    if (folder / CONFIG).exists():
        found[CONFIG] = _local_paths(lineage["settings"])
    if (folder / CODE_DIFF).exists():
        found[CODE_DIFF] = _HOME.findall((folder / CODE_DIFF).read_text(encoding="utf-8", errors="replace"))
    if named := [f"{name} (such as {min(places)})" for name, places in found.items() if places]:
        log.warning("zenodo: places on this machine are named in %s; may they be public?", ", ".join(named))


def _local_paths(content: Mapping[str, Any]) -> list[str]:
    """Return the absolute paths among all texts of nested mappings."""
    return [text for text in flatten(content).values() if isinstance(text, str) and _ABSOLUTE.match(text)]


def describe_publication(record: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Return the README of a published folder, the same for the same arguments.

    Parameters
    ----------
    record : mapping
        The lineage record, with every setting.
    rows : sequence of mapping
        Its summary, one row a type.
    """
    sections = (
        _say_what_it_is(record),
        _table(record, rows),
        _say_how_to_read(next(iter(record["groups"]))),
        _say_files(record),
        _say_ids(record),
        _say_licence(record),
        _say_citation(),
    )
    return "\n\n".join(sections) + "\n"


def _say_what_it_is(record: Mapping[str, Any]) -> str:
    groups, users, dataset = record["groups"], record["users"], in_markdown(record["data"]["dataset"])
    n_groups = sum(group["shape"][0] for group in groups.values())
    limits = record["thresholds"]
    method = f"`{METHODS}` has the whole method. " if f"{PAPER}/{METHODS}" in record["artifacts"] else ""
    return (
        f"# Groups of users of {dataset}\n\n"
        f"{n_groups:,} groups of {len(groups)} types, to compare group recommenders on. They are synthetic: a"
        f" program chose their members among {users['n_users']:,} users of {dataset} by how similar their"
        " tastes are. Nobody knows whether any of them ever met.\n\n"
        f"Two users are called similar if their similarity is at least {limits['similar']:.4f}, and divergent"
        f" if it is at most {limits['divergent']:.4f}. {method}`{LINEAGE}` has the record: data, model,"
        " settings and code, with digests."
    )


def _table(record: Mapping[str, Any], rows: Sequence[Row]) -> str:
    names = {key: in_markdown(name) for key, name in type_names(record["settings"]["families"]).items()}
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    for row in rows:
        key = row["key"]
        rule = record["settings"]["families"][record["groups"][key]["family"]]
        broken = "no rule" if not has_rule(rule) else f"{row['wrong_pair_share']:.1%}"
        size = record["groups"][key]["shape"][1]
        mean, random = f"{row['similarity_mean']:.3f}", f"{row['similarity_random']:.3f}"
        lines.append(f"| {names[key]} | {row['groups']:,} | {size} | {mean} | {random} | {broken} |")
    return "\n".join(lines)


def _say_how_to_read(key: str) -> str:
    return (
        "## Reading them\n\n"
        "```python\n"
        "import pandas as pd\n\n"
        f'members = pd.read_parquet("{key}.parquet")  # one row a member\n'
        'print(members.groupby("group")["user_id"].agg(list))\n'
        "```\n\n"
        "With the program that drew them, which also checks every file:\n\n"
        "```python\n"
        "from elsa_groups import load_groups\n\n"
        'groups = load_groups(".")  # this folder\n'
        f'print(groups["{key}"].user_ids, groups["{key}"].measures["similarity"])\n'
        "```\n\n"
        f"`sha256sum -c {SUMS}` says whether every file is as it was written."
    )


def _say_files(record: Mapping[str, Any]) -> str:
    there = record["artifacts"]
    told = {name.format(key="TYPE"): text for name, text in _OF_TYPE.items()}
    told |= {published_name(path): text for path, text in _FILES.items() if path in there}
    told |= {LINEAGE: "the record", REFERENCES: _FILES[f"{PAPER}/{REFERENCES}"], SUMS: "checksums"}
    rows = [f"| `{name}` | {text} |" for name, text in told.items()]
    return "\n".join(["## Files", "", "| file | content |", "|---|---|", *rows])


def _say_ids(record: Mapping[str, Any]) -> str:
    data, asked = record["data"], record["data"]["filter"]
    users, items = asked["min_user_interactions"], asked["min_item_interactions"]
    who = f"{data['n_users']:,} users"
    if users or items:
        who += (
            f" who remain if users with fewer than {users} items are left out, and then items of fewer than"
            f" {items} of these users"
        )
    return (
        "## Users\n\n"
        "`user_id` is the user's id in the data set itself. `user_index` is its place, from 0, among the"
        f" sorted ids of the {who}.\n\n"
        "Histories of users are not in this folder. They are in the data set, which its makers give out."
    )


def _say_licence(record: Mapping[str, Any]) -> str:
    known = dataset_class(record["data"]["dataset"]).licence
    hint = (
        "Whether ids of these users may be published is for the licence of the data to say."
        if not known
        else f"{known} If the file held other data in the same form, what their makers say counts instead."
    )
    return (
        f"## Licence\n\n{hint}\n\nThe groups have the licence that their archive, or a file LICENSE beside"
        " this one, names. Who publishes them chooses it: CC BY 4.0, for example, if nothing is against it."
    )


def _say_citation() -> str:
    return (
        "## Citing\n\n"
        f"`{REFERENCES}` has the data set and then all that was used. Cite the data set and these groups."
    )
