"""The wheel: what it carries, and that it works where there is no checkout."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import ROOT, Launch, Store
from .test_reproduce import BRIEF, FEW

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (made,) = folder.glob("elsa_groups-*.whl")
    return made


def test_it_carries_configuration_templates_and_schema(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    packed = {f"elsa_groups/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*.yaml")}
    package = (ROOT / "src" / "elsa_groups").rglob("*")
    packed |= {
        path.relative_to(ROOT / "src").as_posix() for path in package if path.suffix in (".json", ".jinja")
    }
    assert "elsa_groups/report/page.html.jinja" in packed
    assert packed <= names


@dataclass(frozen=True)
class Installed:
    """An environment of its own with the wheel in it, and a store that its commands log to."""

    programs: Path
    store: Store

    def call(self, program: str, *arguments: str, cwd: Path | None = None) -> Launch:
        environment = {k: v for k, v in self.store.environment.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [str(self.programs / program), *arguments], cwd=cwd or self.store.folder, env=environment,
            capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return Launch(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def installed(wheel, new_store, tmp_path_factory) -> Installed:
    """The wheel and its extra, whose requirements are those that this Python has: nothing is fetched."""
    pytest.importorskip("grouprec")
    folder = tmp_path_factory.mktemp("environment") / "venv"
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Behind the wheel on the path; an editable installation there is not followed.
    (packages / "of_the_tests.pth").write_text(sysconfig.get_path("purelib") + os.linesep)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    done = subprocess.run(
        [*pip, "install", "--no-index", f"{wheel}[evaluate]"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return Installed(folder / "bin", new_store())


def test_from_groups_to_a_published_folder_outside_a_checkout(installed, tmp_path):
    where = installed.call("python", "-c", "import elsa_groups; print(elsa_groups.__file__)").out
    assert Path(where.strip()).is_relative_to(installed.programs.parent)
    assert "  evaluate     " in installed.call("elsa-groups", "--help").out

    users = ("dataset=Demo", "dataset.n_users=200", "dataset.n_items=250")
    drawn = installed.call("elsa-groups", "main", *users, *FEW, *BRIEF)
    run = f"groups_run_id={drawn.last_id}"
    evaluated = installed.call("elsa-groups", "evaluate", run, "aggregators=[ADD,LMS]", "halves=2")
    tags = installed.store.client.get_run(evaluated.last_id).data.tags
    assert tags["elsa_groups.evaluates"] == drawn.last_id
    installed.call("elsa-groups", "export", run, f"out_dir={tmp_path}/out", "formats=[zenodo]")
    code = "from elsa_groups import load_groups; print(load_groups('zenodo')['similar_2'].user_ids.shape)"
    assert installed.call("python", "-c", code, cwd=tmp_path / "out").out == "(12, 2)\n"
