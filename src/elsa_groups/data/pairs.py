"""Events to distinct (user, item) pairs, and the filter on them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from elsa_groups.base.digests import file_digest
from elsa_groups.data.interactions import Source

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Distinct (user, item) pairs as coordinates.

    Attributes
    ----------
    rows, columns : ndarray of int64, shape (n_pairs,)
        User row and item column of each pair, in increasing (row, column) order.
    user_ids, item_ids : tuple of str
        Ids in row and column order: sorted by code point.
    item_names : tuple of str or None
        Names in column order, where the source has them.
    counts : mapping of str to int
        ``read/*``, then ``dropped/<reason>``, then ``kept/*``; what was read less all that was dropped is
        ``kept/pairs``.
    """

    rows: Rows
    columns: Rows
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    item_names: tuple[str, ...] | None
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Reading:
    """A source that was found, and how to read it.

    Attributes
    ----------
    find_source : callable
        Returns the raw file and its digest, a `Source`.
    read : callable
        Reads it all; returns `Pairs`.
    depends : mapping of str to JSON value
        Everything but the raw file that the pairs depend on: the reader's version and options.
    cached : bool
        Whether the filtered pairs are worth a cache.
    """

    find_source: Callable[[], Source]
    read: Callable[[], Pairs]
    depends: Mapping[str, object] = field(default_factory=dict)
    cached: bool = True

    @cached_property
    def source(self) -> Source:
        """The raw file and its digest, found when first asked for: of gigabytes that takes seconds."""
        return self.find_source()


def source_of(path: Path) -> Source:
    """Return a raw file's absolute path and SHA-256, streamed."""
    return Source(uri=str(path.absolute()), sha256=file_digest(path))


def collect_pairs(events: pl.LazyFrame, drop: Mapping[str, pl.Expr], *, unit: str = "lines") -> Pairs:
    """Deduplicate events in one streaming pass.

    Parameters
    ----------
    events : LazyFrame
        String columns ``user`` and ``item``, and ``name`` where the source names its items.
    drop : mapping of str to Expr
        Reasons to leave an event out, with the condition of each; the first that holds is counted. A null
        or empty id is always one.
    unit : str
        What an event is called in the counts.

    Returns
    -------
    Pairs
        Rows and columns do not depend on the order of the events.
    """
    conditions = {**drop, "no_user_id": _is_blank("user"), "no_item_id": _is_blank("item")}
    named = "name" in events.collect_schema().names()
    events = _codes(events, conditions, ["user", "item", *(["name"] if named else [])])
    keys = events.collect_schema().names()
    groups = events.group_by(keys).len().collect(engine="streaming")
    good = groups.filter(pl.col("dropped").is_null())
    user_rows, user_ids = _sorted_codes(good["user"])
    item_rows, item_ids = _sorted_codes(good["item"])
    # one integer per pair: sorting orders the pairs at once, and finds one that came under two names
    pair = np.sort(user_rows * max(len(item_ids), 1) + item_rows)
    pair = pair[np.diff(pair, prepend=-1) > 0]
    counts = {f"read/{unit}": int(groups["len"].sum())}
    by_reason = dict(groups.group_by("dropped").agg(pl.col("len").sum()).iter_rows())
    counts |= {f"dropped/{reason}": int(by_reason.get(reason, 0)) for reason in conditions}
    counts["dropped/repeated_pair"] = int(good["len"].sum()) - len(pair)
    rows, columns = np.divmod(pair, max(len(item_ids), 1))
    names = _most_frequent_names(good, item_ids) if named else None
    return Pairs(
        rows, columns, user_ids, item_ids, names, counts | _sizes("distinct", pair, user_ids, item_ids)
    )


