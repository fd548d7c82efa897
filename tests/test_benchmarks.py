"""The benchmarks measure what they say: small sizes, no figures asserted."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from elsa_groups.base.runtime import Runtime
from elsa_groups.groups.family import GroupType
from elsa_groups.similarity.vector_users import VectorUsers

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def test_the_plain_loops_draw_groups_by_the_same_rules():
    import torch
    from benchmarks import plain
    from benchmarks.people import KEYS, generated_users, thresholds_of

    vectors = generated_users(300)
    limits = thresholds_of(VectorUsers(vectors), Runtime()).limits
    matrix = plain.similarity_matrix(torch.from_numpy(vectors))
    for kind in KEYS:
        assert len(set(plain.draw(matrix, kind, limits))) == kind.size
    pair = plain.draw(matrix, GroupType(KEYS[0].family, (2,)), limits)
    assert matrix[pair[0], pair[1]] >= limits.similar - 1e-6


def test_the_product_alone_covers_the_tiles_of_the_sweep():
    from benchmarks.thresholds import tiles_of

    from elsa_groups.similarity.tiles import TILE

    tiles = tiles_of(3 * TILE + 1)
    assert len(tiles) == len(set(tiles)) == 10
    assert all(u <= v for u, v in tiles)


def test_a_table_says_whether_what_was_asked_is_met():
    from benchmarks.harness import Row, table

    lines = table([Row("a", "1 s", "2 s", 2.0, at_least=1.5), Row("b", "3 s", "2 s", 1.5, at_most=1.4)])
    assert [line.split("|")[6].strip() for line in lines.splitlines()[2:]] == ["met", "MISSED"]


def test_the_command_names_its_options():
    command = [sys.executable, "-m", "benchmarks", "--help"]
    environment = {"PYTHONPATH": "src", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout
    assert "--data-dir" in done.stdout


def test_a_row_says_whether_the_peak_is_within_what_was_asked():
    from benchmarks.harness import Row

    within, over = (
        Row("a", "", "", peak=peak, peak_at_most=2.0 * 2**30).cells()[-1] for peak in (2**30, 2**32)
    )
    assert within == "1,024 MiB, <= 2,048 met"
    assert over == "4,096 MiB, <= 2,048 MISSED"


@pytest.mark.parametrize(("write", "fields"), [("write_lastfm1k", 6), ("write_taste_profile", 3)])
def test_generated_files_have_the_lines_asked_for_and_are_the_same_every_time(tmp_path, write, fields):
    from benchmarks import files

    for name in ("once", "twice"):
        getattr(files, write)(tmp_path / name, 2000)
    text = (tmp_path / "once").read_bytes()
    assert text == (tmp_path / "twice").read_bytes()
    lines = text.decode().splitlines()
    assert len(lines) == 2000
    assert {line.count("\t") for line in lines} == {fields - 1}


def test_the_loader_finds_all_of_a_generated_lastfm1k(tmp_path):
    from benchmarks.files import write_lastfm1k

    from elsa_groups.data import lastfm1k

    write_lastfm1k(tmp_path / Path(lastfm1k.MEMBER).name, 2000)
    lines = [line.split("\t") for line in (tmp_path / Path(lastfm1k.MEMBER).name).read_text().splitlines()]
    assert any('"' in line[3] for line in lines)
    assert any(not line[3].isascii() for line in lines)
    counts = lastfm1k.read_lastfm1k(tmp_path).read().counts
    assert counts["read/lines"] == 2000
    assert counts["dropped/malformed_line"] == 0
    assert counts["dropped/no_item_id"] == sum(not line[2] for line in lines) > 0
    assert counts["distinct/pairs"] == len({(line[0], line[2]) for line in lines if line[2]})


def test_the_loader_finds_all_of_a_generated_taste_profile(tmp_path):
    from benchmarks.files import write_taste_profile

    from elsa_groups.data import echonest

    write_taste_profile(tmp_path / echonest.MEMBER, 2000)
    lines = [line.split("\t") for line in (tmp_path / echonest.MEMBER).read_text().splitlines()]
    assert {(len(user), len(song), song[:2]) for user, song, _ in lines} == {(40, 18, "SO")}
    counts = echonest.read_echonest(tmp_path).read().counts
    assert counts["distinct/pairs"] == counts["read/lines"] == 2000
    assert counts["distinct/users"] == len({user for user, _, _ in lines})


def test_pandas_loads_the_same_pairs_ids_and_names():
    pytest.importorskip("pandas")
    from benchmarks.files import write_lastfm1k
    from benchmarks.loading import cold, generated_file, load_by_pandas, same

    from elsa_groups.data import lastfm1k

    thresholds = {"min_user_interactions": 2, "min_item_interactions": 3}
    with generated_file(Path("LastFM1k", lastfm1k.MEMBER), 20_000, write_lastfm1k) as raw:
        ours = cold("LastFM1k", raw.parents[2], thresholds)
        assert 0 < ours.matrix.nnz < ours.counts["distinct/pairs"]
        assert same(ours, load_by_pandas(raw, **thresholds))
        assert not same(ours, load_by_pandas(raw, min_user_interactions=2, min_item_interactions=4))
    assert not raw.exists()


def test_too_small_a_disk_is_said_and_nothing_written(monkeypatch):
    from benchmarks import loading
    from benchmarks.harness import Absent

    written = []
    monkeypatch.setattr(loading.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with (
        pytest.raises(Absent, match="TMPDIR"),
        loading.generated_file(Path("raw"), 1000, lambda *_: written.append(True)),
    ):
        pass
    assert not written


def test_elsarec_that_is_not_installed_is_said_with_how_to_get_it(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from benchmarks import training
    from benchmarks.harness import Absent

    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(training, "version", version)
    with pytest.raises(Absent, match=r"pip install --no-deps elsarec==0\.1\.4"):
        training.elsa_class()


def test_peers_get_groups_where_each_member_agrees_with_each_other():
    from benchmarks.peers import KINDS

    from elsa_groups.groups.family import Linkage

    assert [kind.name for kind in KINDS] == ["similar", "divergent"]
    assert {kind.linkage for kind in KINDS} == {Linkage.all}


def test_two_seeds_contradict_where_they_tell_a_pair_both_ways():
    pytest.importorskip("grouprec")
    from benchmarks.conclusions import agree

    from elsa_groups.commands.evaluate.leaders import Order, PairedDifference
    from elsa_groups.commands.evaluate.measures import HEADLINES

    def order(leader: str, mean: float) -> Order:
        apart = PairedDifference("ADD", "LMS", mean, mean - 0.1, mean + 0.1, 0.05)
        return Order("random_3", "EASE", HEADLINES[0], 75, {leader: 0.3, "other": 0.1}, (apart,))

    same, near, unlike = order("ADD", 0.2), order("ADD", 0.15), order("LMS", -0.2)
    assert agree(same, near).is_same
    assert agree(same, near).within == 1.0
    found = agree(same, unlike)
    assert (found.contradicts, found.leader_denied, found.within) == (True, True, 0.0)
    # Told by one alone, with the higher mean still its: nothing is contradicted.
    assert agree(same, order("ADD", 0.05)).is_same
