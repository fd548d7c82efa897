"""Groups back from where they were written: a run of MLflow, or a folder that was published, without it."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from elsa_groups.base.checksums import check_sums, is_plain_file
from elsa_groups.base.digests import file_digest
from elsa_groups.base.errors import Absent, InputError
from elsa_groups.base.files import read_json
from elsa_groups.groups.groups import ByType
from elsa_groups.measures.baselines import BaselineComparison
from elsa_groups.measures.jackknife import Interval
from elsa_groups.measures.registry import MEASURES
from elsa_groups.record.group_files import (
    NO_TABLE,
    CheckedFiles,
    UserGroups,
    published_name,
    read_columns,
    read_type,
    wanted_types,
)
from elsa_groups.record.schema import LINEAGE, Document, check_lineage, groups_digest, limits_of
from elsa_groups.report.tables import table_rows
from elsa_groups.similarity.limits import Thresholds

if TYPE_CHECKING:
    from elsa_groups.tracking.load import GroupsRun

SUMMARY, EVIDENCE = "groups/summary.json", "evidence.parquet"
_INTERVAL = ("low", "high", "standard_error", "effective_groups")
_COMPARED = ("mean", "random_mean", "percentile", "cliffs_delta", "ratio")
_EXPECTED = "groups: expected a folder or the id of a groups run"
_RUN_ID = re.compile("[0-9a-f]{32}")
# Every measure beside two kinds of random groups, and measures of later versions.
_MOST_EVIDENCE = 1_000


@dataclass(frozen=True, eq=False)
class PublishedType(UserGroups):
    """The groups of one type, who is in them, and what was measured of them.

    Attributes
    ----------
    measures : mapping of str to NDArray[np.float64], shape (n_groups,)
        What was measured of each group, by the names of docs/evidence.md; what no group has is left out.
    summary : mapping of str to number or text
        One row about all of them; what is undefined is left out.
    evidence : tuple of BaselineComparison
        Every measure beside random groups of the same size, with intervals.
    """

    measures: Mapping[str, NDArray[np.float64]] = field(repr=False)
    summary: Mapping[str, Any] = field(repr=False)
    evidence: tuple[BaselineComparison, ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class PublishedGroups(ByType[PublishedType]):
    """Groups by type, as :func:`elsa_groups.draw_groups` returns them, with ids of users and their record.

    Attributes
    ----------
    thresholds : Thresholds
        What similar and divergent meant, and how that was found.
    n_users : int
        Users that could be drawn.
    lineage : dict
        The lineage record of the run that drew them: data, model, settings, code.
    """

    thresholds: Thresholds
    n_users: int
    lineage: Document = field(repr=False)
    _groups: dict[str, PublishedType] = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of types, members and the users they name: equal when the groups are."""
        return groups_digest(self.lineage)


@overload
def load_groups(where: Path, *, keys: Iterable[str] | None = None) -> PublishedGroups: ...


@overload
def load_groups(
    where: str,
    *,
    keys: Iterable[str] | None = None,
    tracking_uri: str | None = None,
    check_store: bool = True,
) -> "GroupsRun | Any": ...


def load_groups(
    where: Path | str,
    *,
    keys: Iterable[str] | None = None,
    tracking_uri: str | None = None,
    check_store: bool = True,
) -> "GroupsRun | PublishedGroups":
    """Return the groups of a run, or of a folder that was exported to be published, every file checked.

    Parameters
    ----------
    where : Path or str
        The folder (``export formats=[zenodo]``), for which neither MLflow nor Hydra is imported; or the id of
        a groups run. Text is a folder if it has a ``/``, or if there is a folder of that name.
    keys : iterable of str, optional
        Which types to load; by default all.
    tracking_uri : str, optional
        MLflow's store; by default the one that MLflow uses. Of no meaning with a folder.
    check_store : bool
        Whether tags, params and metrics in the store must agree with the record. Of no meaning with a folder.

    Returns
    -------
    GroupsRun or PublishedGroups
        Groups by type, in the order they were drawn. A type checker knows what a path is, and takes text for
        a run; give a folder as a path where it matters.

    Raises
    ------
    InputError
        If there are no groups there, or not of these types, or a file is not what was written.
    """
    if isinstance(where, Path) or _is_folder(where):
        return read_published(Path(where), keys)
    # Takes seconds to import, and needs a store.
    from elsa_groups.tracking.load import load_groups_run

    try:
        return load_groups_run(where, keys=keys, tracking_uri=tracking_uri, check_store=check_store)
    except Absent as error:
        if _RUN_ID.fullmatch(where):
            raise
        raise Absent(f"{_EXPECTED}, got {where!r} ({error})") from error


def _is_folder(where: str) -> bool:
    """Whether text is a folder's; what MLflow calls a run never is, as runs may be kept in such folders."""
    if {os.sep, os.altsep or os.sep}.intersection(where):
        return True
    return _RUN_ID.fullmatch(where) is None and os.path.isdir(where)


