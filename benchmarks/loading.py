"""Reading raw files of the published sizes, without the cache, beside pandas with the same result."""

import csv
import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from benchmarks.files import LASTFM1K_LINES, TASTE_PROFILE_LINES, write_lastfm1k, write_taste_profile
from benchmarks.harness import Absent, Options, Row, alternate, clock, forget_peak, main, peak_memory, seconds
from elsa_groups.data import echonest, lastfm1k
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.load import load

LASTFM1K_FILTER = {"min_user_interactions": 5, "min_item_interactions": 10}
TASTE_PROFILE_FILTER = {"min_user_interactions": 20, "min_item_interactions": 200}

Loaded = tuple[csr_array, Sequence[str], Sequence[str], Sequence[str]]

_QUICK_LINES = 1_000_000
_MOST_MEMORY = 3e9
# a line of a raw file is shorter than this on average; the cache and the rest need little beside it
_BYTES_PER_LINE = 150


def loading_lastfm1k(options: Options) -> list[Row]:
    pandas = pandas_module()
    n_lines = _QUICK_LINES if options.quick else LASTFM1K_LINES
    with generated_file(Path("LastFM1k", lastfm1k.MEMBER), n_lines, write_lastfm1k) as raw:
        data_dir = raw.parents[2]
        timing = alternate(
            lambda: cold("LastFM1k", data_dir, LASTFM1K_FILTER),
            lambda: load_by_pandas(raw, **LASTFM1K_FILTER),
            rounds=5 if options.quick else 3,
        )
        if not same(load("LastFM1k", data_dir, **LASTFM1K_FILTER), load_by_pandas(raw, **LASTFM1K_FILTER)):
            raise AssertionError("pandas and ours read different pairs, ids or names")
    return [
        Row(
            f"loading {n_lines / 1e6:.3g} M LastFM-1K lines",
            seconds(timing.ours),
            f"{seconds(timing.against)}, pandas {pandas.__version__}",
            timing.against / timing.ours,
            at_least=3,
            peak=timing.peak,
            peak_at_most=_MOST_MEMORY,
        )
    ]


def loading_taste_profile(options: Options) -> list[Row]:
    n_lines = _QUICK_LINES if options.quick else TASTE_PROFILE_LINES
    with generated_file(Path("EchoNest", echonest.MEMBER), n_lines, write_taste_profile) as raw:
        forget_peak()
        taken = clock(lambda: cold("EchoNest", raw.parents[1], TASTE_PROFILE_FILTER))
    return [Row(f"loading {n_lines / 1e6:.3g} M Taste Profile lines", seconds(taken), "", peak=peak_memory())]


def cold(dataset: str, data_dir: Path, thresholds: dict[str, int]) -> Interactions:
    """Load a raw file as if for the first time."""
    shutil.rmtree(data_dir / dataset / "cache", ignore_errors=True)
    return load(dataset, data_dir, **thresholds)


def pandas_module() -> Any:
    """Import pandas, which only this comparison needs."""
    try:
        return importlib.import_module("pandas")
    except ImportError:
        raise Absent("pandas is not installed; pip install pandas") from None


def load_by_pandas(raw: Path, *, min_user_interactions: int, min_item_interactions: int) -> Loaded:
    """Read what `load` reads from LastFM-1K's events: matrix, user ids, artist ids and artist names."""
    pandas = pandas_module()
    events = pandas.read_csv(
        raw,
        sep="\t",
        header=None,
        names=["user", "time", "item", "name", "track_id", "track"],
        usecols=["user", "item", "name"],
        dtype=str,
        keep_default_na=False,
        quoting=csv.QUOTE_NONE,
        on_bad_lines="skip",
    )
    events = events[events["item"] != ""]
    pairs = events.drop_duplicates(["user", "item"])
    pairs = pairs[pairs.groupby("user")["item"].transform("size") >= min_user_interactions]
    pairs = pairs[pairs.groupby("item")["user"].transform("size") >= min_item_interactions]
    rows, user_ids = pandas.factorize(pairs["user"], sort=True)
    columns, item_ids = pandas.factorize(pairs["item"], sort=True)
    matrix = csr_array((np.ones(len(rows), np.float32), (rows, columns)), (len(user_ids), len(item_ids)))
    named = events[events["name"] != ""].groupby(["item", "name"]).size().reset_index(name="events")
    named = named.sort_values(["events", "name"], ascending=[False, True]).drop_duplicates("item")
    names = named.set_index("item")["name"].reindex(item_ids)
    return matrix, list(user_ids), list(item_ids), list(names)


def same(ours: Interactions, theirs: Loaded) -> bool:
    """Say whether both are the same pairs of the same users and artists, by the same names."""
    matrix, *ids = theirs
    if [tuple(texts) for texts in ids] != [ours.user_ids, ours.item_ids, ours.item_names]:
        return False
    return bool((ours.matrix != matrix).nnz == 0)


@contextmanager
def generated_file(place: Path, n_lines: int, write: Callable[[Path, int], None]) -> Iterator[Path]:
    """Give a generated raw file at a place in a data folder that is removed afterwards."""
    free, needed = shutil.disk_usage(tempfile.gettempdir()).free, n_lines * _BYTES_PER_LINE
    if free < 1.2 * needed:
        raise Absent(
            f"needs {1.2 * needed / 2**30:.1f} GiB in {tempfile.gettempdir()}, {free / 2**30:.1f} are free; "
            "set TMPDIR to a larger disk"
        )
    with tempfile.TemporaryDirectory() as data_dir:
        raw = Path(data_dir, place)
        raw.parent.mkdir(parents=True)
        write(raw, n_lines)
        yield raw


CASES = (loading_lastfm1k, loading_taste_profile)

if __name__ == "__main__":
    main(*CASES)
