"""What the first run on a fresh installation has compiled for it beside its imports."""

import ast
import os
import pickle
import subprocess
import sys

import pytest

from elsa_groups.base.kernel_folder import REHEARSED, kernel_folder, lacks_rehearsal
from elsa_groups.base.module_process import start_module
from elsa_groups.cli.composing import compose_settings

# In a process of its own, as other tests of this one have compiled more.
PROGRAM = """
import gc
import sys

import numpy as np
from numba.core.dispatcher import Dispatcher

from elsa_groups.base.distributed import ONE
from elsa_groups.cli.composing import compose_settings
from elsa_groups.commands.generate.drawing import draw_all
from elsa_groups.commands.generate.population import Chosen
from elsa_groups.commands.generate.rehearsal import rehearse
from elsa_groups.commands.inputs import load_interactions


def compiled():
    return {
        (f"{kernel.py_func.__module__}.{kernel.py_func.__name__}", str(signature))
        for kernel in gc.get_objects() if isinstance(kernel, Dispatcher)
        for signature in kernel.signatures
    }


few = ["n_groups=5", "baseline.n_groups=5", "evidence.halves=2"]
easy = ["thresholds.similar.quantile=0.6", "thresholds.divergent.quantile=0.4"]
asked = ["dataset=Demo", *few, *easy, *sys.argv[1:]]
settings = compose_settings("generate", asked)
rehearse(settings)
before = compiled()
data = load_interactions(settings.dataset, settings.data_dir)
encoder = np.random.default_rng(0).standard_normal((data.n_items, 16)).astype(np.float32)
everyone = np.arange(data.n_users)
draw_all(settings, data, encoder, Chosen(everyone, everyone), ONE)
print(len(before), sorted(compiled() - before))
"""


@pytest.mark.parametrize("overrides", [["families=seed"], ["similarity.source=jaccard", "filters=distinct"]])
def test_drawing_and_measuring_compile_nothing_more_after_a_rehearsal(tmp_path, overrides):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *overrides, f"data_dir={tmp_path}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    count, new = done.stdout.splitlines()[-1].split(" ", 1)
    assert int(count) > 10
    names = {name for name, _ in ast.literal_eval(new)}
    assert {
        name for name in names if name.startswith(("elsa_groups.groups", "elsa_groups.measures"))
    } == set()


@pytest.fixture
def rehearsal():
    """Start a process that is told by which settings to rehearse; none outlives the test."""
    started = []

    def start():
        process = start_module("elsa_groups.commands.generate.rehearsal", stdout=subprocess.DEVNULL)
        started.append(process)
        pickle.dump(compose_settings("generate", ["dataset=Demo", "families=paired"]), process.stdin)
        process.stdin.flush()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_rehearsal_is_noted_beside_what_it_has_compiled(rehearsal):
    note = kernel_folder() / REHEARSED
    note.unlink(missing_ok=True)
    assert lacks_rehearsal()
    assert rehearsal().wait() == 0
    assert note.exists()
    assert not lacks_rehearsal()
    assert len(list(note.parent.rglob("*.nbc"))) > 20


def test_a_rehearsal_ends_with_the_command_that_it_is_for(rehearsal, monkeypatch, tmp_path):
    # Where nothing is compiled it would take long.
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    process = rehearsal()
    process.stdin.close()
    assert process.wait() == 0
    assert not list(tmp_path.rglob(REHEARSED))