@dataclass(frozen=True)
class PublishedFiles(CheckedFiles):
    """Files of a folder, as its record has them."""

    folder: Path
    lineage: Document

    def read(self, path: str) -> Path:
        """Return where a file is whose bytes are those of the record, by its path in the run."""
        place = self.folder / published_name(path)
        if not is_plain_file(place):
            raise InputError(f"groups: {place} is missing, which {LINEAGE} lists; get the folder anew")
        self.check(place.name, self.lineage["artifacts"].get(path), file_digest(place))
        return place

    def refusal(self, text: str) -> InputError:
        """Return the error that a file is not the one that was written."""
        return InputError(f"{text}; the file in {self.folder} was changed, get it anew")


def read_published(folder: Path, keys: Iterable[str] | None = None) -> PublishedGroups:
    """Return the groups of a published folder.

    Raises
    ------
    InputError
        If it is none, a file of it is missing or was changed, or it has no such types.
    """
    if not folder.is_dir():
        raise InputError(f"{_EXPECTED}, got {str(folder)!r}, which is no folder")
    if LINEAGE not in check_sums(folder):
        raise InputError(f"groups: {folder} has no {LINEAGE} among its checksums; expected a zenodo export")
    files = PublishedFiles(folder, _read_record(folder / LINEAGE))
    wanted = wanted_types(keys, files.lineage, str(folder))
    summary, evidence = _read_summary(files), _read_evidence(files)
    groups = {
        key: PublishedType(
            **vars(read_type(key, files)),
            measures=_read_measures(key, files),
            summary=summary.get(key, {}),
            evidence=tuple(of for name, of in evidence if name == key),
        )
        for key in wanted
    }
    thresholds, n_users = _thresholds(files.lineage["thresholds"]), int(files.lineage["users"]["n_users"])
    return PublishedGroups(thresholds, n_users, files.lineage, groups)


def _read_record(path: Path) -> Document:
    try:
        lineage: Document = check_lineage(read_json(path))
    except ValueError as error:
        raise InputError(f"groups: {path}: {error}; read it with the elsa-groups that wrote it") from error
    if lineage["kind"] != "groups":
        raise InputError(f"groups: {path}: expected the record of groups, got one of {lineage['kind']}")
    if "users" not in lineage:
        raise InputError(f"groups: {path}: expected users, of whom groups were drawn, got none; get it anew")
    return lineage


def _thresholds(record: Mapping[str, Any]) -> Thresholds:
    return Thresholds(
        **limits_of(record)._asdict(),
        method=record["method"],
        n_users=record["n_users"],
        pairs=record["pairs"],
        intervals={name: (low, high) for name, (low, high) in record["intervals"].items()},
    )


def _read_summary(files: PublishedFiles) -> dict[str, dict[str, Any]]:
    """Return the row of every type, without what is undefined."""
    path = files.read(SUMMARY)
    try:
        rows = table_rows(read_json(path))
        return {row["key"]: {k: v for k, v in row.items() if v is not None} for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise files.refusal(f"{path.name}: expected a table of types") from error


def _read_measures(key: str, files: PublishedFiles) -> dict[str, NDArray[np.float64]]:
    """Return what was measured of each group, where the run wrote it."""
    name = f"groups/{key}_measures.parquet"
    if name not in files.lineage["artifacts"]:
        return {}
    path, group = files.read(name), files.lineage["groups"][key]
    several = len(group["sizes"]) > 1
    try:
        there = {*pq.read_schema(path).names}
        asked = [each for each in MEASURES if each.against_random and (several or not each.by_subgroups)]
        names = [each.name for each in asked if each.name in there]
        table = read_columns(path, names, group["shape"][0])
        values = {each: table[each].to_numpy().astype(np.float64) for each in names}
    except NO_TABLE as error:
        raise files.refusal(f"{path.name}: expected a table of measures") from error
    return {each: of for each, of in values.items() if not np.isnan(of).all()}


def _read_evidence(files: PublishedFiles) -> list[tuple[str, BaselineComparison]]:
    """Return each measure of each type beside random groups, where the run wrote it."""
    if EVIDENCE not in files.lineage["artifacts"]:
        return []
    path = files.read(EVIDENCE)
    try:
        n_rows = pq.read_metadata(path).num_rows
        if n_rows > _MOST_EVIDENCE * len(files.lineage["groups"]):
            raise ValueError(f"{n_rows:,} rows")
        columns = ["key", "measure", "baseline", *_COMPARED, *_INTERVAL]
        return [(row["key"], _comparison(row)) for row in read_columns(path, columns, n_rows).to_pylist()]
    except NO_TABLE as error:
        raise files.refusal(f"{path.name}: expected a table of evidence") from error


def _comparison(row: Mapping[str, Any]) -> BaselineComparison:
    interval = None if row["low"] is None else Interval(**{name: row[name] for name in _INTERVAL})
    values = {name: row[name] for name in ("measure", "baseline", *_COMPARED)}
    return BaselineComparison(**values, interval=interval)
