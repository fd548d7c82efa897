"""Small independent formulas, and a page to look at, that several rooms are tested with."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.cli.importing import importing
from elsa_groups.commands.compare.comparison import ComparedRun
from elsa_groups.data.interactions import Interactions, Source
from elsa_groups.groups.family import Family, GroupType, Linkage, Rule
from elsa_groups.groups.groups import Accounting, Groups
from elsa_groups.measures.baselines import compare_with_baselines
from elsa_groups.measures.jackknife import find_interval
from elsa_groups.measures.overlap import measure_overlap
from elsa_groups.measures.registry import measures_of
from elsa_groups.measures.statistics import Result
from elsa_groups.measures.tastes import TOP, Profiles, measure_tastes
from elsa_groups.model.embeddings import embed_users
from elsa_groups.model.recommendations import top_items
from elsa_groups.record.schema import data_record
from elsa_groups.report.cautions import Caution
from elsa_groups.report.examples import MemberHistories, first_groups
from elsa_groups.report.pictures import Picture
from elsa_groups.report.tables import summary_row
from elsa_groups.similarity.limits import Limits
from elsa_groups.similarity.vector_users import VectorUsers

from .launches import SHARED, Store
from .one_by_one import measure_quality

# The same examples in every run, however slow the machine is.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")

MASK = 0xFFFFFFFF
# Modules that take minutes, the longest first.
LONGEST = ("test_launches", "test_listeners", "test_wheel", "test_ranks")
TESTS = Path(__file__).resolve().parent
# A program, not a module of tests.
collect_ignore = ["compiling.py"]


def _unit_rows(values: NDArray[np.floating]) -> NDArray[np.float32]:
    values = np.asarray(values, np.float64)
    return np.ascontiguousarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def _similarity_matrix(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """All reference similarities: products of two float32 are exact in float64, the sum is in order."""
    wide = vectors.astype(np.float64)
    total = np.zeros((len(wide), len(wide)))
    for column in wide.T:
        total += np.outer(column, column)
    return (1.0 + np.clip(total, -1.0, 1.0)) * 0.5


def _philox_words(counter: tuple[int, int, int, int], key: int) -> tuple[int, int, int, int]:
    """Philox4x32-10 in integers of any size, from the paper's description."""
    a, b, c, d = counter
    k0, k1 = key & MASK, key >> 32
    for round_ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        w0, w1 = (k0 + round_ * 0x9E3779B9) & MASK, (k1 + round_ * 0xBB67AE85) & MASK
        a, b, c, d = (right >> 32) ^ b ^ w0, right & MASK, (left >> 32) ^ d ^ w1, left & MASK
    return a, b, c, d


