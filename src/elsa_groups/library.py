"""Groups from arrays, as a notebook has them: what the command generate does, without MLflow and Hydra."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from elsa_groups.base.distributed import ONE
from elsa_groups.base.errors import InputError
from elsa_groups.commands.generate.drawing import Drawn, draw_from, runtime_of
from elsa_groups.commands.generate.population import Chosen, Population
from elsa_groups.data.datasets import DatasetSettings
from elsa_groups.groups.candidates import Lookup, check_lookup
from elsa_groups.groups.groups import ByType
from elsa_groups.measures.baselines import BaselineComparison
from elsa_groups.measures.statistics import Result
from elsa_groups.model.embeddings import Embeddings
from elsa_groups.model.vectors import check_item_vectors, directions
from elsa_groups.report.tables import summary_row
from elsa_groups.settings.commands import GenerateSettings
from elsa_groups.settings.conf import usual_drawing
from elsa_groups.settings.recorded import read_settings
from elsa_groups.similarity.limits import Thresholds
from elsa_groups.similarity.names import OF_HISTORIES, SimilaritySource
from elsa_groups.similarity.sources import make_users
from elsa_groups.similarity.users import Users
from elsa_groups.similarity.vector_users import VectorUsers

# Settings of generate that are neither about data and runs nor arguments of their own.
SETTINGS = (
    *("thresholds", "filters", "allow_partial", "sampling", "baseline", "overlap", "evidence"),
    *("threads", "device"),
)


@dataclass(frozen=True, eq=False)
class GroupsOfKey:
    """The groups of one type, and what was measured of them.

    Attributes
    ----------
    key, family : str
        ``<family>_<sizes>``, and the family.
    sizes : tuple of int
        Subgroup sizes; they add up to ``size``.
    members : NDArray[np.int64], shape (n_groups, size)
        Rows of the users that were given, subgroup after subgroup, in the order they joined.
    measures : mapping of str to NDArray[np.float64], shape (n_groups,)
        What was measured of each group, by the names of docs/evidence.md; what cannot be known is left out.
    summary : mapping of str to number or text
        One row about all of them, as groups/summary.json of a run has it; what is undefined is left out.
    evidence : tuple of BaselineComparison
        Every measure beside random groups of the same size, with intervals.
    """

    key: str
    family: str
    sizes: tuple[int, ...]
    members: NDArray[np.int64]
    measures: Mapping[str, NDArray[np.float64]] = field(repr=False)
    summary: Mapping[str, Any] = field(repr=False)
    evidence: tuple[BaselineComparison, ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class GroupsDrawn(ByType[GroupsOfKey]):
    """Groups by type, in the order of their families.

    Attributes
    ----------
    thresholds : Thresholds
        What similar and divergent meant, and how that was found.
    n_users : int
        Users that could be drawn.
    n_left_out : int
        Users who have no similarity to others: a vector of zeros, or no items (by Pearson, or all of them).
    """

    thresholds: Thresholds
    n_users: int
    n_left_out: int
    _groups: dict[str, GroupsOfKey] = field(repr=False)


def draw_groups(
    users: Any,
    families: Mapping[str, Any],
    *,
    source: str = "history_cosine",
    histories: Any = None,
    items: Any = None,
    n_groups: int | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> GroupsDrawn:
    """Draw groups of users who are given as arrays: those that the command generate draws of the same users.

    Parameters
    ----------
    users : (n_users, dim) array of float, or sparse matrix of shape (n_users, n_items)
        Vectors of any recommender, compared by their cosine; or histories, of which whatever is stored counts
        as one.
    families : mapping
        By name what a file of conf/families says of a family: ``compositions``, ``within``, ``across``,
        ``linkage``, ``n_groups``, ``paired_with``.
    source : {"history_cosine", "pearson", "jaccard"}
        How histories are compared; of no meaning with vectors.
    histories : sparse matrix of shape (n_users, n_items), optional
        Beside vectors: what is needed for measures and filters of items.
    items : (n_items, dim) array of float, optional
        Beside vectors and histories: item vectors, by whose dot product with those of users items are
        recommended. Without them recommendation overlap is left out.
    n_groups, seed : int, optional
        Groups of each type where the family does not say, and what every draw follows from; by default as
        conf/ says (75 and 42).
    settings : mapping, optional
        What is to be otherwise than conf/ says of thresholds, filters, allow_partial, sampling, baseline,
        overlap, evidence, threads or device, as nested plain values:
        ``{"thresholds": {"similar": {"quantile": 0.95}}}``.

    Returns
    -------
    GroupsDrawn
        Groups by type. The same arrays, settings and seed give the same groups, byte for byte, on any
        machine.

    Raises
    ------
    InputError
        If what is given is not what is described here, or groups cannot be drawn; the message says why.
    """
    asked = _read(families, n_groups, seed, settings or {})
    population = _population(users, source, histories, items)
    if not population.has_histories:
        check_lookup(asked.filters, None)
    drawn = draw_from(asked, population, runtime_of(asked, ONE))
    return GroupsDrawn(
        drawn.thresholds,
        len(population.embeddings.rows),
        population.embeddings.n_without_history,
        {result.groups.key: _groups_of(result, drawn) for result in drawn.results},
    )


def _groups_of(result: Result, drawn: Drawn) -> GroupsOfKey:
    groups = result.groups
    return GroupsOfKey(
        groups.key,
        groups.family,
        groups.sizes,
        drawn.embeddings.rows[groups.members],
        result.measures,
        summary_row(result),
        tuple(result.evidence),
    )


def _read(
    families: Mapping[str, Any], n_groups: int | None, seed: int | None, given: Mapping[str, Any]
) -> GenerateSettings:
    """Return the settings of the command generate; those of data and runs are empty."""
    if unknown := [name for name in given if name not in SETTINGS]:
        raise InputError(f"settings: expected some of {', '.join(SETTINGS)}, got {unknown[0]}; leave it out")
    usual = usual_drawing()
    asked = _merge({name: usual[name] for name in (*SETTINGS, "n_groups", "seed")}, given)
    asked |= {name: value for name, value in (("n_groups", n_groups), ("seed", seed)) if value is not None}
    if asked["thresholds"]["users"] is not None:
        raise InputError("settings: thresholds.users: expected none, as all users make the thresholds")
    dataset = DatasetSettings(name="arrays", min_user_interactions=0, min_item_interactions=0)
    none = {"dataset": dataset, "data_dir": "", "parent": "", "pin": False}
    return read_settings(GenerateSettings, asked | none | {"families": families})


def _merge(usual: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with those given in the place of the usual ones."""
    merged = dict(usual)
    for name, value in given.items():
        inner = merged.get(name)
        nested = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[name] = _merge(inner, value) if nested else value  # type: ignore[arg-type]
    return merged


