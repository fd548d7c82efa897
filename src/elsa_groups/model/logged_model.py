"""ELSA as a module that scores histories: what is logged as a model for others to load."""

from torch import Tensor, nn


class ELSA(nn.Module):
    """Scores ``x A A^T - x`` of items for histories x, A being the item matrix with unit rows.

    Parameters
    ----------
    encoder : (n_items, factors) float32 tensor
        Item vectors, used as they are.

    References
    ----------
    Vancura et al., "Scalable Linear Shallow Autoencoder for Collaborative Filtering", RecSys 2022,
    doi 10.1145/3523227.3551482.
    """

    def __init__(self, encoder: Tensor) -> None:
        super().__init__()
        self.encoder = nn.Parameter(encoder, requires_grad=False)

    def forward(self, histories: Tensor) -> Tensor:
        """Score every item for each history, (B, n_items) -> (B, n_items)."""
        return histories @ self.encoder @ self.encoder.T - histories
