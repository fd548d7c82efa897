"""Sentences of a paper that say what similar and divergent meant."""

from collections.abc import Mapping
from typing import Any

_USERS = {"all": "all", "train": "training", "val": "validation", "test": "test"}


def threshold_sentences(record: Mapping[str, Any]) -> list[str]:
    """Return sentences on the thresholds that the rules of a run's families need; none for random groups.

    Parameters
    ----------
    record : mapping
        Of the lineage record: thresholds and settings.
    """
    families = record["settings"]["families"].values()
    rules = {family[part] for family in families for part in ("within", "across")}
    found, asked = record["thresholds"], record["thresholds"]["asked"]
    told, targets = [], []
    for rule, words in (("similar", "similar from a similarity of"), ("divergent", "divergent up to")):
        if rule in rules:
            told.append(f"{words} {found[rule]:.4f} ({_origin(asked[rule], found['intervals'].get(rule))})")
            targets.append(asked[rule])
    if "band" in rules:
        ends = []
        for end in ("low", "high"):
            interval = found["intervals"].get(f"band_{end}")
            ends.append(f"{found[f'band_{end}']:.4f} ({_origin(asked['band'][end], interval)})")
            targets.append(asked["band"][end])
        told.append(f"in the band from a similarity of {ends[0]} to {ends[1]}")
    if not told:
        return []
    by_quantile = any(target["value"] is None for target in targets)
    return [f"Two users are {' and '.join(told)}.", *(_say_pairs(found, asked) if by_quantile else ())]


def _origin(target: Mapping[str, Any], interval: tuple[float, float] | None) -> str:
    if target["value"] is not None:
        return "a value that was given"
    told = f"the {target['quantile']:g} quantile"
    return told if interval is None else f"{told}, 95% CI {interval[0]:.4f} to {interval[1]:.4f}"


def _say_pairs(found: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    all_pairs = found["method"] == "exact"
    pairs = f"{'all ' if all_pairs else ''}{found['pairs']:,} {'' if all_pairs else 'random '}pairs"
    users = f"{_USERS[asked['users']]} users" if asked["users"] not in (None, "all") else "users"
    return [f"Quantiles are of the similarity of {pairs} of {found['n_users']:,} {users}."]