def _plain_below(n: int, draw: int, group: int, key: int) -> int:
    """Number of a draw in [0, n), by Lemire's rejection: replacements are first words of further blocks."""
    where = group & MASK, group >> 32
    word = _philox_words((draw // 4, 0, *where), key)[draw % 4]
    retry = 4 + draw % 4
    while (word * n) % 2**32 < 2**32 % n:
        word = _philox_words((draw // 4, retry, *where), key)[0]
        retry += 4
    return word * n >> 32


@pytest.fixture(scope="session")
def unit_rows() -> Callable[..., NDArray[np.float32]]:
    """Rows of any scale to float32 unit rows."""
    return _unit_rows


@pytest.fixture(scope="session")
def similarity_matrix() -> Callable[..., NDArray[np.float64]]:
    """Unit rows to the (n, n) matrix of their float64 reference similarities."""
    return _similarity_matrix


@pytest.fixture(scope="session")
def philox_words() -> Callable[..., tuple[int, int, int, int]]:
    """(counter, key) to the four words of Philox4x32-10, in plain Python."""
    return _philox_words


@pytest.fixture(scope="session")
def plain_below() -> Callable[..., int]:
    """(n, draw, group, key) to the draw's number in [0, n), in plain Python."""
    return _plain_below


COMPILING = pytest.StashKey[subprocess.Popen]()


def pytest_configure(config: pytest.Config) -> None:
    """Where processes are to do all tests, let one compile what they share, while they collect the tests."""
    asked = {Path(argument.partition("::")[0]).resolve() for argument in config.args}
    several = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if several and TESTS in asked and not config.option.collectonly:
        environment = os.environ | {"PYTHONPATH": str(TESTS.parent / "src")}
        program = [sys.executable, str(TESTS / "compiling.py")]
        config.stash[COMPILING] = subprocess.Popen(
            program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among what is imported, now or later: that takes a fifth of the time."""
    with importing():
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """Begin with tests when what they share is compiled."""
    if COMPILING in node.config.stash:
        node.config.stash[COMPILING].wait()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole launches, which take longest, so that no process is left with them in the end."""
    longest = [*LONGEST, "project"]
    items.sort(key=lambda item: [{item.path.stem, *item.path.parts}.isdisjoint({x}) for x in longest])


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """(name, fill) to a folder that the first of pytest's processes to ask fills, for all to read."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def filled(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = root / name, root / f"{name} is done"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def listeners(once) -> Path:
    """Folder of real listeners, those of HetRec 2011 in LastFM-1K's format, where they are there."""
    writer = SHARED / "tools" / "hetrec_as_lastfm1k.py"
    source = SHARED / "data" / "hetrec_lastfm_2k" / "user_artists.dat"
    if not (writer.exists() and source.exists()):
        pytest.skip("the shared real listeners are absent")

    def write(folder: Path) -> None:
        subprocess.run([sys.executable, writer, source, folder], check=True, capture_output=True)

    return once("it's real, all of it", write)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also in a process started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


Fill = Callable[[Store], Any]


def _make_tables(store: Store) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # The default experiment keeps its artifacts beside where its tables were made.
        patch.chdir(store.folder)
        store.client.search_experiments()


@pytest.fixture(scope="session")
def empty_store(once) -> Store:
    """A store, its tables in place: making them takes seconds, and concurrent first uses race."""
    return Store.of_sqlite(once("empty store", lambda folder: _make_tables(Store.of_sqlite(folder))))


@pytest.fixture(scope="session")
def new_store(empty_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """Make a copy of the empty store."""
    return lambda: empty_store.copied_to(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def filled_store(once, new_store, tmp_path_factory) -> Callable[[str, Fill], tuple[Store, Any]]:
    """(name, fill) to a store, and what filling it returned: filled once for all of pytest's processes.

    Each has a copy of its own.
    """

    def make(name: str, fill: Fill) -> tuple[Store, Any]:
        def fill_folder(folder: Path) -> None:
            returned = fill(new_store().copied_to(folder))
            (folder / "returned").write_text(json.dumps(returned))

        folder = once(name, fill_folder)
        copy = Store.of_sqlite(folder).copied_to(tmp_path_factory.mktemp(name), but=("returned",))
        return copy, json.loads((folder / "returned").read_text())

    return make


DRAWING = (
    '<?xml version="1.0"?><svg width="4pt" height="4pt" viewBox="0 0 4 4" version="1.1">'
    '<g id="figure_1"><path d="M 0 0 L 4 4" style="stroke: #0072b2"/></g></svg>'
)
# What a stranger may call an item: markup, a way out of an attribute, the other direction, a novel.
NAMES = (
    "<script>alert(1)</script>",
    '"><img src=http://there.example/x onerror=alert(1)>',
    "Sigur Rós & Björk",
    "Matrix, The (1999)",
    "\u202eright to left",
    "two\nlines\x07",
    "long " * 40,
    "{{ 7 * 7 }}",
)


def _page_parts() -> dict[str, Any]:
    """Eight users of eight items in two camps, two keys of groups of them, and all that is told of these."""
    rng = np.random.default_rng(7)
    camps = np.repeat([0, 1], 4)
    listened = rng.random((8, 8)) < np.where(camps[:, None] == camps, 0.8, 0.3)
    listened[:, 2] = True
    data = Interactions(
        "Demo & more", csr_array(listened.astype(np.float32)), tuple(f"user-{u}" for u in range(8)),
        tuple(f"item-{i}" for i in range(8)), NAMES, Source("generated:Demo", "5" * 64), 1, 1,
    )  # fmt: skip
    encoder = np.ascontiguousarray(np.eye(2)[camps] + 0.2 * rng.random((8, 2)), np.float32)
    embeddings = embed_users(data.matrix, encoder, threads=1)
    limits = {"similar": 0.98, "divergent": 0.95}
    families = {
        "similar": {"compositions": [[3]], "within": "similar", "across": "any", "linkage": "mean"},
        "opposing": {"compositions": [[2, 1]], "within": "similar", "across": "divergent", "linkage": "all"},
    }
    top = top_items(embeddings.vectors, encoder, data.matrix, TOP)
    profiles = Profiles.of(data.matrix, top)
    rows, examples, evidence = [], {}, {}
    for name, sizes, n_groups in (("similar", (3,), 4), ("opposing", (2, 1), 1)):
        rules = {part: Rule[families[name][part]] for part in ("within", "across")}
        family = Family(name, (sizes,), **rules, linkage=Linkage.mean, n_groups=n_groups)
        members = np.array([rng.permutation(8)[:3] for _ in range(n_groups)])
        accounting = Accounting(*(np.full(n_groups, n) for n in (2_000, 30, 1_234)))
        groups = Groups(GroupType(family, sizes).name, members, sizes, accounting)
        quality = measure_quality(embeddings.vectors, members, sizes, **rules, **limits)
        overlap = measure_overlap(members, n_users=8, threshold=0.3)
        tastes = measure_tastes(profiles, members, sizes)
        measures = measures_of(quality, tastes)
        random = {name: values / 2 for name, values in measures.items()}
        intervals = {"similarity": find_interval(quality.similarity, np.array([0.6, 0.7]), n_groups)}
        evidence[groups.key] = compare_with_baselines(
            measures, {"random": random, "as_active": random}, intervals
        )
        told = (tastes, np.zeros(2), evidence[groups.key], 0.1)
        rows.append(summary_row(Result(groups, quality, overlap, np.array([0.5, 0.75]), 1.5, *told)))
        histories = MemberHistories(data, embeddings, encoder)
        examples[groups.key] = first_groups(
            groups, family, histories, VectorUsers(histories.embeddings.vectors), Limits(**limits)
        )
    asked = {"similar": {"quantile": 0.9, "value": None}, "divergent": {"quantile": 0.1, "value": 0.95}}
    asked["band"] = {end: {"quantile": None, "value": None} for end in ("low", "high")}
    record = {
        "run_id": "0123456789abcdef0123456789abcdef",
        "parent": {"run_id": "fedcba9876543210fedcba9876543210", "checkpoint_sha256": "c" * 64},
        "data": data_record(data),
        "thresholds": {
            "asked": asked,
            **limits,
            "band_low": None,
            "band_high": None,
            "method": "exact",
            "n_users": 8,
            "pairs": 28,
            "intervals": {},
        },
        "users": {"n_users": 8, "sha256": "a" * 64, "n_trained": 6, "file_sha256": None},
        "settings": {
            "seed": 42,
            "families": families,
            "similarity": {"source": "elsa", "center": "none"},
            "user_set": "all",
            "user_sample": None,
            "user_file": None,
            "history": "full",
        },
        "environment": {"code": {"commit": "d" * 40, "dirty": True}},
    }
    return {
        "record": record,
        "parent_name": "ELSA <of> Demo",
        "rows": rows,
        "cautions": (Caution("Look out", "There is 1 < 2."), Caution("And again", "There are 2.")),
        "pictures": (
            Picture("similarity", "First & foremost", 'A "picture" of <nothing>', DRAWING),
            Picture("map", "Last", "Two", DRAWING),
        ),
        "notes": ("similar_3 has 2 groups fewer than asked for: nobody is left.",),
        "evidence": evidence,
        "examples": examples,
        "methods": "We drew groups of users of *Demo* & more [@vancura2022elsa].\n",
    }


@pytest.fixture
def page_parts() -> dict[str, Any]:
    """The arguments of a small page whose texts are hostile, for a test to change."""
    return _page_parts()


def _make_compared(
    run_id: str,
    *,
    name: str = "groups of a run",
    quantile: float = 0.9,
    linkage: str = "mean",
    seed: int = 42,
    n_groups: int = 10,
    data: str = "d",
    model: str = "c",
    commit: str = "0",
    keys: tuple[str, ...] = ("similar_3", "similar_5", "opposing_2_1", "random_3"),
    metrics: dict[str, float] | None = None,
) -> ComparedRun:
    """A run whose similarity is 0.5 plus a tenth of its quantile, and a hundredth more for each type."""
    rules = {"similar": ("similar", "any"), "opposing": ("similar", "divergent"), "random": ("any", "any")}
    families = {
        family: {"within": within, "across": across, "linkage": linkage, "n_groups": n_groups}
        for family, (within, across) in rules.items()
    }
    rows = {}
    for number, key in enumerate(keys):
        rows[key] = {
            "key": key,
            "groups": n_groups,
            "similarity_mean": 0.5 + 0.1 * quantile + 0.01 * number,
            "similarity_random": 0.5,
            "wrong_pair_share": 0.25,
            "acceptance_rate": 0.5 / (number + 1),
            "restarts": 7,
        }
        if key == "opposing_2_1":
            rows[key]["across_mean"] = 0.375
    lineage = {
        "parent": {"run_id": model * 32, "checkpoint_sha256": model * 64},
        "data": {"dataset": "Demo", "digest": data * 64, "users_digest": "e" * 64, "items_digest": "f" * 64},
        "thresholds": {"similar": 0.5 + quantile / 4, "divergent": 0.25},
        "settings": {
            "seed": seed,
            "n_groups": n_groups,
            "threads": None,
            "thresholds": {"similar": {"quantile": quantile, "value": None}},
            "families": families,
        },
        "groups": {key: {"family": key.partition("_")[0]} for key in keys},
        "environment": {"code": {"commit": commit * 40}, "packages": {"numpy": "2.4.6"}},
    }
    return ComparedRun(run_id, name, lineage, rows, metrics or {})


@pytest.fixture(scope="session")
def make_compared() -> Callable[..., ComparedRun]:
    """Make up a groups run to compare; see :func:`_make_compared`."""
    return _make_compared
