"""Train ELSA: Adam on the closed-form gradient, stopped by what it recommends to validation users."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.errors import InputError
from elsa_groups.base.progress import progress
from elsa_groups.data.split import Split, hold_out
from elsa_groups.model.elsa import Batch, loss_and_gradient
from elsa_groups.model.ranking import ndcg_at_k, recall_at_k, top_k
from elsa_groups.model.settings import TrainingSettings
from elsa_groups.model.vectors import unit_rows

CUTOFF = 20


@dataclass(frozen=True)
class EpochReport:
    """What one epoch gave.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss : float
        Mean loss of the training users during the epoch, in [0, 4].
    valid_ndcg_at_20, valid_recall_at_20 : float
        Over the validation users after the epoch, in [0, 1].
    seconds : float
        Of the training steps alone, without the validation.
    """

    epoch: int
    train_loss: float
    valid_ndcg_at_20: float
    valid_recall_at_20: float
    seconds: float


@dataclass(frozen=True)
class Trained:
    """A trained ELSA.

    Attributes
    ----------
    encoder : (n_items, factors) float32
        Unit item vectors of the best epoch.
    reports : tuple of EpochReport
        One for each epoch that was run.
    best_epoch : int
        The epoch of the highest validation nDCG, the earliest of equal ones.
    test_ndcg_at_20, test_recall_at_20 : float
        Of ``encoder``, over the test users, in [0, 1].
    """

    encoder: NDArray[np.float32]
    reports: tuple[EpochReport, ...]
    best_epoch: int
    test_ndcg_at_20: float
    test_recall_at_20: float


def train(
    matrix: csr_array,
    split: Split,
    *,
    settings: TrainingSettings,
    seed: int,
    device: str = "auto",
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
) -> Trained:
    """Train on the training users, keep the epoch that recommends best to the validation users.

    Validation and test users are unseen in training (strong generalisation): a fifth of each history is
    held out and ranked from the rest. The same seed gives the same encoder on the same CPU with the same
    number of threads. Computes in float32. Memory: ``O(n_items * factors)``, and for a batch its pairs
    and at most ``2/3 * n_items * factors`` scores; never a dense array of users by items.

    Parameters
    ----------
    matrix : csr_array, shape (n_users, n_items), float32
        Histories of ones, indices sorted.
    split : Split
        Rows of training, validation and test users.
    settings : TrainingSettings
        How to train.
    seed : int
        Of initial weights, order of users and held-out items.
    device : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes cuda, then mps, then the CPU. Rankings are computed on the CPU.
    on_epoch : callable
        Called with each report as soon as it is there.

    Returns
    -------
    Trained
        The best epoch's encoder and all reports.

    Raises
    ------
    InputError
        If a part of the split is empty, nobody in it has an item to hold out, the device is absent, or the
        loss or the weights become infinite or NaN.
    """
    _check_parts(split)
    trainer = Trainer(matrix.shape[1], settings, seed=seed, device=find_device(device))
    valid = hold_out(matrix, split.val, seed=seed)
    reports: list[EpochReport] = []
    best_epoch = 0
    # Patience may end it sooner.
    with progress(label="training", unit="user", total=settings.epochs * len(split.train)) as bar:
        while len(reports) < settings.epochs and len(reports) - best_epoch < settings.patience:
            bar.set_description(f"epoch {len(reports) + 1} of {settings.epochs}", refresh=False)
            started = time.perf_counter()
            loss = trainer.run_epoch(matrix, split.train, on_step=bar.update)
            seconds = time.perf_counter() - started
            _check_finite(loss, trainer.is_finite(), len(reports) + 1, settings)
            encoder = trainer.encoder()
            reports.append(EpochReport(len(reports) + 1, loss, *evaluate(encoder, *valid), seconds))
            on_epoch(reports[-1])
            if best_epoch == 0 or reports[-1].valid_ndcg_at_20 > reports[best_epoch - 1].valid_ndcg_at_20:
                best_epoch, best = len(reports), encoder
    test = hold_out(matrix, split.test, seed=seed)
    return Trained(best, tuple(reports), best_epoch, *evaluate(best, *test))


def _check_finite(loss: float, is_finite: bool, epoch: int, settings: TrainingSettings) -> None:
    """Refuse to go on where training has diverged: what it would recommend is items in any order."""
    if not (math.isfinite(loss) and is_finite):
        got = "item vectors that are not" if math.isfinite(loss) else f"loss {loss}"
        raise InputError(
            f"training: expected a finite loss and finite item vectors, got {got} in epoch {epoch} with"
            f" learning_rate {settings.learning_rate:g}; set a smaller model.learning_rate"
        )


def evaluate(encoder: NDArray[np.float32], inputs: csr_array, targets: csr_array) -> tuple[float, float]:
    """Return nDCG@20 and recall@20 of the targets, ranked from the inputs.

    Parameters
    ----------
    encoder : (n_items, factors) float32
        Unit item vectors.
    inputs, targets : csr_array, shape (n, n_items)
        Both parts of histories, as :func:`elsa_groups.data.split.hold_out` gives them.

    Raises
    ------
    InputError
        If nobody has targets.
    """
    ranking = top_k(encoder, inputs, CUTOFF)
    return ndcg_at_k(ranking, targets), recall_at_k(ranking, targets)


def find_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is cuda, then mps, then cpu.

    Raises
    ------
    InputError
        If the name is unknown or this machine has no such device.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    here = [device for device, is_present in present.items() if is_present]
    if name == "auto":
        return torch.device(here[0])
    if name not in here:
        raise InputError(
            f"device: expected one that is present here ({', '.join(here)}) or auto, got {name}; "
            "choose another, or install a torch that supports it"
        )
    return torch.device(name)


def _check_parts(split: Split) -> None:
    """Refuse a split with an empty part."""
    for part in ("train", "val", "test"):
        if len(getattr(split, part)) == 0:
            raise InputError(
                f"split: expected users in train, val and test, got none in {part}; "
                "change val_ratio or test_ratio, or keep more users"
            )


class Trainer:
    """Weights, optimiser and order of users: what one epoch hands to the next.

    Parameters
    ----------
    n_items : int
        Number of items.
    settings : TrainingSettings
        Factors, batch size and learning rate are taken from it.
    seed : int
        Of initial weights and order of users.
    device : torch.device
        Where to compute.
    """

    def __init__(self, n_items: int, settings: TrainingSettings, *, seed: int, device: torch.device) -> None:
        self._rng = np.random.default_rng(seed)
        # Drawn here rather than on the device, so that all devices start from the same weights. Rows of
        # length about one: a step of Adam then turns them by an angle that does not depend on n_items.
        initial = self._rng.standard_normal((n_items, settings.factors), np.float32) / settings.factors**0.5
        self._weights = torch.from_numpy(initial).to(device).requires_grad_()
        self._optimiser = torch.optim.Adam([self._weights], lr=settings.learning_rate, fused=True)
        self._batch_size = settings.batch_size

    def run_epoch(
        self, matrix: csr_array, users: NDArray[np.int64], *, on_step: Callable[[int], object]
    ) -> float:
        """Take one step for each batch of users in random order, and tell its size; return the mean loss."""
        total = torch.zeros((), device=self._weights.device)
        for rows in self._batches(users):
            batch = Batch.of(matrix[rows], self._weights.device)
            loss, self._weights.grad = loss_and_gradient(self._weights.detach(), batch)
            self._optimiser.step()
            total += loss * len(rows)
            on_step(len(rows))
        return float(total) / len(users)

    def encoder(self) -> NDArray[np.float32]:
        """Return the unit item vectors."""
        return unit_rows(self._weights.detach().cpu().numpy())

    def is_finite(self) -> bool:
        """Tell whether all item vectors have finite float32 lengths, by which a step divides them."""
        return bool(torch.linalg.vector_norm(self._weights.detach(), dim=1).isfinite().all())

    def _batches(self, users: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        order = self._rng.permutation(users)
        for start in range(0, len(order), self._batch_size):
            yield order[start : start + self._batch_size]
