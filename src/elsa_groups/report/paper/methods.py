"""The methods paragraph of a paper: Markdown, with citations as pandoc reads them."""

from collections.abc import Mapping, Sequence
from typing import Any

from elsa_groups.base.words import in_markdown
from elsa_groups.report.paper.grouping import say_families, say_filters, say_sampling
from elsa_groups.report.paper.references import ELSA, JACKKNIFE, PROGRAM, TOOLS, cited_by
from elsa_groups.report.paper.thresholds import threshold_sentences
from elsa_groups.report.paper.types import join_words, ruled_families, type_names
from elsa_groups.report.tables import Row
from elsa_groups.similarity.names import OF_HISTORIES

Record = Mapping[str, Any]

_USERS = {
    "all": "users",
    "train": "users that the model was trained on",
    "val": "users that chose the epoch of the model",
    "test": "users that the model was tested on",
}


def methods_paragraph(record: Record, rows: Sequence[Row]) -> str:
    """Return one paragraph that says how the groups of a run were made, the same for the same arguments.

    Parameters
    ----------
    record : mapping
        Of the lineage record: run_id, parent, data, users, thresholds, settings and environment.
    rows : sequence of Row
        Summary rows, one a type.
    """
    sentences = (
        *_say_data(record),
        *_say_users(record),
        *_say_similarity(record),
        *threshold_sentences(record),
        *say_families(record["settings"]["families"]),
        *say_sampling(record["settings"]),
        *say_filters(record["settings"]["filters"], rows),
        *_say_counts(record, rows),
        *_say_wrong_pairs(record, rows),
        *_say_evidence(record, rows),
        *_say_tools(record),
    )
    return " ".join(sentences) + "\n"


def _say_data(record: Record) -> list[str]:
    data, dataset = record["data"], record["settings"]["dataset"]
    counts, asked = data["counts"], data["filter"]
    cited = cited_by(data["dataset"])
    users, items = asked["min_user_interactions"], asked["min_item_interactions"]
    size = f"{data['n_pairs']:,} distinct pairs of {data['n_users']:,} users and {data['n_items']:,} items"
    before = f", of {counts['distinct/pairs']:,} pairs before," if "distinct/pairs" in counts else ""
    kept = (
        f" were kept{before} by a filter of one pass that keeps users with at least {users} items and then"
        f" items with at least {items} of these users"
    )
    told = [f"The data set is {in_markdown(data['dataset'])}{f' [@{cited}]' if cited else ''}."]
    told += ["It is generated, with planted communities of taste."] if data["dataset"] == "Demo" else []
    if dataset.get("min_rating") is not None:
        told.append(f"A user and an item are a pair where the rating is at least {dataset['min_rating']:g}.")
    if dataset.get("exclude_mismatches") is not None:
        told.append("Songs that were matched to a wrong track are left out.")
    return [*told, f"{size}{kept if users or items else ' were used, without a filter'}."]


def _say_users(record: Record) -> list[str]:
    settings, users = record["settings"], record["users"]
    kind = _USERS[settings["user_set"]] if settings["user_file"] is None else "users that a list names"
    sample = "a random sample of " if settings["user_sample"] is not None else ""
    told = [f"Groups are drawn from {sample}{users['n_users']:,} {kind}."]
    if settings["history"] == "inputs":
        held_out = f"{100 * settings['holdout']['target_ratio']:g}%"
        told.append(f"Of every history {held_out} was held out, and only the rest was used to form groups.")
    return told


def _say_similarity(record: Record) -> list[str]:
    source, parent = record["settings"]["similarity"]["source"], record["parent"]
    n_trained = record["users"]["n_trained"]
    trained = "" if n_trained is None else f", which was trained on {n_trained:,} of these users"
    model = f"ELSA [@{ELSA}] with {parent['factors']} factors{trained}"
    if source in OF_HISTORIES:
        return [
            "The similarity of two users is (1 + c) / 2, where c is the"
            f" {OF_HISTORIES[source].definition}; it needs no model.",
            f"Recommendations, by whose overlap groups are described, are those of {model}.",
        ]
    told = [f"Users are compared by their embeddings from {model}."]
    if source == "vectors":
        told = [f"Users are compared by vectors of {parent['factors']} dimensions from another model."]
        items = any(name.startswith("item_vectors") for name in parent.get("files", ()))
        told += [] if items else ["The overlap of recommendations is not measured, as items have no vectors."]
    if record["settings"]["similarity"]["center"] == "mean":
        told.append("The mean of all users is subtracted from each of them.")
    return [*told, "The similarity of two users is (1 + cosine) / 2, between 0 and 1."]


