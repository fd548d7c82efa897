import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elsa_groups.base.errors import InputError
from elsa_groups.model.elsa import read_checkpoint, save_checkpoint


def _matrix(n_items: int = 6, factors: int = 4) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n_items, factors)).astype(np.float32)


def _sequential_units(matrix: np.ndarray) -> np.ndarray:
    rows = []
    for row in matrix.astype(np.float64).tolist():
        total = 0.0
        for value in row:
            total += value * value
        rows.append([value / total**0.5 for value in row])
    return np.array(rows).astype(np.float32)


def test_encoder_comes_back_as_stored(tmp_path: Path) -> None:
    path, encoder = tmp_path / "checkpoint.ckpt", _matrix()
    save_checkpoint(path, encoder)
    content = torch.load(path, weights_only=True)
    assert list(content) == ["model_state_dict"]
    assert content["model_state_dict"]["encoder"].dtype == torch.float32
    read = read_checkpoint(path, 6, 4)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, encoder)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.ckpt"]


FOREIGN = {
    "elsarec": lambda matrix: {"_ELSA__W_list.0": matrix},
    "nested": lambda matrix: {"epoch": 3, "state": {"net": {"weight": matrix, "bias": torch.zeros(4)}}},
    "another name": lambda matrix: {"model_state_dict": {"items": matrix}},
    "parameter": lambda matrix: {"W": torch.nn.Parameter(matrix)},
    "transposed in memory": lambda matrix: {"W": matrix.T.contiguous().T},
    "bare tensor": lambda matrix: matrix,
}


@pytest.mark.parametrize("layout", FOREIGN)
def test_foreign_rows_are_normalised(layout: str, tmp_path: Path) -> None:
    matrix = _matrix()
    torch.save(FOREIGN[layout](torch.from_numpy(matrix)), tmp_path / "foreign.pt")
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "foreign.pt", 6, 4), _sequential_units(matrix))


@pytest.mark.parametrize("key", ["encoder", "W"])
def test_moments_of_an_optimiser_are_not_taken_for_weights(key: str, tmp_path: Path) -> None:
    weights = torch.nn.Parameter(torch.from_numpy(_matrix()))
    optimizer = torch.optim.Adam([weights])
    weights.sum().backward()
    optimizer.step()
    content = {
        "model_state_dict": {key: weights.data},
        "optimizer_state_dict": optimizer.state_dict(),
        "epoch": 3,
    }
    torch.save(content, tmp_path / "c.ckpt")
    stored = weights.data.numpy()
    expected = stored if key == "encoder" else _sequential_units(stored)
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "c.ckpt", 6, 4), expected)


def test_state_dict_of_a_module_with_the_mangled_names_of_elsarec(tmp_path: Path) -> None:
    class ELSA(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.__W_list = torch.nn.ParameterList([torch.nn.Parameter(torch.from_numpy(_matrix()))])

    state = ELSA().state_dict()
    assert list(state) == ["_ELSA__W_list.0"]
    torch.save(state, tmp_path / "elsarec.pt")
    np.testing.assert_array_equal(
        read_checkpoint(tmp_path / "elsarec.pt", 6, 4), _sequential_units(_matrix())
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_rounded_once(dtype: torch.dtype, tmp_path: Path) -> None:
    matrix = torch.from_numpy(_matrix()).to(dtype)
    torch.save({"W": matrix}, tmp_path / "foreign.pt")
    expected = _sequential_units(matrix.to(torch.float64).numpy())
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "foreign.pt", 6, 4), expected)


def test_zero_rows_stay_zero(tmp_path: Path) -> None:
    matrix = _matrix()
    matrix[2] = 0
    torch.save({"W": torch.from_numpy(matrix)}, tmp_path / "foreign.pt")
    read = read_checkpoint(tmp_path / "foreign.pt", 6, 4)
    assert not read[2].any()
    assert np.isfinite(read).all()


class _Malicious:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


def _bare_pickle(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("write", [torch.save, _bare_pickle])
def test_code_in_a_checkpoint_is_refused_and_not_run(write: Any, tmp_path: Path) -> None:
    path = tmp_path / "malicious.ckpt"
    write({"model_state_dict": {"encoder": _Malicious(tmp_path / "trace")}}, path)
    with pytest.raises(InputError, match=r"malicious.ckpt: expected .* got one that needs pickle"):
        read_checkpoint(path, 6, 4)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04broken", b"\x80\x02}q\x00."])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "some.file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint .*some.file: expected"):
        read_checkpoint(path, 6, 4)


def test_half_a_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.ckpt"
    save_checkpoint(path, _matrix(100, 20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="a part of it"):
        read_checkpoint(path, 100, 20)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.ckpt.*No such file"):
        read_checkpoint(tmp_path / "absent.ckpt", 6, 4)


REFUSED = {
    "nothing": ({"epoch": 3}, "got none; there is no tensors"),
    "other shape": ({"W": torch.ones(4, 6), "b": torch.ones(3)}, r"none; there is W \(4, 6\), b \(3,\)"),
    "integers": ({"W": torch.ones(6, 4, dtype=torch.int64)}, "got none"),
    "several": ({"W": torch.ones(6, 4), "m": {"v": torch.ones(6, 4)}}, r"several \(W, m.v\)"),
    "own of other items": (
        {"model_state_dict": {"encoder": torch.ones(7, 4)}},
        r"6 items x 4 factors, got none; there is model_state_dict.encoder \(7, 4\)",
    ),
    "own of other items beside another": (
        {"model_state_dict": {"encoder": torch.ones(7, 4), "W": torch.ones(6, 4)}},
        "got none",
    ),
    "own not finite": (
        {"model_state_dict": {"encoder": torch.full((6, 4), float("nan"))}},
        "NaN or infinity in 6 of 6 rows",
    ),
    "foreign not finite": ({"W": torch.full((6, 4), float("inf"))}, "NaN or infinity in 6 of 6 rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unfit_content_is_refused_by_name(case: str, tmp_path: Path) -> None:
    content, message = REFUSED[case]
    torch.save(content, tmp_path / "unfit.ckpt")
    with pytest.raises(InputError, match=message):
        read_checkpoint(tmp_path / "unfit.ckpt", 6, 4)