def keep_active(pairs: Pairs, *, min_user_interactions: int, min_item_interactions: int) -> Pairs:
    """Filter in one pass: users with enough distinct items, then items with enough users among the rest.

    A user may end with fewer items than the threshold; users and items left with no pair vanish.

    Parameters
    ----------
    pairs : Pairs
        Distinct pairs.
    min_user_interactions, min_item_interactions : int
        Fewest pairs that a user and then an item must have; 0 keeps all.

    Returns
    -------
    Pairs
        What is left, with its own rows and columns, still sorted; possibly nothing.
    """
    user_sizes = np.bincount(pairs.rows, minlength=len(pairs.user_ids))
    by_user = user_sizes[pairs.rows] >= min_user_interactions
    item_sizes = np.bincount(pairs.columns[by_user], minlength=len(pairs.item_ids))
    kept = by_user & (item_sizes[pairs.columns] >= min_item_interactions)
    users, rows = _renumbered(pairs.rows[kept], len(pairs.user_ids))
    items, columns = _renumbered(pairs.columns[kept], len(pairs.item_ids))
    counts = dict(pairs.counts)
    counts["dropped/user_below_minimum"] = int((~by_user).sum())
    counts["dropped/item_below_minimum"] = int(by_user.sum() - kept.sum())
    user_ids = tuple(pairs.user_ids[row] for row in users)
    item_ids = tuple(pairs.item_ids[column] for column in items)
    names = None if pairs.item_names is None else tuple(pairs.item_names[column] for column in items)
    counts |= _sizes("kept", rows, user_ids, item_ids)
    return Pairs(rows, columns, user_ids, item_ids, names, counts)


def _renumbered(codes: Rows, n_codes: int) -> tuple[Rows, Rows]:
    """Return the distinct codes, sorted, and each code's place among them."""
    present = np.bincount(codes, minlength=n_codes) > 0
    place = np.cumsum(present, dtype=np.int64) - 1
    return np.flatnonzero(present), place[codes]


def _sizes(stage: str, pairs: Rows, user_ids: tuple[str, ...], item_ids: tuple[str, ...]) -> dict[str, int]:
    return {f"{stage}/pairs": len(pairs), f"{stage}/users": len(user_ids), f"{stage}/items": len(item_ids)}


def _is_blank(column: str) -> pl.Expr:
    return pl.col(column).is_null() | (pl.col(column) == "")


def _codes(events: pl.LazyFrame, conditions: Mapping[str, pl.Expr], columns: list[str]) -> pl.LazyFrame:
    """Replace strings by integer codes as they are read; dropped events keep only their reason."""
    reason = pl.coalesce(*[pl.when(condition).then(pl.lit(name)) for name, condition in conditions.items()])
    events = events.with_columns(dropped=reason.cast(pl.Enum(list(conditions))))
    good = pl.col("dropped").is_null()
    # a pool of its own per column, so that codes start at 0 and the pool is freed with the frame
    pools = {name: pl.Categorical(pl.Categories.random("elsa_groups")) for name in columns}
    return events.select("dropped", *[pl.when(good).then(pl.col(c)).cast(pools[c]) for c in columns])


def _sorted_codes(column: pl.Series) -> tuple[Rows, tuple[str, ...]]:
    """Turn codes, numbered as the strings came, into ranks among the sorted strings."""
    distinct = (
        pl.DataFrame({"code": column.unique()}).with_columns(id=pl.col("code").cast(pl.String)).sort("id")
    )
    codes = distinct["code"].to_physical().to_numpy().astype(np.int64)
    rank = np.empty(codes.max(initial=-1) + 1, dtype=np.int64)
    rank[codes] = np.arange(len(codes))
    return rank[column.to_physical().to_numpy()], tuple(distinct["id"])


def _most_frequent_names(groups: pl.DataFrame, item_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Choose the name an item came with most often, ties by order of names; its id where it has none."""
    names = (
        groups.lazy()
        .group_by("item", "name")
        .agg(pl.col("len").sum())
        .with_columns(pl.col("item", "name").cast(pl.String))
        .filter(~_is_blank("name"))
        .sort("len", "name", descending=[True, False])
        .unique("item", keep="first", maintain_order=True)
        .collect()
    )
    name_of = dict(names.select("item", "name").iter_rows())
    return tuple(name_of.get(item, item) for item in item_ids)
