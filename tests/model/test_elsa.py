from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import normalize

from elsa_groups.model import elsa
from elsa_groups.model.elsa import Batch, elsa_loss, loss_and_gradient

CPU = torch.device("cpu")


def _plain_loss(weights: Tensor, dense: Tensor) -> Tensor:
    """The paper's formula, with all predictions in memory."""
    vectors = normalize(weights, dim=1)
    prediction = dense @ vectors @ vectors.T - dense
    return ((normalize(prediction, dim=1) - normalize(dense, dim=1)) ** 2).sum(dim=1).mean()


def _weights(n_items: int, factors: int, dtype: torch.dtype) -> Tensor:
    values = np.random.default_rng(1).standard_normal((n_items, factors))
    return torch.tensor(values, dtype=dtype, requires_grad=True)


@pytest.mark.parametrize("n_users", [3, 100], ids=["decoded", "gram"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_gradient_is_that_of_the_plain_formula(
    n_users: int, dtype: torch.dtype, tolerance: float, histories: Callable[..., csr_array]
) -> None:
    matrix = histories(n_users, 60)
    weights = _weights(60, 12, dtype)
    assert elsa._is_cheaper_decoded(n_users, 60, 12) == (n_users == 3)

    expected = _plain_loss(weights, torch.tensor(matrix.toarray(), dtype=dtype))
    expected.backward()
    loss, gradient = loss_and_gradient(weights.detach(), Batch.of(matrix, CPU))

    assert loss.item() == pytest.approx(expected.item(), rel=tolerance)
    assert weights.grad is not None
    assert (gradient - weights.grad).abs().max() <= tolerance * weights.grad.abs().max()


def test_both_forms_agree(monkeypatch: pytest.MonkeyPatch, histories: Callable[..., csr_array]) -> None:
    batch, weights = Batch.of(histories(20, 50), CPU), _weights(50, 8, torch.float64).detach()
    results = []
    for decoded in (True, False):
        monkeypatch.setattr(elsa, "_is_cheaper_decoded", lambda *_, decoded=decoded: decoded)
        results.append(loss_and_gradient(weights, batch))
    torch.testing.assert_close(results[0], results[1], rtol=1e-12, atol=1e-14)


def test_loss_worked_by_hand() -> None:
    # Items at 0 and 60 degrees, one user with the first: y = (1, 1/2) - (1, 0) = (0, 1/2), orthogonal to x.
    weights = torch.tensor([[2.0, 0.0], [0.5, 0.75**0.5]], dtype=torch.float64)
    batch = Batch.of(csr_array(np.array([[1.0, 0.0]], np.float32)), CPU)
    assert elsa_loss(weights, batch).item() == pytest.approx(2.0, abs=1e-12)
    # With both items: y = (1/2, 1/2), along x.
    batch = Batch.of(csr_array(np.array([[1.0, 1.0]], np.float32)), CPU)
    assert elsa_loss(weights, batch).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("n_users", [3, 100], ids=["decoded", "gram"])
def test_users_without_history_count_in_the_mean_and_give_no_gradient(
    n_users: int, histories: Callable[..., csr_array]
) -> None:
    dense = histories(n_users, 60).toarray()
    dense[0] = 0
    weights = _weights(60, 12, torch.float64).detach()
    loss, gradient = loss_and_gradient(weights, Batch.of(csr_array(dense), CPU))
    loss_of_others, gradient_of_others = loss_and_gradient(weights, Batch.of(csr_array(dense[1:]), CPU))
    share = (n_users - 1) / n_users
    torch.testing.assert_close(loss, loss_of_others * share, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, gradient_of_others * share, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_prediction_of_zero_length_gives_loss_one_and_no_gradient(dtype: torch.dtype) -> None:
    # Orthogonal items: a single one decodes to itself, so y = 0.
    batch = Batch.of(csr_array(np.eye(3, dtype=np.float32)), CPU)
    loss, gradient = loss_and_gradient(torch.eye(3, dtype=dtype), batch)
    assert loss.item() == 1.0
    assert not gradient.any()


def test_zero_rows_stay_zero_in_the_loss() -> None:
    weights = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    batch = Batch.of(csr_array(np.array([[1, 1, 1], [0, 0, 1]], np.float32)), CPU)
    # y = (2, 2, 0) - (1, 1, 1) = (1, 1, -1): cosine 1/3; y = (0, 0, -1) against (0, 0, 1): cosine -1.
    assert elsa_loss(weights, batch).item() == pytest.approx(((2 - 2 / 3) + 4) / 2, rel=1e-6)


def test_gradient_is_orthogonal_to_the_vectors(histories: Callable[..., csr_array]) -> None:
    weights = _weights(60, 12, torch.float64).detach()
    _, gradient = loss_and_gradient(weights, Batch.of(histories(30, 60), CPU))
    assert torch.linalg.vecdot(gradient, weights).abs().max() < 1e-14
