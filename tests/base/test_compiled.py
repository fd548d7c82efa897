"""Compiled code is kept on disk, and never outlives the sources that it came from."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from elsa_groups.base.kernel_folder import CALLED_ROOMS, folder_outside

SOURCE = Path(__file__).resolve().parents[2] / "src"
# A kernel that calls one in another file.
PROGRAM = """
import numpy as np
from elsa_groups.similarity import pair
print(pair.similarity(np.eye(2, dtype=np.float32)), sum(pair.similarity.stats.cache_hits.values()))
"""
KERNEL = """
from elsa_groups.base.compiled import compiled
from elsa_groups.similarity.scores import reference_similarity

@compiled()
def similarity(vectors):
    return reference_similarity(vectors, 0, 1)
"""


def _run(source: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_change_in_a_kernel_that_another_file_calls_is_compiled(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    room = tmp_path / "src" / "elsa_groups" / "similarity"
    (room / "pair.py").write_text(KERNEL)

    assert [_run(tmp_path / "src") for _ in range(2)] == ["0.5 0", "0.5 1"]

    scores = (room / "scores.py").read_text()
    (room / "scores.py").write_text(scores.replace("(1.0 + reference_cosine", "(0.5 + reference_cosine"))
    assert _run(tmp_path / "src") == "0.25 0"
    kept = sorted((room.parent / "__pycache__").glob("kernels-*"))
    assert len(kept) == 2

    for folder in kept:
        os.utime(folder, (0, 0))
    (room / "scores.py").write_text(scores + "# a third state\n")
    assert _run(tmp_path / "src") == "0.5 0"
    assert len(list((room.parent / "__pycache__").glob("kernels-*"))) == 1


def test_kernels_call_nothing_that_could_change_without_their_being_compiled_again():
    kernels = [path for path in SOURCE.rglob("*.py") if "@compiled" in path.read_text()]
    imported = {
        match[1] for path in kernels for match in re.finditer(r"from elsa_groups\.(\w+)", path.read_text())
    }
    assert len(kernels) > 20
    assert imported <= {*CALLED_ROOMS}


def test_a_folder_given_for_compiled_code_is_used(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "src" / "elsa_groups" / "similarity" / "pair.py").write_text(KERNEL)

    assert _run(tmp_path / "src", NUMBA_CACHE_DIR=str(tmp_path / "kept")) == "0.5 0"
    assert list((tmp_path / "kept").glob("kernels-*"))
    assert not list(tmp_path.rglob("__pycache__/kernels-*"))


def test_where_nothing_can_be_written_each_process_has_a_folder_of_its_own(monkeypatch, caplog):
    # No folder can be made there, whoever asks.
    monkeypatch.setenv("HOME", "/proc/self/nowhere")
    folder = folder_outside("kernels-1")
    assert folder.is_dir()
    assert folder != folder_outside("kernels-1")
    assert "set NUMBA_CACHE_DIR to a folder that can be" in caplog.text


def test_the_users_cache_is_taken_where_the_sources_cannot_be_written(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder_outside("kernels-1") == tmp_path / ".cache" / "elsa-groups" / "kernels-1"
    assert caplog.text == ""


def test_compiling_is_said_once_and_not_where_compiled_code_is_there(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "src" / "elsa_groups" / "similarity" / "pair.py").write_text(KERNEL)
    program = "import logging; logging.basicConfig(level=logging.INFO)\n" + PROGRAM
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONPATH": str(tmp_path / "src"), "NUMBA_CACHE_DIR": str(tmp_path / "kept")},
            capture_output=True, text=True, check=True,
        ).stderr.count("compiling, once for this installation")
        for _ in range(2)
    ]  # fmt: skip
    assert said == [1, 0]
