"""Three processes find what one finds, to the byte."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from elsa_groups.base.distributed import ONE, Ranks, launched_ranks
from elsa_groups.base.errors import InputError

PROGRAM = Path(__file__).resolve().parents[1] / "similarity" / "ranked.py"
SOURCE = Path(__file__).resolve().parents[2] / "src"
NAMES = [
    *("exact", "bracketed", "near", "sampled", "missed", "tied_0", "tied_50000", "bins", "share", "estimate"),
    *("divergent", "divergent_accounting", "opposing", "opposing_accounting", "single", "diagnosis"),
    *("kept", "kept_numbers", "kept_counts"),
]


@pytest.fixture(scope="module")
def alone():
    return runpy.run_path(str(PROGRAM))["results"]()


@pytest.fixture(scope="module")
def together(once):
    """What each of three ranks ended with."""

    def compute(folder: Path) -> None:
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "3"]
        done = subprocess.run(
            [*command, str(PROGRAM), str(folder)],
            env=os.environ | {"PYTHONPATH": str(SOURCE)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]

    folder = once("ranks", compute)
    return [dict(np.load(folder / f"{rank}.npz")) for rank in range(3)]


@pytest.mark.parametrize("name", NAMES)
def test_every_rank_ends_with_the_bytes_of_one_process(alone, together, name):
    for found in together:
        assert found[name].dtype == alone[name].dtype
        assert found[name].shape == alone[name].shape
        assert found[name].tobytes() == alone[name].tobytes()


def test_kept_and_binned_pairs_give_the_same_thresholds(alone):
    assert alone["near"].tobytes() == alone["tied_0"].tobytes() == alone["tied_50000"].tobytes()
    assert alone["exact"].tobytes() == alone["missed"].tobytes()


def test_ranks_exchange_arrays(together):
    size = len(together)
    joined = [rank for rank in range(size) for _ in range(2 * rank)]
    for found in together:
        assert found["sum"].tolist() == [[size, sum(range(size))], [10 * sum(range(size)), 0]]
        assert found["gathered"].tolist() == joined
        assert found["broadcast"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_every_task_goes_to_one_rank(size):
    shares = [list(Ranks(rank, size).share(range(20))) for rank in range(size)]

    assert sorted(task for share in shares for task in share) == list(range(20))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_process_without_torchrun_is_alone(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)

    assert launched_ranks() == ONE
    with ONE.joined():
        values = np.arange(3)
        assert ONE.sum(values) is values
        assert ONE.gather(values) is values
        assert ONE.broadcast(values) is values


def test_torchrun_says_who_is_who(monkeypatch):
    given = {"TORCHELASTIC_RUN_ID": "x", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
    for name, value in (given | {"LOCAL_RANK": "1"}).items():
        monkeypatch.setenv(name, value)

    assert launched_ranks() == Ranks(3, 4, on_machine=2)
    for found, device in ((2, "cuda:1"), (1, "cpu"), (0, "cpu")):
        monkeypatch.setattr("torch.cuda.device_count", lambda found=found: found)
        assert launched_ranks("auto").device == device
        assert launched_ranks("cpu").device == "cpu"
    with pytest.raises(InputError, match="a device for each of 2 ranks of this machine, got 0"):
        launched_ranks("cuda")


def test_one_process_imports_no_distributed_torch():
    code = "import elsa_groups.base.distributed, sys; assert 'torch' not in sys.modules"

    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(SOURCE)}, check=True)
