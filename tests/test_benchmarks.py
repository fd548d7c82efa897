"""The benchmarks measure what they say: small sizes, no figures asserted."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def test_the_plain_loops_draw_groups_by_the_same_rules():
    import torch
    from benchmarks import plain
    from benchmarks.people import KEYS, generated_users, thresholds_of

    vectors = generated_users(300)
    thresholds = thresholds_of(vectors, threads=1)
    limits = {"similar": thresholds.similar, "divergent": thresholds.divergent}
    matrix = plain.similarity_matrix(torch.from_numpy(vectors))
    for family, sizes in KEYS:
        group = plain.draw(matrix, family, sizes, **limits)
        assert len(set(group)) == sum(sizes)
    pair = plain.draw(matrix, KEYS[0][0], (2,), **limits)
    assert matrix[pair[0], pair[1]] >= thresholds.similar - 1e-6


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
