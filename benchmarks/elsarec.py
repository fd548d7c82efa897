"""ELSA here and in elsarec 0.1.4 (Vancura et al., RecSys 2022): what both recommend and how long they take.

    PYTHONPATH=src python benchmarks/elsarec.py data

reads data/LastFM1k, trains both on the same users, each with the learning rate that validates best, and
ranks the same held-out items by the same code. Then both train on generated histories of the size of
Last.fm 1K and of 20,000 users, epoch by epoch in turn. Needs `pip install elsarec==0.1.4`.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf
from scipy.sparse import csr_array, csr_matrix

from elsa_groups.data.load import load
from elsa_groups.data.split import hold_out, split_users
from elsa_groups.model.training import Trainer, TrainingSettings, evaluate, train
from elsa_groups.model.vectors import unit_rows

try:
    from elsa import ELSA  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    sys.exit("benchmarks/elsarec.py: needs elsarec, which is not installed; pip install elsarec==0.1.4")

CONF = Path(__file__).parents[1] / "conf" / "model" / "LastFM1k.yaml"
LEARNING_RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
ROUNDS = 5
# users, items, items of a user, batch size
TIMED = ((988, 13_794, 615, 64), (20_000, 13_794, 615, 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=Path, help="folder with LastFM1k in it")
    parser.add_argument("--seeds", type=int, default=3, help="splits and trainings to average over")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    data = load("LastFM1k", arguments.data_dir, min_user_interactions=5, min_item_interactions=10)
    settings = TrainingSettings(**OmegaConf.to_container(OmegaConf.load(CONF)))  # type: ignore[arg-type]
    compare_quality(data.matrix, settings, range(arguments.seeds))
    print()
    compare_speed(settings)


def compare_quality(matrix: csr_array, settings: TrainingSettings, seeds: range) -> None:
    n_users, n_items = matrix.shape
    print(f"{n_users} users x {n_items} items, {matrix.nnz} pairs; mean of {len(seeds)} seeds")
    print(f"{'':10}{'learning rate':>15}{'epochs':>8}{'valid nDCG@20':>15}{'test nDCG@20':>14}")
    for name, fit in {"here": fit_here, "elsarec": fit_elsarec}.items():
        results = {}
        for rate in LEARNING_RATES:
            runs = [fit(matrix, settings, rate, seed) for seed in seeds]
            results[rate] = np.mean(runs, axis=0)
            epochs, valid, test = results[rate]
            print(f"{name:10}{rate:15}{epochs:8.1f}{valid:15.4f}{test:14.4f}", flush=True)
        best = max(results, key=lambda rate: results[rate][1])
        print(f"{name:10}best on validation: {best}, test nDCG@20 {results[best][2]:.4f}")


def fit_here(
    matrix: csr_array, settings: TrainingSettings, rate: float, seed: int
) -> tuple[int, float, float]:
    """Return the best epoch, its validation and its test nDCG."""
    split = split_users(matrix.shape[0], val_ratio=0.1, test_ratio=0.1, seed=seed)
    changed = TrainingSettings(**{**vars(settings), "learning_rate": rate})
    trained = train(matrix, split, settings=changed, seed=seed, device="cpu")
    valid = trained.reports[trained.best_epoch - 1].valid_ndcg_at_20
    return trained.best_epoch, valid, trained.test_ndcg_at_20


def fit_elsarec(
    matrix: csr_array, settings: TrainingSettings, rate: float, seed: int
) -> tuple[int, float, float]:
    """Return the best epoch, its validation and its test nDCG, with the same early stopping."""
    split = split_users(matrix.shape[0], val_ratio=0.1, test_ratio=0.1, seed=seed)
    valid, test = (hold_out(matrix, rows, seed=seed) for rows in (split.val, split.test))
    best = (0, -1.0, -1.0)
    epochs = elsarec_epochs(matrix[split.train], settings.factors, settings.batch_size, rate, seed)
    for epoch in range(1, settings.epochs + 1):
        encoder = next(epochs)
        score = evaluate(encoder, *valid)[0]
        if score > best[1]:
            best = (epoch, score, evaluate(encoder, *test)[0])
        if epoch - best[0] >= settings.patience:
            break
    return best


def elsarec_epochs(
    histories: csr_array, factors: int, batch_size: int, rate: float, seed: int
) -> Iterator[NDArray[np.float32]]:
    """Yield elsarec's unit item vectors after each epoch."""
    torch.manual_seed(seed)
    model: Any = ELSA(histories.shape[1], factors, device=torch.device("cpu"), lr=rate)
    data = csr_matrix(histories)
    while True:
        model.fit(data, epochs=1, batch_size=batch_size, shuffle=True, verbose=False)
        yield unit_rows(model.get_items_embeddings(as_numpy=True))


def epochs_here(histories: csr_array, settings: TrainingSettings, seed: int) -> Iterator[NDArray[np.float32]]:
    """Yield our unit item vectors after each epoch."""
    trainer = Trainer(histories.shape[1], settings, seed=seed, device=torch.device("cpu"))
    while True:
        trainer.run_epoch(histories, np.arange(histories.shape[0]), label="epoch")
        yield trainer.encoder()


def compare_speed(settings: TrainingSettings) -> None:
    print(f"seconds per epoch, median of {ROUNDS} in turn")
    print(f"{'users':>8}{'items':>8}{'batch':>7}{'here':>9}{'elsarec':>9}{'ratio':>7}")
    for n_users, n_items, per_user, batch_size in TIMED:
        histories = generate(n_users, n_items, per_user)
        changed = TrainingSettings(**{**vars(settings), "batch_size": batch_size})
        here = epochs_here(histories, changed, seed=0)
        elsarec = elsarec_epochs(histories, settings.factors, batch_size, settings.learning_rate, seed=0)
        seconds = np.array([[clock(here.__next__), clock(elsarec.__next__)] for _ in range(ROUNDS)])
        ours, theirs = np.median(seconds, axis=0)
        print(f"{n_users:8}{n_items:8}{batch_size:7}{ours:9.2f}{theirs:9.2f}{theirs / ours:7.1f}")


def generate(n_users: int, n_items: int, per_user: int) -> csr_array:
    """Draw histories of one length, items by a long-tailed popularity."""
    rng = np.random.default_rng(0)
    popularity = np.log(1 / (np.arange(n_items) + 20.0))
    indices = np.empty((n_users, per_user), np.int32)
    for user in range(n_users):
        keys = popularity + rng.gumbel(size=n_items)
        indices[user] = np.sort(np.argpartition(-keys, per_user)[:per_user])
    starts = np.arange(0, indices.size + 1, per_user)
    return csr_array((np.ones(indices.size, np.float32), indices.ravel(), starts), shape=(n_users, n_items))


def clock(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
