"""ELSA: its loss and gradient in closed form, and its checkpoints.

Shapes: B users of a batch, I items, d factors.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import embedding_bag


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
        Item vectors of any length but zero.
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
    lengths = torch.linalg.vector_norm(weights, dim=1, keepdim=True)
    vectors = weights / lengths
    n_users, (n_items, factors) = len(batch.user_starts) - 1, weights.shape
    z = batch.sum_items(vectors)
    few_users = 3 * n_users * n_items < 2 * (n_items + n_users) * factors
    decoded = z @ vectors.T if few_users else None
    z_gram = z @ (vectors.T @ vectors) if decoded is None else decoded @ vectors

    loss, cosine_slope, length_slope = _slopes(z, z_gram, batch.user_starts.diff().to(z.dtype))
    scaled = length_slope * z
    gradient = batch.sum_users(2 * cosine_slope * z + length_slope * z_gram)
    if decoded is None:
        gradient.addmm_(vectors, z.T @ scaled)
    else:
        gradient.addmm_(decoded.T, scaled)
    # Lengths do not matter to the loss: what points along a vector is taken out.
    along = torch.linalg.vecdot(gradient, vectors)[:, None]
    return loss, gradient.addcmul_(vectors, along, value=-1).div_(lengths)


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
