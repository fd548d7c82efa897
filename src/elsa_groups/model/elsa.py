"""ELSA: its loss and gradient in closed form, and its checkpoints.

Shapes: B users of a batch, I items, d factors.
"""

import os
import pickle
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import embedding_bag

from elsa_groups.base.errors import InputError
from elsa_groups.model.vectors import check_item_vectors, unit_rows


@dataclass(frozen=True)
class Batch:
    """Histories of B users on a device, by user and by item, so that both products are sums of rows.

    Attributes
    ----------
    items, user_starts : (nnz,) and (B + 1,) int64
        Items of each user: those of user ``u`` are ``items[user_starts[u]:user_starts[u + 1]]``.
    users, item_starts : (nnz,) and (I + 1,) int64
        Users of each item, in the same manner.
    """

    items: Tensor
    user_starts: Tensor
    users: Tensor
    item_starts: Tensor

    @classmethod
    def of(cls, histories: csr_array, device: torch.device) -> "Batch":
        """Copy histories of ones, shape (B, I), to a device."""
        by_item = histories.T.tocsr()
        arrays = (histories.indices, histories.indptr, by_item.indices, by_item.indptr)
        return cls(*(torch.from_numpy(array.astype(np.int64)).to(device) for array in arrays))

    def history_lengths(self, dtype: torch.dtype) -> Tensor:
        """``|x|^2`` of each user: the number of its items, (B,)."""
        return self.user_starts.diff().to(dtype)

    def sum_items(self, vectors: Tensor) -> Tensor:
        """``x @ vectors``: the sum of the rows of each user's items, (I, d) -> (B, d)."""
        return embedding_bag(self.items, vectors, self.user_starts, mode="sum", include_last_offset=True)

    def sum_users(self, vectors: Tensor) -> Tensor:
        """``x.T @ vectors``: the sum of the rows of each item's users, (B, d) -> (I, d)."""
        return embedding_bag(self.users, vectors, self.item_starts, mode="sum", include_last_offset=True)