def _population(users: Any, source: str, histories: Any, items: Any) -> Population:
    """Return users as groups are drawn from them."""
    if issparse(users):
        if histories is not None or items is not None:
            raise InputError("histories, items: expected none beside users who are histories; leave them out")
        known = _histories(users, "users")
        embeddings, compared = _by_histories(known, source)
    else:
        embeddings, known = _by_vectors(users, histories)
        compared = VectorUsers(embeddings.vectors)
    encoder = np.zeros((known.shape[1], 0), np.float32)
    if items is not None:
        encoder = _items(items, known.shape[1], embeddings.vectors.shape[1])
    everyone = np.arange(known.shape[0])
    lookup = Lookup(known[embeddings.rows], everybody=known)
    chosen = Chosen(everyone, everyone)
    return Population(
        embeddings, compared, compared, embeddings.vectors, known, None, chosen, encoder, lookup
    )


def _by_vectors(users: Any, histories: Any) -> tuple[Embeddings, csr_array]:
    """Return the users who have a direction, and the histories of all; without columns if none are given."""
    units, has_direction = directions(_vectors(users, "users"))
    rows, n_users = np.flatnonzero(has_direction), len(units)
    known = csr_array((n_users, 0)) if histories is None else _histories(histories, "histories")
    if known.shape[0] != n_users:
        raise InputError(
            f"histories: expected a row for each of the {n_users:,} users, got {known.shape[0]:,}"
        )
    return Embeddings(np.ascontiguousarray(units[rows]), rows, n_users - len(rows)), known


def _by_histories(histories: csr_array, source: str) -> tuple[Embeddings, Users]:
    if source not in OF_HISTORIES:
        raise InputError(f"source: expected one of {', '.join(OF_HISTORIES)}, got {source!r}; choose one")
    everyone = np.arange(histories.shape[0])
    nobody = Embeddings(np.zeros((0, 1), np.float32), np.empty(0, np.int64), len(everyone))
    return make_users(SimilaritySource(source), histories, nobody, everyone)


def _vectors(given: Any, name: str) -> NDArray[np.floating]:
    """Return finite vectors, each a row, in float32 or float64 as they came."""
    vectors = np.asarray(given)
    if vectors.ndim != 2 or not vectors.size or vectors.dtype.kind not in "fiu":
        raise InputError(
            f"{name}: expected numbers of shape (rows, dimensions), got {vectors.dtype} of shape"
            f" {vectors.shape}"
        )
    if bad := int((~np.isfinite(vectors).all(axis=1)).sum()):
        raise InputError(
            f"{name}: expected finite vectors, got NaN or infinity in {bad:,} of {len(vectors):,} rows; leave"
            " these out, or correct them"
        )
    return vectors.astype(np.float32 if vectors.dtype.itemsize <= 4 else np.float64)


def _items(given: Any, n_items: int, dim: int) -> NDArray[np.float32]:
    """Return item vectors; they must be as many as items, and of as many dimensions as those of users."""
    if not n_items:
        raise InputError("items: expected histories beside them, which say what users have; give histories")
    items = np.ascontiguousarray(_vectors(given, "items"), np.float32)
    if items.shape[1] != dim:
        raise InputError(f"items: expected {dim} dimensions, as users have, got {items.shape[1]}")
    check_item_vectors(items, n_items, name="items")
    return items


def _histories(given: Any, name: str) -> csr_array:
    """Return a sparse matrix as histories, what is stored as ones, indices sorted."""
    if not issparse(given) or given.ndim != 2 or not given.shape[1]:
        raise InputError(
            f"{name}: expected a sparse matrix of users by items, got {type(given).__name__}; make one by"
            " scipy.sparse.csr_array"
        )
    matrix = csr_array(given, copy=True)
    matrix.sum_duplicates()
    matrix.data = np.ones(matrix.nnz, np.float32)
    return matrix
