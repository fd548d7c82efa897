"""What the first run on a fresh installation has compiled for it beside its imports."""

import ast
import os
import subprocess
import sys

import pytest

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


few = ["n_groups=5", "baseline.n_groups=5", "evidence.halves=2", "sampling.max_restarts=100"]
asked = ["dataset=Demo", "allow_partial=true", *few, *sys.argv[1:]]
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
