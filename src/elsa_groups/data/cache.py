"""Filtered pairs on disk: read back exactly, or not at all."""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from elsa_groups.base.digests import file_digest
from elsa_groups.base.files import temporary_name
from elsa_groups.data.pairs import Pairs

log = logging.getLogger(__name__)

_VERSION = 1
_DIGESTS = "digests.json"
_TABLES = ("pairs", "users", "items", "counts")


def cache_key(parts: Mapping[str, object]) -> str:
    """Return a name (64 hex digits) for everything that the pairs depend on; values are JSON values."""
    text = json.dumps({"cache": _VERSION, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def fetch_pairs(entry: Path) -> Pairs | None:
    """Read an entry back.

    Parameters
    ----------
    entry : Path
        Folder of the entry.

    Returns
    -------
    Pairs or None
        Exactly what was stored; None if there is no entry or it is damaged, and then it is removed.
    """
    if not entry.is_dir():
        return None
    try:
        digests = json.loads((entry / _DIGESTS).read_text(encoding="utf-8"))
        for name in _TABLES:
            if file_digest(entry / f"{name}.parquet") != digests[name]:
                raise ValueError(f"{name}.parquet is not what was written")
        return _from_tables({name: pl.read_parquet(entry / f"{name}.parquet") for name in _TABLES})
    except (FileNotFoundError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        log.warning("cache %s ignored (%s); reading the source again", entry, error)
        shutil.rmtree(entry, ignore_errors=True)
        return None
    except OSError as error:
        # The entry may be whole, and the reading of it disturbed.
        log.warning("cache %s not readable (%s); reading the source again", entry, error)
        return None


def store_pairs(entry: Path, pairs: Pairs) -> None:
    """Write an entry, which appears under its name only when complete.

    A folder that cannot be written to is no error: the pairs are then read anew each time.

    Parameters
    ----------
    entry : Path
        Folder of the entry; left alone if another process has made it meanwhile.
    pairs : Pairs
        What to keep.
    """
    part = temporary_name(entry)
    try:
        part.mkdir(parents=True)
        for name, table in _to_tables(pairs).items():
            table.write_parquet(part / f"{name}.parquet")
        digests = {name: file_digest(part / f"{name}.parquet") for name in _TABLES}
        (part / _DIGESTS).write_text(json.dumps(digests), encoding="utf-8")
        part.rename(entry)
        log.debug("filtered pairs kept in %s", entry)
    except OSError as error:
        if not entry.is_dir():
            log.info("no cache kept in %s (%s)", entry.parent, error.strerror or error)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _to_tables(pairs: Pairs) -> dict[str, pl.DataFrame]:
    items = pl.DataFrame({"id": pl.Series(pairs.item_ids, dtype=pl.String)})
    if pairs.item_names is not None:
        items = items.with_columns(name=pl.Series(pairs.item_names, dtype=pl.String))
    return {
        "pairs": pl.DataFrame({"row": pairs.rows, "column": pairs.columns}),
        "users": pl.DataFrame({"id": pl.Series(pairs.user_ids, dtype=pl.String)}),
        "items": items,
        "counts": pl.DataFrame({"name": list(pairs.counts), "count": list(pairs.counts.values())}),
    }


def _from_tables(tables: Mapping[str, pl.DataFrame]) -> Pairs:
    pairs, items = tables["pairs"], tables["items"]
    return Pairs(
        rows=pairs["row"].to_numpy().astype(np.int64),
        columns=pairs["column"].to_numpy().astype(np.int64),
        user_ids=tuple(tables["users"]["id"]),
        item_ids=tuple(items["id"]),
        item_names=tuple(items["name"]) if "name" in items.columns else None,
        counts=dict(tables["counts"].iter_rows()),
    )
