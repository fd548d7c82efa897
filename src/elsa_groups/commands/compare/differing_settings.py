"""What several groups runs were made from and with, where it is not the same."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elsa_groups.base.nested import flatten
from elsa_groups.record.kinds import kind_of

# Stands for a setting that a run does not have, as of a family that it lacks; null is a value.
ABSENT = "–"
# Numbers that name something rather than measure it: nothing lies between two seeds.
_NAMES = ("seed",)


@dataclass(frozen=True)
class Varying:
    """An entry of the lineage record that is not the same in all of several runs.

    Attributes
    ----------
    name : str
        Dotted path: of a setting below ``settings``, of anything else from the top of the record.
    values : tuple
        What each run has, in their order; ``ABSENT`` where it has none.
    """

    name: str
    values: tuple[Any, ...]

    @property
    def is_numeric(self) -> bool:
        """Whether the runs lie on a scale: numbers, of which seeds are none."""
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values)
        return numbers and self.name not in _NAMES

    @property
    def short(self) -> str:
        """The last two parts of the name, which tell settings apart in little room."""
        return ".".join(self.name.split(".")[-2:])


@dataclass(frozen=True)
class Variation:
    """Where the lineage records of several runs differ.

    Attributes
    ----------
    settings : tuple of Varying
        Settings that groups follow from.
    sources : tuple of Varying
        Data and model: dataset, digests of data and users, parent run and digest of its checkpoint.
    surroundings : tuple of Varying
        Code, packages, machine and places, on which no group should depend.
    """

    settings: tuple[Varying, ...]
    sources: tuple[Varying, ...]
    surroundings: tuple[Varying, ...]


def find_variation(lineages: Sequence[Mapping[str, Any]]) -> Variation:
    """List what differs between the lineage records of groups runs.

    Parameters
    ----------
    lineages : sequence of mapping
        Records as by :func:`~elsa_groups.record.schema.groups_lineage`.

    Returns
    -------
    Variation
        Entries in the order of the records. The ``n_groups`` of a family is no setting of its own where it
        is the run's in every run.
    """
    settings = [flatten(_own_settings(lineage["settings"])) for lineage in lineages]
    for path in _followers(settings):
        for one in settings:
            one.pop(path, None)
    differing = _varying(settings)
    own = tuple(entry for entry in differing if kind_of(f"settings.{entry.name}") == "input")
    # What a parent was called is no difference: which run it is, is among the sources.
    places = tuple(entry for entry in differing if entry not in own and entry.name != "parent")
    sources = _varying([flatten(_sources(lineage)) for lineage in lineages])
    around = _varying([flatten(lineage["environment"], "environment.") for lineage in lineages])
    named = (Varying(f"settings.{entry.name}", entry.values) for entry in places)
    return Variation(own, tuple(sources), (*around, *named))


def _own_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without what a dataset's file is fetched from and checked by: its digest says more."""
    dataset = settings.get("dataset")
    if not isinstance(dataset, Mapping):
        return dict(settings)
    return {**settings, "dataset": {k: v for k, v in dataset.items() if not k.endswith("_md5")}}


def _followers(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return paths of the families' numbers of groups that no run sets apart from its own."""
    paths = {
        path
        for one in settings
        for path in one
        if path.startswith("families.") and path.endswith(".n_groups")
    }
    return sorted(
        path
        for path in paths
        if all(one.get(path, one.get("n_groups")) == one.get("n_groups") for one in settings)
    )


def _sources(lineage: Mapping[str, Any]) -> dict[str, Any]:
    data, parent = lineage["data"], lineage["parent"]
    return {
        "data": {name: data[name] for name in ("dataset", "digest", "users_digest", "items_digest")},
        "parent": {name: parent[name] for name in ("run_id", "checkpoint_sha256")},
    }


def _varying(entries: Sequence[Mapping[str, Any]]) -> list[Varying]:
    found = []
    for name in dict.fromkeys(name for one in entries for name in one):
        values = tuple(one.get(name, ABSENT) for one in entries)
        # True and 1 are equal to Python, 1 and 1.0 to whoever typed them.
        if len({say_value(value) for value in values}) > 1:
            found.append(Varying(name, values))
    return found


def say_value(value: Any) -> str:
    """Write the value of a setting as a command line would have it.

    >>> [say_value(v) for v in (0.9, 500, None, True, [[3], [5]], "mean", ABSENT)]
    ['0.9', '500', 'null', 'true', '[[3],[5]]', 'mean', '–']
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def order_of_runs(settings: Sequence[Varying], n_runs: int) -> list[int]:
    """Return the positions of runs in the order of their settings: numbers by size, before texts.

    Parameters
    ----------
    settings : sequence of Varying
        Settings that differ; the first one counts most.
    n_runs : int
        Runs; those whose settings are the same stay in their order.
    """

    def place(run: int) -> list[tuple[bool, float, str]]:
        values = [setting.values[run] for setting in settings]
        return [
            (False, float(v), "") if isinstance(v, int | float) else (True, 0.0, say_value(v)) for v in values
        ]

    return sorted(range(n_runs), key=place)
