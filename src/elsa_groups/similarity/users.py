"""Users by what they are compared by: what every source of similarity offers."""

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from elsa_groups.base.runtime import Runtime
from elsa_groups.similarity.scores import Coarse, Fast


class Users(Protocol):
    """Users that can be compared, numbered from 0.

    Attributes
    ----------
    n_users : int
        How many there are.
    kernel : Any
        What compiled code takes: :func:`~elsa_groups.similarity.scores.reference_similarity` knows its type.
    fast : Fast
        What decides most comparisons faster than a reference similarity.
    coarse : Coarse
        What decides most of those faster still; made once.
    score_type : type
        Of :meth:`similarities_to_all`.
    cost_of_pairs : float
        What comparing all pairs costs, in multiply-adds.
    """

    @property
    def n_users(self) -> int: ...  # noqa: D102
    @property
    def kernel(self) -> Any: ...  # noqa: D102
    @property
    def fast(self) -> Fast: ...  # noqa: D102
    @property
    def coarse(self) -> Coarse: ...  # noqa: D102
    @property
    def score_type(self) -> type[np.floating]: ...  # noqa: D102
    @property
    def cost_of_pairs(self) -> float: ...  # noqa: D102

    def check(self) -> None:
        """Refuse, by an InputError, users that cannot be compared."""

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return some of the users, in the order of their rows."""

    def similarities(self, us: NDArray[np.int64], vs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the reference similarity of each pair ``(us[i], vs[i])``, shape (n_pairs,)."""

    def similarities_to_all(self, rows: NDArray[np.int64]) -> NDArray[np.floating]:
        """Return the similarities of some users to all, themselves included, shape (n, n_users).

        They may be off by the rounding of float32 if ``score_type`` is that.
        """

    def quantiles(self, quantiles: list[float], *, seed: int, runtime: Runtime) -> list[float]:
        """Return exact quantiles of the reference similarities of all pairs, which depend on no seed."""

    def count_sides(self, value: float, runtime: Runtime) -> tuple[int, int]:
        """Return how many pairs are less similar than a value, and how many just as similar."""
