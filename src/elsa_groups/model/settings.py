"""How ELSA is trained: light, as start-up checks settings by it."""

from dataclasses import dataclass

from elsa_groups.base.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How ELSA is trained; the defaults are for data of unknown size, whose dataset has no conf/model.

    Attributes
    ----------
    factors : int
        Length of an item vector.
    epochs : int
        Passes over the training users, at most.
    batch_size : int
        Users per step.
    learning_rate : float
        Of Adam (Kingma and Ba, ICLR 2015, arXiv 1412.6980).
    patience : int
        Epochs without a better validation nDCG after which training stops.
    """

    factors: int = 256
    epochs: int = 40
    batch_size: int = 256
    learning_rate: float = 0.003
    patience: int = 5

    def __post_init__(self) -> None:
        """Refuse settings that no training can follow."""
        for name in ("factors", "epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected 1 or more, got {getattr(self, name)}; set model.{name}")
        if not 0.0 < self.learning_rate < float("inf"):
            raise InputError(
                f"learning_rate: expected a positive number, got {self.learning_rate}; "
                "set model.learning_rate"
            )
