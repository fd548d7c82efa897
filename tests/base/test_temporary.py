"""Temporary folders of processes that were killed are removed, and no others."""

import os
import subprocess
import sys
import tempfile
from contextlib import suppress

import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.base.processes import this_process
from elsa_groups.base.temporary import make_folder, remove_left, temporary_folder

MADE_AND_KILLED = """
import os, signal, sys
from pathlib import Path
from elsa_groups.base.temporary import folder_until_exit, make_folder, temporary_folder
folder_until_exit()
make_folder(".out[1].", Path(sys.argv[1]))
with temporary_folder() as folder:
    (folder / "full").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_is_there_until_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with suppress(KeyError), temporary_folder() as folder:
        assert list(tmp_path.iterdir()) == [folder]
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_folders_of_killed_processes_are_removed_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    subprocess.run([sys.executable, "-c", MADE_AND_KILLED, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / "elsa-groups-of-somebody").mkdir()
    ours = make_folder()

    remove_left()
    left = {path.name.partition(this_process())[0] for path in tmp_path.iterdir()}
    assert len(left) == 3
    assert {"elsa-groups-of-somebody", "elsa-groups-"} < left

    remove_left(".out[1].", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"elsa-groups-of-somebody", ours.name}


def test_no_place_for_them_is_an_error_of_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    remove_left()
    with pytest.raises(InputError, match="TMPDIR: expected a folder that can be written, got none"):
        make_folder()
