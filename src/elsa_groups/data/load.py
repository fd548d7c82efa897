"""One door to all datasets."""

import inspect
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
from scipy.sparse import csr_array, get_index_dtype

from elsa_groups.base.errors import InputError, Unreadable
from elsa_groups.data.cache import cache_key, fetch_pairs, store_pairs
from elsa_groups.data.datasets import DATASETS
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.pairs import Pairs, Reading, keep_active

log = logging.getLogger(__name__)

READERS: Mapping[str, Callable[..., Reading]] = {
    name: resolve_name(kind.reader) for name, kind in DATASETS.items()
}


def load(
    dataset: str,
    data_dir: Path,
    *,
    min_user_interactions: int,
    min_item_interactions: int,
    **options: object,
) -> Interactions:
    """Load a dataset and filter it in one pass: users first, then items among what is left.

    Parameters
    ----------
    dataset : str
        A name in `READERS`.
    data_dir : Path
        The dataset's files are in the folder of its name in here; filtered pairs are cached there too.
    min_user_interactions, min_item_interactions : int
        Fewest distinct items of a user, and fewest users of an item; 0 keeps all.
    **options : object
        What the dataset's reader takes beyond its folder.

    Returns
    -------
    Interactions
        The same rows and columns in every process.

    Raises
    ------
    InputError
        The dataset or an option is unknown, the file cannot be had or read, or the filter leaves nothing.
    """
    reader = _reader_of(dataset, options)
    thresholds = {
        "min_user_interactions": min_user_interactions,
        "min_item_interactions": min_item_interactions,
    }
    for name, value in thresholds.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{name}: expected an integer of at least 0, got {value!r}; correct it")
    folder = Path(data_dir).expanduser() / dataset
    reading = reader(folder, **options)
    try:
        pairs = _filtered(dataset, reading, folder / "cache", thresholds)
    except InputError as error:
        raise Unreadable(str(error)) from error
    _log_counts(dataset, reading, pairs)
    return Interactions(
        dataset=dataset,
        matrix=_matrix(pairs),
        user_ids=pairs.user_ids,
        item_ids=pairs.item_ids,
        item_names=pairs.item_names,
        source=reading.source,
        min_user_interactions=min_user_interactions,
        min_item_interactions=min_item_interactions,
        counts=pairs.counts,
    )


def _reader_of(dataset: str, options: Mapping[str, object]) -> Callable[..., Reading]:
    if dataset not in READERS:
        raise InputError(
            f"dataset: expected one of {', '.join(READERS)}, got {dataset!r}; choose one of them"
        )
    reader = READERS[dataset]
    known = [name for name in inspect.signature(reader).parameters if name != "folder"]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InputError(
            f"{dataset}: expected options among {', '.join(known)}, got {', '.join(unknown)}; remove them"
        )
    return reader


def _filtered(dataset: str, reading: Reading, cache: Path, thresholds: Mapping[str, int]) -> Pairs:
    whole = None if any(cache.glob("*")) else _read_beside_digest(reading)
    parts = {"dataset": dataset, "source": reading.source.sha256, **reading.depends, **thresholds}
    entry = cache / cache_key(parts)
    if whole is None and reading.cached and (kept := fetch_pairs(entry)) is not None:
        log.info("%s: filtered pairs taken from %s", dataset, entry)
        return kept
    pairs = keep_active(whole or reading.read(), **thresholds)
    if not len(pairs.rows):
        raise InputError(_nothing_left(dataset, pairs.counts, thresholds))
    if reading.cached:
        store_pairs(entry, pairs)
    return pairs


def _read_beside_digest(reading: Reading) -> Pairs:
    """Read a file while it is digested, as the digest finds nothing in a cache that is empty."""
    with ThreadPoolExecutor(1) as pool:
        pairs = pool.submit(reading.read)
        # first, so that a file that cannot be read at all is said to be that
        _ = reading.source
        return pairs.result()


def _nothing_left(dataset: str, counts: Mapping[str, int], thresholds: Mapping[str, int]) -> str:
    came = ", ".join(f"{name} {value:,}" for name, value in counts.items() if not name.startswith("kept/"))
    if not counts["dropped/user_below_minimum"] + counts["dropped/item_below_minimum"]:
        return f"{dataset}: expected pairs of a user and an item, got none ({came}); check the file"
    # if no user has enough items, lowering the other threshold cannot help
    lower = [name for name, value in thresholds.items() if value > 1]
    if not counts["dropped/item_below_minimum"]:
        lower = ["min_user_interactions"]
    settings = " and ".join(f"{name}={value}" for name, value in thresholds.items())
    return (
        f"{dataset}: expected pairs to be left by {settings}, got none ({came}); lower {' or '.join(lower)}"
    )


def _log_counts(dataset: str, reading: Reading, pairs: Pairs) -> None:
    stages: dict[str, list[str]] = {}
    for name, count in pairs.counts.items():
        stage, what = name.split("/")
        if count:
            told = "interactions" if what == "pairs" else what.replace("_", " ")
            stages.setdefault(stage, []).append(f"{count:,} {told}")
    log.info("%s: %s", dataset, reading.source.uri)
    for stage, parts in stages.items():
        log.info("%s: %s %s", dataset, stage, ", ".join(parts))


def _matrix(pairs: Pairs) -> csr_array:
    shape = (len(pairs.user_ids), len(pairs.item_ids))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(pairs.rows, minlength=shape[0]))))
    small = get_index_dtype(maxval=max(len(pairs.rows), shape[1]))
    ones = np.ones(len(pairs.rows), dtype=np.float32)
    return csr_array((ones, pairs.columns.astype(small), indptr.astype(small)), shape=shape)
