"""Training ELSA here and in elsarec 0.1.4 (Vancura et al., RecSys 2022): seconds an epoch, and quality.

Speed is of histories of one length, of the size of Last.fm 1K and of 20,000 users, epoch by epoch in turn.
For quality both train on the same real listeners, each with the learning rate that validates best, and rank
the same held-out items by the same code.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf
from scipy.sparse import csr_array, csr_matrix

from benchmarks.harness import Absent, Options, Row, alternate, main, seconds
from benchmarks.people import listeners
from elsa_groups.data.split import hold_out, split_users
from elsa_groups.model.settings import TrainingSettings
from elsa_groups.model.training import Trainer, evaluate, train
from elsa_groups.model.vectors import unit_rows

VERSION = "0.1.4"
LEARNING_RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
SEEDS = range(3)

_CONF = Path(__file__).resolve().parents[1] / "conf" / "model" / "LastFM1k.yaml"
_N_ITEMS = 13_794
_PER_USER = 615


class Fit(NamedTuple):
    """A training: the best epoch, its validation and its test nDCG."""

    epoch: float
    valid: float
    test: float


def epoch_of_lastfm1k(options: Options) -> list[Row]:
    return [_compare_speed(988, 64, rounds=3 if options.quick else 7, at_least=1.3)]


def epoch_of_20_000_users(options: Options) -> list[Row]:
    return [_compare_speed(20_000, 1024, rounds=1 if options.quick else 3, at_least=5)]


def quality_of_real_listeners(options: Options) -> list[Row]:
    if options.quick:
        return []
    elsa_class()
    matrix, settings = listeners(options).matrix, settings_of_lastfm1k()
    rate, ours = best_of_rates(fit_here, matrix, settings)
    their_rate, theirs = best_of_rates(fit_elsarec, matrix, settings)
    return [
        Row(
            f"test nDCG@20 and the difference, real listeners, N = {matrix.shape[0]:,}",
            f"{ours.test:.4f} at rate {rate:g}",
            f"{theirs.test:.4f} at rate {their_rate:g}, elsarec {VERSION}",
            ours.test - theirs.test,
            at_least=-0.005,
        )
    ]


def _compare_speed(n_users: int, batch_size: int, *, rounds: int, at_least: float) -> Row:
    elsa_class()
    settings = changed(settings_of_lastfm1k(), batch_size=batch_size)
    histories = generated_histories(n_users, _N_ITEMS, _PER_USER)
    here = epochs_here(histories, settings, seed=0)
    theirs = epochs_of_elsarec(histories, settings, seed=0)
    # a small first epoch of each, for what only happens once
    for epochs in (epochs_here, epochs_of_elsarec):
        next(epochs(histories[:batch_size], settings, seed=0))
    timing = alternate(here.__next__, theirs.__next__, rounds=rounds)
    return Row(
        f"ELSA, an epoch of {n_users:,} x {_N_ITEMS:,}, {histories.nnz:,} pairs, B = {batch_size}",
        seconds(timing.ours),
        f"{seconds(timing.against)}, elsarec {VERSION}",
        timing.against / timing.ours,
        at_least=at_least,
        peak=timing.peak,
    )


def elsa_class() -> Any:
    """Import elsarec's model, which only this comparison needs; its package is called ``elsa``."""
    try:
        if version("elsarec") == VERSION:
            from elsa import ELSA  # type: ignore[import-not-found, import-untyped, unused-ignore]

            return ELSA
    except (ImportError, PackageNotFoundError):
        pass
    raise Absent(f"elsarec {VERSION} is not installed; pip install --no-deps elsarec=={VERSION}")


def settings_of_lastfm1k() -> TrainingSettings:
    """Read the settings that the project has for LastFM1k."""
    return TrainingSettings(**OmegaConf.to_container(OmegaConf.load(_CONF)))  # type: ignore[arg-type]


def changed(settings: TrainingSettings, **values: Any) -> TrainingSettings:
    """Return settings with some values changed."""
    return TrainingSettings(**{**vars(settings), **values})


def best_of_rates(fit: Any, matrix: csr_array, settings: TrainingSettings) -> tuple[float, Fit]:
    """Return the learning rate that validates best, and the means of its trainings over the seeds."""
    fits = {
        rate: Fit(*np.mean([fit(matrix, changed(settings, learning_rate=rate), seed) for seed in SEEDS], 0))
        for rate in LEARNING_RATES
    }
    return max(fits.items(), key=lambda item: item[1].valid)


def fit_here(matrix: csr_array, settings: TrainingSettings, seed: int) -> Fit:
    """Train here."""
    split = split_users(matrix.shape[0], val_ratio=0.1, test_ratio=0.1, seed=seed)
    trained = train(matrix, split, settings=settings, seed=seed, device="cpu")
    valid = trained.reports[trained.best_epoch - 1].valid_ndcg_at_20
    return Fit(trained.best_epoch, valid, trained.test_ndcg_at_20)


def fit_elsarec(matrix: csr_array, settings: TrainingSettings, seed: int) -> Fit:
    """Train elsarec's model, stopped early by the same rule on the same held-out items."""
    split = split_users(matrix.shape[0], val_ratio=0.1, test_ratio=0.1, seed=seed)
    valid, test = (hold_out(matrix, rows, seed=seed) for rows in (split.val, split.test))
    best = Fit(0, -1.0, -1.0)
    epochs = epochs_of_elsarec(matrix[split.train], settings, seed=seed)
    for epoch in range(1, settings.epochs + 1):
        encoder = next(epochs)
        score = evaluate(encoder, *valid)[0]
        if score > best.valid:
            best = Fit(epoch, score, evaluate(encoder, *test)[0])
        if epoch - best.epoch >= settings.patience:
            break
    return best


def epochs_of_elsarec(
    histories: csr_array, settings: TrainingSettings, *, seed: int
) -> Iterator[NDArray[np.float32]]:
    """Yield elsarec's unit item vectors after each epoch."""
    torch.manual_seed(seed)
    model = elsa_class()(
        histories.shape[1], settings.factors, device=torch.device("cpu"), lr=settings.learning_rate
    )
    data = csr_matrix(histories)
    while True:
        model.fit(data, epochs=1, batch_size=settings.batch_size, shuffle=True, verbose=False)
        yield unit_rows(model.get_items_embeddings(as_numpy=True))


def epochs_here(
    histories: csr_array, settings: TrainingSettings, *, seed: int
) -> Iterator[NDArray[np.float32]]:
    """Yield our unit item vectors after each epoch."""
    trainer = Trainer(histories.shape[1], settings, seed=seed, device=torch.device("cpu"))
    while True:
        trainer.run_epoch(histories, np.arange(histories.shape[0]), on_step=lambda n_users: None)
        yield trainer.encoder()


def generated_histories(n_users: int, n_items: int, per_user: int) -> csr_array:
    """Draw histories of one length, items by a long-tailed popularity."""
    rng = np.random.default_rng(0)
    popularity = np.log(1 / (np.arange(n_items) + 20.0))
    indices = np.empty((n_users, per_user), np.int32)
    for user in range(n_users):
        keys = popularity + rng.gumbel(size=n_items)
        indices[user] = np.sort(np.argpartition(-keys, per_user)[:per_user])
    starts = np.arange(0, indices.size + 1, per_user)
    return csr_array((np.ones(indices.size, np.float32), indices.ravel(), starts), shape=(n_users, n_items))


CASES = (epoch_of_lastfm1k, epoch_of_20_000_users, quality_of_real_listeners)

if __name__ == "__main__":
    main(*CASES)
