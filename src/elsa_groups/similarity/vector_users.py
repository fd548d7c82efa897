"""Users compared by unit vectors: their similarity is ``(1 + cos) / 2``."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.errors import InputError
from elsa_groups.base.runtime import Runtime
from elsa_groups.similarity.exact import exact_quantiles
from elsa_groups.similarity.scores import Coarse, Fast, coarsen, fast_cosine_bound, reference_similarities
from elsa_groups.similarity.tiles import bin_window


@dataclass(frozen=True, eq=False)
class VectorUsers:
    """Users compared by unit vectors; see :class:`~elsa_groups.similarity.users.Users`.

    Attributes
    ----------
    vectors : NDArray[np.float32], shape (n_users, dim)
        Unit rows, C-contiguous.
    rounded : Coarse, optional
        The same rows in 8 bits, where they are known.
    """

    score_type = np.float32

    vectors: NDArray[np.float32]
    rounded: Coarse | None = None

    @property
    def n_users(self) -> int:
        """How many there are."""
        return len(self.vectors)

    @property
    def kernel(self) -> NDArray[np.float32]:
        """What compiled code takes."""
        return self.vectors

    @property
    def fast(self) -> Fast:
        """Cosines in float32."""
        return Fast(self.vectors, None, fast_cosine_bound(self.vectors.shape[1]) / 2)

    @cached_property
    def coarse(self) -> Coarse:
        """The vectors in 8 bits."""
        return coarsen(self.vectors) if self.rounded is None else self.rounded

    @property
    def cost_of_pairs(self) -> float:
        """Multiply-adds of all products, twice those of the upper triangle."""
        return float(self.n_users) ** 2 * self.vectors.shape[1]

    def check(self) -> None:
        """Refuse vectors that are not finite."""
        if not np.isfinite(self.vectors).all():
            raise InputError(
                "thresholds: expected finite embeddings, got NaN or infinity; is the checkpoint damaged?"
            )

    def take(self, rows: NDArray[np.int64]) -> "VectorUsers":
        """Return some of the users."""
        return VectorUsers(self.vectors[rows], replace(self.coarse, rows=self.coarse.rows[rows]))

    def similarities(self, us: NDArray[np.int64], vs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the reference similarity of each pair."""
        values: NDArray[np.float64] = reference_similarities(self.vectors, us, vs)
        return values

    def similarities_to_all(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return fast scores of some users to all, within rounding of the reference values."""
        scores: NDArray[np.float32] = self.vectors[rows] @ self.vectors.T
        scores += np.float32(1.0)
        scores *= np.float32(0.5)
        return scores

    def quantiles(self, quantiles: list[float], *, seed: int, runtime: Runtime) -> list[float]:
        """Sweep all pairs."""
        return exact_quantiles(self.vectors, quantiles, seed=seed, runtime=runtime)

    def count_sides(self, value: float, runtime: Runtime) -> tuple[int, int]:
        """Count the pairs below a value and at it; what is within one rounding of the cosine is at it."""
        cosine, bound = 2.0 * value - 1.0, fast_cosine_bound(self.vectors.shape[1])
        ends = cosine - 2.0**-52, cosine + 2.0**-52
        bins = bin_window(self.vectors, *ends, n_bins=1, bound=bound, runtime=runtime)
        return bins.below, int(bins.counts[0])