def loss_and_gradient(weights: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """ELSA's loss, averaged over the users of a batch, and its gradient.

    The prediction is ``y = x A A^T - x``, ``A`` being ``weights`` with unit rows; the loss of a user is
    ``||y/|y| - x/|x|||^2``, in [0, 4]. With ``z = xA``, the inner products are those of d-vectors:
    ``y.x = |z|^2 - |x|^2`` and ``|y|^2 = z A^T A z^T - 2 |z|^2 + |x|^2``; the gradient with respect to
    ``y`` is ``e x + b z A^T`` with numbers e and b for each user. So nothing of shape (B, I) is needed.
    What is left is ``z A^T A``, which is cheaper from the left for few users and from the right for many,
    and likewise ``A z^T b z``: ``3 B I d`` multiplications against ``2 (I + B) d^2``. Both forms are exact;
    the one with fewer is taken. Memory beyond the batch: three arrays (I, d), and (B, I) in the former.

    A history or prediction of length zero (to the precision of ``weights``) is left as zero instead of
    being normalised: it never gives NaN, and no gradient.

    Parameters
    ----------
    weights : (I, d) float32 or float64
        Item vectors of any length.
    batch : Batch
        Histories of B users, on the device of ``weights``.

    Returns
    -------
    loss : () tensor
        In [0, 4].
    gradient : (I, d) tensor
        Of the loss with respect to ``weights``.

    References
    ----------
    Vancura et al., "Scalable Linear Shallow Autoencoder for Collaborative Filtering", RecSys 2022,
    doi 10.1145/3523227.3551482.
    """
    lengths, vectors = _unit(weights)
    z = batch.sum_items(vectors)
    decoded = z @ vectors.T if _is_cheaper_decoded(len(z), *weights.shape) else None
    z_gram = z @ (vectors.T @ vectors) if decoded is None else decoded @ vectors

    loss, cosine_slope, length_slope = _slopes(z, z_gram, batch.history_lengths(z.dtype))
    scaled = length_slope * z
    gradient = batch.sum_users(2 * cosine_slope * z + length_slope * z_gram)
    if decoded is None:
        gradient.addmm_(vectors, z.T @ scaled)
    else:
        gradient.addmm_(decoded.T, scaled)
    # Lengths do not matter to the loss: what points along a vector is taken out.
    along = torch.linalg.vecdot(gradient, vectors)[:, None]
    return loss, gradient.addcmul_(vectors, along, value=-1).div_(lengths)


def elsa_loss(weights: Tensor, batch: Batch) -> Tensor:
    """Loss alone, as in :func:`loss_and_gradient`; zero rows of ``weights`` stay zero."""
    _, vectors = _unit(weights)
    z = batch.sum_items(vectors)
    return _slopes(z, z @ (vectors.T @ vectors), batch.history_lengths(z.dtype))[0]


def _unit(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (I, 1) and directions (I, d) of rows."""
    lengths = torch.linalg.vector_norm(weights, dim=1, keepdim=True)
    lengths = lengths.clamp_min(torch.finfo(weights.dtype).tiny)
    return lengths, weights / lengths


def _is_cheaper_decoded(n_users: int, n_items: int, factors: int) -> bool:
    """Tell whether going through ``z A^T``, (B, I), takes fewer multiplications than ``A^T A``, (d, d)."""
    return 3 * n_users * n_items < 2 * (n_items + n_users) * factors


def _slopes(z: Tensor, z_gram: Tensor, n_items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean loss, and its derivative by ``y`` of each user as the factors of ``x`` and of ``z A^T``.

    ``z`` and ``z_gram`` are (B, d), ``n_items`` (B,) the lengths of the histories; the factors are (B, 1).
    """
    own = torch.linalg.vecdot(z, z)
    decoded = torch.linalg.vecdot(z, z_gram)
    squares = decoded - 2 * own + n_items
    has_direction = squares > torch.finfo(z.dtype).eps * (decoded + 2 * own + n_items)
    inverse = torch.where(has_direction, (n_items * squares).rsqrt(), 0)
    cosine = (own - n_items) * inverse
    loss = (has_direction.to(z.dtype) + (n_items > 0).to(z.dtype) - 2 * cosine).mean()
    by_length = torch.where(has_direction, 2 * cosine / squares, 0) / len(z)
    by_cosine = -2 * inverse / len(z) - by_length
    return loss, by_cosine[:, None], by_length[:, None]


_STATES = ("model_state_dict", "state_dict")


def save_checkpoint(path: Path, encoder: NDArray[np.float32]) -> None:
    """Write ``{"model_state_dict": {"encoder": item vectors}}``, whole or not at all.

    Parameters
    ----------
    path : Path
        File to write or replace; a name beside it is used until the file is complete.
    encoder : (n_items, factors) float32
        Item vectors.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    torch.save({"model_state_dict": {"encoder": torch.from_numpy(np.ascontiguousarray(encoder))}}, partial)
    partial.replace(path)


def read_checkpoint(path: Path, n_items: int, factors: int) -> NDArray[np.float32]:
    """Read item vectors from a checkpoint, without running any code that it may hold.

    ``model_state_dict.encoder`` is taken as stored. In any other layout the one matrix of shape
    (n_items, factors) is taken, of the ``model_state_dict`` or ``state_dict`` if there is one, else wherever
    it is in nested dicts, and its rows are divided by their norms: other implementations store raw weights
    and normalise when they predict.

    Parameters
    ----------
    path : Path
        What ``torch.save`` wrote: tensors in dicts, nothing that needs pickle.
    n_items, factors : int
        Expected shape.

    Returns
    -------
    (n_items, factors) float32
        Finite item vectors; rows that were divided by their norms have norm one, or are zero.

    Raises
    ------
    InputError
        If the file is no such checkpoint, has no such matrix or several, or has values that are not finite.
    """
    content = _load_without_pickle(path)
    tensors = dict(_named_tensors(content))
    # An optimiser's moments have the shape of the weights, and are none.
    tensors = {name: t for name, t in tensors.items() if name.split(".")[0] in _STATES} or tensors
    own = tensors.get("model_state_dict.encoder")
    expected = {name: tensor for name, tensor in tensors.items() if tensor.shape == (n_items, factors)}
    matrix = own if own is not None and own.shape == (n_items, factors) else None
    if matrix is None and own is None and len(expected) == 1:
        matrix = next(iter(expected.values()))
    if matrix is None:
        there = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items()) or "no tensors"
        how_many = f"several ({', '.join(expected)})" if own is None and expected else "none"
        raise InputError(
            f"checkpoint {path}: expected one matrix of {n_items} items x {factors} factors, got "
            f"{how_many}; there is {there}. Use the checkpoint of these data with this filter and its factors"
        )
    vectors = matrix.to(torch.float32 if matrix is own else torch.float64).contiguous().numpy()
    check_item_vectors(vectors, n_items, name=f"checkpoint {path}")
    return vectors if matrix is own else unit_rows(vectors)


def _load_without_pickle(path: Path) -> object:
    """Load a checkpoint that holds nothing but tensors, numbers, strings and containers of them."""
    expected = f"checkpoint {path}: expected what torch.save writes for a dict of tensors"
    again = "save it as a state_dict, or train one here"
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise InputError(f"{expected}, got {error.strerror}; check the path") from error
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error):
            raise InputError(f"{expected}, got one that needs pickle, which can run code; {again}") from error
        raise InputError(f"{expected}, got something else; {again}") from error
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        TypeError,
        struct.error,
    ) as error:
        raise InputError(f"{expected}, got something else or a part of it; {again}") from error


def _named_tensors(content: object, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Walk nested dicts; yield the dense tensors of real numbers with their dotted names."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _named_tensors(value, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(content, Tensor) and content.layout == torch.strided and content.is_floating_point():
        yield prefix, content.detach()
