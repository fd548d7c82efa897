"""Users compared by their histories alone, as sets of items."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from elsa_groups.base.runtime import Runtime
from elsa_groups.similarity.histories import BinaryHistories, binary_histories, similarities_of_counts
from elsa_groups.similarity.history_pairs import cost_of_counting, count_sides, order_statistics
from elsa_groups.similarity.quantiles import around, interpolate
from elsa_groups.similarity.scores import Coarse, Fast, reference_similarities
from elsa_groups.similarity.tiles import n_pairs


@dataclass(frozen=True, eq=False)
class HistoryUsers:
    """Users compared by their histories; see :class:`~elsa_groups.similarity.users.Users`.

    Attributes
    ----------
    kernel : BinaryHistories
        The histories, and what their similarity is made of; every similarity of them is exact as it is.
    """

    score_type = np.float64

    kernel: BinaryHistories

    @classmethod
    def of(cls, matrix: csr_array, source: str) -> "HistoryUsers":
        """Compare users by the rows of a matrix; see :func:`binary_histories`."""
        return cls(binary_histories(matrix, source))

    @property
    def n_users(self) -> int:
        """How many there are."""
        return self.kernel.shape[0]

    @cached_property
    def fast(self) -> Fast:
        """Vectors of zeros, which tell nothing."""
        return Fast(np.zeros((self.n_users, 1), np.float32), self.kernel, math.inf)

    @cached_property
    def coarse(self) -> Coarse:
        """Rows of zeros with an infinite error, so that every decision is left to the reference."""
        return Coarse(np.zeros((self.n_users, 1), np.int8), 1.0, math.inf)

    @cached_property
    def cost_of_pairs(self) -> float:
        """What counting the shared items of all pairs costs."""
        return cost_of_counting(self.kernel)

    def check(self) -> None:
        """Refuse nobody: who has no similarity is not among them."""

    def take(self, rows: NDArray[np.int64]) -> "HistoryUsers":
        """Return some of the users, compared as before."""
        taken = self._matrix(np.bool_)[rows]
        return HistoryUsers(
            self.kernel._replace(
                indptr=taken.indptr.astype(np.int64),
                indices=taken.indices.astype(np.int32),
                weights=self.kernel.weights[rows],
                shape=(len(rows), self.kernel.shape[1]),
            )
        )

    def similarities(self, us: NDArray[np.int64], vs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the similarity of each pair."""
        values: NDArray[np.float64] = reference_similarities(self.kernel, us, vs)
        return values

    def similarities_to_all(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the similarities of some users to all: themselves, as many are just as much as a threshold.

        Cost: ``n`` steps for each interaction.
        """
        matrix = self._matrix(np.float32)
        shared = np.ascontiguousarray((matrix @ matrix[rows].toarray().T).T)
        values: NDArray[np.float64] = similarities_of_counts(self.kernel, rows, shared)
        return values

    def quantiles(self, quantiles: list[float], *, seed: int, runtime: Runtime) -> list[float]:
        """Count all pairs by similarity; no seed is needed."""
        places = [around(n_pairs(self.n_users), quantile) for quantile in quantiles]
        both = [place for first, second, _ in places for place in (first, second)]
        found = order_statistics(self.kernel, both, runtime)
        pairs = zip(found[::2], found[1::2], places, strict=True)
        return [interpolate(a, b, share) for a, b, (_, _, share) in pairs]

    def count_sides(self, value: float, runtime: Runtime) -> tuple[int, int]:
        """Count the pairs that are less similar than a value, and just as similar."""
        return count_sides(self.kernel, value, runtime)

    def _matrix(self, dtype: type[np.generic]) -> csr_array:
        ones = np.ones(len(self.kernel.indices), dtype)
        return csr_array((ones, self.kernel.indices, self.kernel.indptr), shape=self.kernel.shape)
