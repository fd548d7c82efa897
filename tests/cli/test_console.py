"""The console command names commands, hands the rest of its line to one, and completes it."""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from elsa_groups.cli import console
from elsa_groups.cli.commands import COMMANDS
from elsa_groups.settings.conf import conf_dir

ROOT = Path(__file__).resolve().parents[2]


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["elsa-groups", *arguments])
    console.main()


def test_it_is_installed_with_the_package_and_conf_with_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    module, _, name = project["project"]["scripts"]["elsa-groups"].partition(":")
    assert getattr(import_module(module), name) is console.main
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {
        "conf": "elsa_groups/conf"
    }


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_has_a_line_for_each_command(arguments, monkeypatch, capsys):
    call(monkeypatch, *arguments)
    lines = capsys.readouterr().out.splitlines()
    for name in COMMANDS:
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        said = line.removeprefix(f"  {name}").strip()
        assert said.endswith(".")
        assert (conf_dir() / f"{name}.yaml").read_text().startswith(f"# {said}\n")


def test_a_command_gets_the_rest_of_the_line(monkeypatch):
    called = []
    monkeypatch.setattr(console, "run_entry_point", lambda name: called.append((name, sys.argv[1:])))
    call(monkeypatch, "generate", "dataset=Demo", "seed=1")
    assert called == [("generate", ["dataset=Demo", "seed=1"])]


def test_a_mistyped_command_is_refused_and_the_nearest_named(monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        call(monkeypatch, "genrate", "dataset=Demo")
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert "expected one of main, train, generate" in error
    assert error.endswith("got genrate; did you mean generate?\n")


@pytest.mark.parametrize("line", ["elsa-groups ", "elsa-groups gen", "elsa-groups generate"])
def test_the_command_is_completed_first(line, monkeypatch, capsys):
    monkeypatch.setenv("COMP_LINE", line)
    call(monkeypatch, "-sc", "query=bash")
    assert capsys.readouterr().out.split() == list(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "line", "said"),
    [
        (["-sc", "query=bash"], "elsa-groups generate thresholds.similar.", "thresholds.similar.quantile="),
        (["-sc", "query=bash"], "elsa-groups train dataset=L", "dataset=LastFM1k"),
        (["-sc", "install=bash"], "", "complete -o nospace -o default -F hydra_bash_completion"),
        (["reproduce", "--help"], "", "groups_run_id: ???"),
    ],
)
def test_settings_are_completed_and_listed_by_hydra(arguments, line, said, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "COMP_LINE": line}
    command = [sys.executable, "-m", "elsa_groups.cli.console", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert list(tmp_path.iterdir()) == []
