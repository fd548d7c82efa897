"""Names of the ways to compare users, and what is told of them. Light, as start-up checks settings by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class SimilaritySource(StrEnum):
    """What users are compared by; :mod:`elsa_groups.similarity.sources` makes them."""

    elsa = "elsa"
    vectors = "vectors"
    history_cosine = "history_cosine"
    pearson = "pearson"
    jaccard = "jaccard"


@dataclass(frozen=True)
class Coefficient:
    """The c of a similarity (1 + c) / 2.

    Attributes
    ----------
    name : str
        As a page names it.
    definition : str
        What it is of two users, as a paper says it.
    """

    name: str
    definition: str


# Of sources that compare users by their histories and need no model; the others take the cosine of vectors.
OF_HISTORIES: Mapping[str, Coefficient] = {
    SimilaritySource.history_cosine: Coefficient(
        "cosine", "cosine of their rows of ones and zeros over all items"
    ),
    SimilaritySource.pearson: Coefficient(
        "correlation", "Pearson correlation of their rows of ones and zeros over all items"
    ),
    SimilaritySource.jaccard: Coefficient(
        "Jaccard index", "Jaccard index of their histories, the items of both by the items of either"
    ),
}