def _say_counts(record: Record, rows: Sequence[Row]) -> list[str]:
    names = type_names(record["settings"]["families"])
    counts = {names[row["key"]]: row["groups"] for row in rows}
    total = sum(counts.values())
    told = [f"There are {_list(counts, '{:,} groups of {}')}, {total:,} in all."]
    if len(set(counts.values())) == 1:
        each = f"each of {len(counts)} types, {total:,} in all" if len(counts) > 1 else next(iter(counts))
        told = [f"There are {rows[0]['groups']:,} groups of {each}."]
    short = {names[row["key"]]: row["shortfall"] for row in rows if row["shortfall"]}
    told += [f"Fewer groups than asked were found: {_list(short, '{:,} fewer of {}')}."] if short else []
    absent = [name for name in names.values() if name not in counts]
    return told + ([f"No group was found of {join_words(absent)}."] if absent else [])


def _say_wrong_pairs(record: Record, rows: Sequence[Row]) -> list[str]:
    names = type_names(ruled_families(record["settings"]["families"]))
    shares = {names[row["key"]]: 100 * row["wrong_pair_share"] for row in rows if row["key"] in names}
    if not any(shares.values()):
        return ["No group holds a pair of members on the wrong side of its threshold."] if shares else []
    return [
        "The share of groups that hold at least one pair of members on the wrong side of its threshold is"
        f" {_list(shares, '{:.1f}% in {}')}."
    ]


def _say_evidence(record: Record, rows: Sequence[Row]) -> list[str]:
    settings, names = record["settings"], type_names(record["settings"]["families"])
    n_random = settings["baseline"]["n_groups"]
    means = {names[row["key"]]: f"{row['similarity_mean']:.3f}{_interval(row)}" for row in rows}
    random = sorted(row["similarity_random"] for row in rows)
    told = [
        f"Groups of each type are compared with random groups of as many users, at least {n_random:,}.",
        f"Their mean similarity is {_list(means, '{} in {}')}; that of random groups is between"
        f" {random[0]:.3f} and {random[-1]:.3f}.",
    ]
    halves = settings["evidence"]["halves"]
    if halves:
        told.append(
            f"95% confidence intervals are by resampling users: thresholds and groups were drawn again from"
            f" {halves} random halves of them (delete-half jackknife [@{JACKKNIFE}])."
        )
    return told + _say_no_interval(names, rows)


def _say_no_interval(names: Mapping[str, str], rows: Sequence[Row]) -> list[str]:
    """Say of which types there is no interval, once for each reason."""
    types_of: dict[str, list[str]] = {}
    for row in rows:
        if "no_interval" in row:
            types_of.setdefault(row["no_interval"], []).append(names[row["key"]])
    return [f"No interval of {join_words(types)}: {why}." for why, types in types_of.items()]


def _interval(row: Row) -> str:
    if "similarity_low" not in row:
        return ""
    return f" (95% CI {row['similarity_low']:.3f} to {row['similarity_high']:.3f})"


def _list(values: Mapping[str, Any], form: str) -> str:
    return join_words([form.format(value, name) for name, value in values.items()])


def _say_tools(record: Record) -> list[str]:
    environment = record["environment"]
    packages, commit = environment["packages"], environment["code"].get("commit")
    tools = [f"{name} {packages[key]} [@{cite}]" for key, (name, cite) in TOOLS.items() if key in packages]
    changed = ", with changes that code.diff holds" if environment["code"].get("dirty") else ""
    source = f" (commit {commit[:12]}{changed})" if commit else ""
    return [
        f"Groups were drawn by {PROGRAM} {packages[PROGRAM]} [@{PROGRAM}]{source} with {join_words(tools)}.",
        f"The file lineage.json of run {record['run_id']} holds the digests of data, model, settings"
        " and groups.",
    ]
