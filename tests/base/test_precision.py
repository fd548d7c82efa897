"""Products in float32, whatever the caller has set."""

from collections.abc import Callable, Iterator

import pytest
import torch

from elsa_groups.base.precision import full_float32

BACKENDS = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)


def _set_everywhere(precision: str) -> None:
    for backend in BACKENDS:
        backend.fp32_precision = precision


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = [backend.fp32_precision for backend in BACKENDS]
    yield
    for backend, precision in zip(BACKENDS, before, strict=True):
        backend.fp32_precision = precision


@pytest.mark.parametrize(
    "choose",
    [
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: torch.set_float32_matmul_precision("high"),
        lambda: torch.set_float32_matmul_precision("highest"),
        lambda: _set_everywhere("tf32"),
        lambda: None,
    ],
    ids=["medium", "high", "highest", "each backend", "nothing"],
)
def test_what_the_caller_set_is_restored_and_does_not_count(choose: Callable[[], None]) -> None:
    choose()
    before = [backend.fp32_precision for backend in BACKENDS]
    with full_float32():
        assert [backend.fp32_precision for backend in BACKENDS] == ["ieee", "ieee"]
    assert [backend.fp32_precision for backend in BACKENDS] == before


def test_it_is_restored_after_an_error() -> None:
    _set_everywhere("tf32")
    with pytest.raises(KeyError), full_float32():
        raise KeyError
    assert [backend.fp32_precision for backend in BACKENDS] == ["tf32", "tf32"]


@pytest.mark.parametrize("precision", ["medium", "high", "highest"])
def test_the_callers_older_interface_still_answers(precision: str) -> None:
    torch.set_float32_matmul_precision(precision)
    with full_float32():
        pass
    assert torch.get_float32_matmul_precision() == precision
    torch.set_float32_matmul_precision("highest")
