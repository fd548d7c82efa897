"""What an export refuses, and that it leaves nothing half-written."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from elsa_groups.base.errors import InputError
from elsa_groups.cli import sweep
from elsa_groups.cli.arguments import hydra_arguments
from elsa_groups.cli.composing import compose_settings
from elsa_groups.cli.export import main
from elsa_groups.commands.export import export
from elsa_groups.commands.export.export import (
    WRITERS,
    check_out_dir,
    find_out_dir,
    min_members_of,
    new_folder,
)
from elsa_groups.commands.export.plain import write_sagea
from elsa_groups.data.load import load
from elsa_groups.settings.commands import ExportSettings, Format, GroupItemsSettings
from elsa_groups.settings.plain import plain

GROUPS = {key: SimpleNamespace(members=np.zeros((4, size))) for key, size in (("a_2", 2), ("b_5", 5))}


@pytest.mark.parametrize(("asked", "found"), [("all", None), (1, 1), (5, 5), ("2", 2)])
def test_so_many_members_or_all(asked, found):
    assert min_members_of(asked, GROUPS) == found


@pytest.mark.parametrize("asked", [0, 6, -1, "most", "1.5", ""])
def test_no_number_of_members_is_refused(asked):
    with pytest.raises(InputError, match=rf"min_members: expected all, .* from 1 to 5, .* got {asked}"):
        min_members_of(asked, GROUPS)


def test_every_format_of_the_configuration_has_its_writer():
    # What is published has no histories, which writers are given.
    assert [*WRITERS, Format.zenodo] == list(Format)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["formats=[agree,agre]"], "formats"),
        (["group_items.min_member=2"], "nearest is group_items.min_members"),
    ],
)
def test_mistakes_in_settings_are_named(overrides, expected):
    with pytest.raises(InputError, match=expected):
        compose_settings("export", ["groups_run_id=a", "out_dir=b", *overrides])


def test_a_sweep_is_refused_as_exports_are_no_runs_that_it_could_follow(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["export", "-m", "groups_run_id=a,b", "out_dir=c"])
    monkeypatch.setattr(sweep, "run_sweep", lambda *_: pytest.fail("a sweep was started"))
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    expected = "error: export: expected one job, got a multirun of 2; start each by itself"
    assert capsys.readouterr().err.splitlines() == [expected]


def test_what_mlflow_passes_is_understood():
    passed = [
        "--groups_run_id",
        "0012",
        "--out_dir",
        "a b",
        "--data_dir",
        "",
        "--group_items.min_members",
        "2",
    ]
    arguments = hydra_arguments([*passed, "--formats", "[agree]", "--overrides", ""], ExportSettings)
    settings = compose_settings("export", arguments)
    assert (settings.groups_run_id, settings.out_dir, settings.formats) == ("0012", "a b", (Format.agree,))


def test_a_folder_with_files_or_a_file_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    for place in (tmp_path / "full", tmp_path / "full" / "mine"):
        with pytest.raises(
            InputError, match=r"out_dir: expected a new or empty folder, got .*; name another"
        ):
            check_out_dir(place)
    check_out_dir(tmp_path / "new" / "er")


def test_a_link_is_followed_to_the_folder_that_is_written(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    monkeypatch.chdir(tmp_path)
    target = find_out_dir("link")
    check_out_dir(target)
    with new_folder(target) as folder:
        (folder / "file").write_text("content")
    assert target == tmp_path / "there"
    assert (tmp_path / "link" / "file").read_text() == "content"


@pytest.mark.parametrize("given", ["~nobody-of-this-name/out", "loop"])
def test_a_place_that_leads_nowhere_is_refused(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    with pytest.raises(InputError, match=rf"out_dir: {given} leads to no folder \(.*name another"):
        find_out_dir(given)


def test_folders_that_cannot_be_replaced_are_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"got the working folder, {tmp_path}; name another"):
        check_out_dir(find_out_dir("."))
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "disk")
    (tmp_path / "disk").mkdir()
    with pytest.raises(InputError, match=rf"got a mount point, {tmp_path}/disk; name another"):
        check_out_dir(find_out_dir("disk"))


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_appears_when_it_is_complete(tmp_path, is_there):
    target = tmp_path / "above" / "out"
    if is_there:
        target.mkdir(parents=True)
    with new_folder(target) as folder:
        (folder / "file").write_text("content")
        assert not (target / "file").exists()
    assert (target / "file").read_text() == "content"
    assert [path.name for path in target.parent.iterdir()] == ["out"]
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o777 & ~umask


def test_what_fails_leaves_nothing(tmp_path):
    def fail() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "file").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_filled_meanwhile_is_left_to_it(tmp_path):
    target = tmp_path / "out"

    def meet() -> None:
        with new_folder(target):
            target.mkdir()
            (target / "theirs").write_text("")

    with pytest.raises(InputError, match=r"out_dir: .*out could not be written"):
        meet()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "theirs"]


def test_a_place_that_cannot_be_written_to_is_an_error_to_read(tmp_path):
    (tmp_path / "file").write_text("")
    folder = new_folder(tmp_path / "file" / "out")
    with pytest.raises(InputError, match=r"out_dir: .* could not be written"), folder:
        pass


ASKED = ExportSettings(
    groups_run_id="abc",
    out_dir="unused",
    formats=(Format.sagea,),
    group_items=GroupItemsSettings(min_members="all"),
)


@pytest.fixture
def demo(monkeypatch):
    """Data that a record's settings lead to."""
    found = load(
        "Demo", Path("unused"), min_user_interactions=0, min_item_interactions=0, n_users=200, n_items=250
    )
    monkeypatch.setattr(export, "load_again", lambda *_, **__: found)
    return found


def test_other_data_than_the_recorded_are_refused(demo, monkeypatch):
    monkeypatch.setattr(export, "settings_again", lambda *_, **__: compose_settings("generate", []))
    with pytest.raises(InputError, match=r"data: expected those of run abc, digest 00, got generated:Demo"):
        export.gather(_Groups(GROUPS), ASKED)


def test_a_record_cannot_choose_where_files_are_written_to(demo, tmp_path):
    groups = _Groups({"a_2": SimpleNamespace(members=np.array([[0, 1]]))})
    groups.lineage = {
        "data": {"digest": demo.digest, "dataset": "../../../escaped"},
        "settings": plain(compose_settings("generate", ["dataset=Demo"])),
    }
    folder = tmp_path / "above" / "out" / "sagea"
    folder.mkdir(parents=True)
    write_sagea(folder, export.gather(groups, ASKED))
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.npy")] == [
        "above/out/sagea/Demo/full/a_2_full.npy"
    ]


class _Groups(dict):
    run_id = "abc"
    lineage: ClassVar = {"data": {"digest": "00"}}

    @property
    def dataset(self) -> str:
        return self.lineage["data"]["dataset"]
