import logging
import threading
from pathlib import Path

import pytest

from elsa_groups.data import load as load_module
from elsa_groups.data.cache import store_pairs
from elsa_groups.data.interactions import Interactions
from elsa_groups.data.load import load
from elsa_groups.data.pairs import Pairs, keep_active

NAME = "userid-timestamp-artid-artname-traid-traname.tsv"
LINES = "u1\tt\ta1\tÉ\t\tx\nu2\tt\ta1\tÉ\t\tx\nu2\tt\ta2\tB\t\tx\nbad\nu3\tt\t\tB\t\tx\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "LastFM1k").mkdir()
    (tmp_path / "LastFM1k" / NAME).write_text(LINES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Pairs]:
    """Everything that was filtered anew rather than taken from the cache."""
    seen: list[Pairs] = []

    def spy(pairs: Pairs, **thresholds: int) -> Pairs:
        seen.append(pairs)
        return keep_active(pairs, **thresholds)

    monkeypatch.setattr(load_module, "keep_active", spy)
    return seen


def load_it(folder: Path, min_user: int = 0) -> Interactions:
    return load("LastFM1k", folder, min_user_interactions=min_user, min_item_interactions=0)


def facts(data: Interactions) -> tuple[object, ...]:
    arrays = [(a.dtype, a.tolist()) for a in (data.matrix.data, data.matrix.indices, data.matrix.indptr)]
    names = (data.user_ids, data.item_ids, data.item_names, data.source, data.digest)
    return (*arrays, *names, list(data.counts.items()))


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "LastFM1k" / "cache").iterdir())


def test_a_hit_is_exactly_equal(folder: Path, reads: list[Pairs]) -> None:
    fresh, hit = load_it(folder), load_it(folder)
    assert len(reads) == 1
    assert facts(hit) == facts(fresh)
    assert hit.item_names == ("É", "B")


def test_another_filter_or_file_is_another_entry(folder: Path, reads: list[Pairs]) -> None:
    assert load_it(folder).n_users == 2
    assert load_it(folder, min_user=2).n_users == 1
    (folder / "LastFM1k" / NAME).write_text(LINES + "u9\tt\ta1\tÉ\t\tx\n", encoding="utf-8")
    assert load_it(folder).n_users == 3
    assert len(reads) == len(entries(folder)) == 3


@pytest.mark.parametrize("name", ["pairs", "users", "items", "counts"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_entry_is_rebuilt(
    folder: Path, reads: list[Pairs], name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = load_it(folder)
    path = entries(folder)[0] / f"{name}.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    assert facts(load_it(folder)) == facts(fresh)
    assert "reading the source again" in caplog.text
    assert facts(load_it(folder)) == facts(fresh)
    assert len(reads) == 2


@pytest.mark.parametrize("text", ["", "[]", "null", '{"pairs": 1}'])
def test_damaged_digests_are_no_entry(folder: Path, reads: list[Pairs], text: str) -> None:
    fresh = load_it(folder)
    (entries(folder)[0] / "digests.json").write_text(text)
    assert facts(load_it(folder)) == facts(fresh)
    assert len(reads) == 2


def test_no_cache_where_nothing_can_be_written(
    folder: Path, reads: list[Pairs], caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "LastFM1k" / "cache").write_text("a file is in the way")
    with caplog.at_level(logging.INFO, logger="elsa_groups.data"):
        assert load_it(folder).n_users == 2
    assert [message for message in caplog.messages if "no cache kept in" in message] != []
    assert load_it(folder).n_users == 2
    assert len(reads) == 2


def test_many_at_once_leave_one_complete_entry(folder: Path) -> None:
    results: list[tuple[object, ...]] = []
    threads = [threading.Thread(target=lambda: results.append(facts(load_it(folder)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [results[0]] * 8
    assert len(entries(folder)) == 1


def test_the_first_to_finish_wins(folder: Path, reads: list[Pairs]) -> None:
    load_it(folder)
    entry = entries(folder)[0]
    before = entry.stat().st_ino
    store_pairs(entry, keep_active(reads[0], min_user_interactions=0, min_item_interactions=0))
    assert entries(folder) == [entry]
    assert entry.stat().st_ino == before
