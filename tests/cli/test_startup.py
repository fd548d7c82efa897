"""A command imports a library when it needs it, and not before it has said what it is going to do."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMPORT_NAMES = {"hydra-core": "hydra", "pyyaml": "yaml"}
CONFIGURATION = {"hydra", "omegaconf", "yaml"}


def libraries() -> set[str]:
    """Import names of what the package depends on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=]", entry)[0] for entry in project["dependencies"]}
    return {IMPORT_NAMES.get(name, name) for name in names}


def run(*arguments: str) -> str:
    """What Python says while it runs: on stderr, imports as they end, and in between what is logged."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "MLFLOW_TRACKING_URI": "nowhere://"}
    command = [sys.executable, "-X", "importtime", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300).stderr


def imported(said: str) -> set[str]:
    """Libraries of which a part was imported."""
    return set(re.findall(r"^import time:.*\| +(\w+)", said, re.MULTILINE)) & libraries()


def test_the_package_imports_no_library():
    said = run("-c", "import elsa_groups")
    assert "elsa_groups" in said
    assert imported(said) == set()


@pytest.mark.parametrize("entry_point", ["main", "train", "generate", "reproduce"])
def test_a_mistyped_key_is_refused_before_any_library_but_the_configurations(entry_point):
    said = run("-m", f"elsa_groups.cli.{entry_point}", "sed=1")
    assert f"error: sed: no such key in the configuration of {entry_point}" in said
    assert imported(said) == CONFIGURATION


def test_help_imports_no_library_but_the_configurations():
    assert imported(run("-m", "elsa_groups.cli.generate", "--help")) == CONFIGURATION


def test_what_is_going_to_be_done_is_said_first_and_a_store_refused_before_the_model_is_needed():
    said = run("-m", "elsa_groups.cli.generate", "dataset=Demo", "seed=7")
    line = "generate dataset=Demo data_dir=data parent=newest n_groups=75 seed=7"
    before, found, after = said.partition(line)
    assert found
    assert imported(before) == CONFIGURATION
    assert "error: tracking store nowhere" in after
    assert "mlflow" in imported(after)
    assert not imported(after) & {"torch", "matplotlib", "jinja2"}
