from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.data.split import Split, split_users
from elsa_groups.model.ranking import top_k
from elsa_groups.model.training import EpochReport, Trained, TrainingSettings, find_device, train

SETTINGS = TrainingSettings(factors=16, epochs=8, batch_size=32, learning_rate=0.01, patience=3)


def _train(
    matrix: csr_array, seed: int = 5, settings: TrainingSettings = SETTINGS, device: str = "cpu"
) -> Trained:
    split = split_users(matrix.shape[0], val_ratio=0.2, test_ratio=0.2, seed=0)
    return train(matrix, split, settings=settings, seed=seed, device=device)


@pytest.fixture(scope="module")
def board(checkerboard: Callable[..., csr_array]) -> csr_array:
    return checkerboard(200, 60)


@pytest.fixture(scope="module")
def trained(board: csr_array) -> Trained:
    return _train(board)


def test_checkerboard_is_learnt(board: csr_array, trained: Trained) -> None:
    recommended = top_k(trained.encoder, board, 1)[:, 0]
    np.testing.assert_array_equal(recommended % 2, np.arange(200) % 2)
    # About 19 of the 30 items of a kind are shown, so that all others fit among the first 20.
    assert trained.test_recall_at_20 == 1.0
    assert trained.reports[-1].train_loss < 0.5 * trained.reports[0].train_loss


def test_rows_are_of_unit_norm(trained: Trained) -> None:
    assert trained.encoder.dtype == np.float32
    assert trained.encoder.shape == (60, 16)
    np.testing.assert_allclose(np.linalg.norm(trained.encoder.astype(np.float64), axis=1), 1, atol=2e-7)


def test_same_seed_gives_same_bytes(board: csr_array, trained: Trained) -> None:
    again = _train(board)
    assert again.encoder.tobytes() == trained.encoder.tobytes()
    assert [replace(report, seconds=0) for report in again.reports] == [
        replace(report, seconds=0) for report in trained.reports
    ]
    assert _train(board, seed=6).encoder.tobytes() != trained.encoder.tobytes()


def test_best_epoch_is_kept_and_patience_ends_training(board: csr_array) -> None:
    settings = replace(SETTINGS, epochs=50, learning_rate=0.3, patience=2)
    trained = _train(board, settings=settings)
    scores = [report.valid_ndcg_at_20 for report in trained.reports]
    assert trained.best_epoch == 1 + int(np.argmax(scores))
    assert len(scores) == trained.best_epoch + settings.patience < settings.epochs
    # The encoder is that epoch's: training that ends there gives the same one.
    shorter = _train(board, settings=replace(settings, epochs=trained.best_epoch))
    assert shorter.encoder.tobytes() == trained.encoder.tobytes()
    assert shorter.test_ndcg_at_20 == trained.test_ndcg_at_20


def test_every_epoch_is_reported_at_once(board: csr_array) -> None:
    seen: list[EpochReport] = []
    split = split_users(200, val_ratio=0.2, test_ratio=0.2, seed=0)
    settings = replace(SETTINGS, epochs=2)
    trained = train(board, split, settings=settings, seed=5, device="cpu", on_epoch=seen.append)
    assert tuple(seen) == trained.reports
    assert [report.epoch for report in seen] == [1, 2]


def test_training_is_quiet_when_not_on_a_terminal(
    board: csr_array, capfd: pytest.CaptureFixture[str]
) -> None:
    _train(board, settings=replace(SETTINGS, epochs=1))
    assert capfd.readouterr() == ("", "")


def test_users_without_history_do_no_harm(board: csr_array) -> None:
    dense = board.toarray()
    dense[::10] = 0
    trained = _train(csr_array(dense), settings=replace(SETTINGS, epochs=1))
    assert np.isfinite(trained.encoder).all()


def test_random_histories_stay_finite(histories: Callable[..., csr_array]) -> None:
    trained = _train(histories(100, 30, density=0.05), settings=replace(SETTINGS, learning_rate=1.0))
    assert np.isfinite(trained.encoder).all()


@pytest.mark.parametrize("learning_rate", [1e38, 1e30])
def test_training_that_diverges_is_an_error(learning_rate: float, board: csr_array) -> None:
    with pytest.raises(InputError, match=r"training: expected a finite loss .* model\.learning_rate"):
        _train(board, settings=replace(SETTINGS, learning_rate=learning_rate))


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_empty_part_of_the_split_is_named(part: str, board: csr_array) -> None:
    thirds = dict(zip(("train", "val", "test"), np.split(np.arange(180), 3), strict=True))
    split = Split(**{**thirds, part: np.empty(0, np.int64)})
    with pytest.raises(InputError, match=f"got none in {part}"):
        train(board, split, settings=SETTINGS, seed=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("factors", 0),
        ("epochs", 0),
        ("batch_size", -1),
        ("patience", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
    ],
)
def test_unfit_settings_are_named(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name}: expected .* got {value}"):
        replace(SETTINGS, **{name: value})


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {"cuda": False, "mps": False}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present["cuda"])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: present["mps"])
    assert find_device("auto").type == find_device("cpu").type == "cpu"
    for name in ("cuda", "mps", "tpu"):
        with pytest.raises(InputError, match=rf"present here \(cpu\) or auto, got {name}"):
            find_device(name)
    present["mps"] = True
    assert find_device("auto").type == find_device("mps").type == "mps"
    present["cuda"] = True
    assert find_device("auto").type == "cuda"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_learns_the_same(board: csr_array, trained: Trained) -> None:
    on_gpu = _train(board, device="cuda")
    # Rounding differs and grows over the steps; what is learnt does not.
    np.testing.assert_allclose(on_gpu.encoder, trained.encoder, atol=1e-3)
