"""Products of float32 matrices in float32, whatever the caller of the library has set."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_float32() -> Iterator[None]:
    """Keep torch from multiplying float32 matrices in TensorFloat-32 or bfloat16, and restore its settings.

    The error bound of a fast score (:func:`elsa_groups.model.vectors.dot_error`) is one of float32 products.
    ``torch.set_float32_matmul_precision("medium")``, or a backend's own setting, allows products that err by
    far more: on CUDA devices, and on processors that multiply in bfloat16.
    """
    # torch's own annotations do not know of the second.
    backends: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision
