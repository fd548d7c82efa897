"""The examples of docs/vectors.md run as they are written, where their packages are installed."""

import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from .conftest import ROOT, launch

# So that a small table has groups, in little time.
FEW = ("n_groups=5", "evidence.halves=null", "baseline.n_groups=5", "allow_partial=true")


def example(package):
    """The code of a section, and the command below it."""
    text = (ROOT / "docs" / "vectors.md").read_text("utf-8")
    section = text.partition(f"## From {package}\n")[2].partition("\n## ")[0]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    command = re.search(r"```console\n(.*?)```", section, re.DOTALL)[1]
    return code, shlex.split(command)


def write_listens(path):
    rng = np.random.default_rng(2)
    taste = np.repeat([0, 1], 30)
    owned = rng.random((60, 40)) < np.where(taste[:, None] == np.arange(40) % 2, 0.5, 0.1)
    rows = [f"u{user},i{item}" for user, item in zip(*owned.nonzero(), strict=True)]
    path.write_text("\n".join(["user,item", *rows]) + "\n")


@pytest.mark.parametrize("package", ["implicit", "LensKit"])
def test_an_example_gives_groups_with_recommendation_overlap(package, new_store):
    pytest.importorskip(package.lower())
    code, (program, command, *settings) = example(package)
    assert program == "elsa-groups"
    store = new_store()
    write_listens(store.folder / "listens.csv")
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=store.folder, capture_output=True, text=True, timeout=600
    )
    assert made.returncode == 0, made.stderr
    done = launch(store, command, *settings, *FEW)
    assert done.code == 0, done.err
    metrics = store.client.get_run(done.last_id).data.metrics
    assert 0 <= metrics["similar_3/recommendation_overlap_at_20_mean"] <= 1
    # By vectors that know the two tastes, similar groups are of one.
    assert metrics["similar_3/similarity_mean"] > metrics["random_3/similarity_mean"]
