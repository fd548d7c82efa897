"""Names of the ways to compare users."""

from enum import StrEnum


class SimilaritySource(StrEnum):
    """What users are compared by; :mod:`elsa_groups.similarity.sources` makes them."""

    elsa = "elsa"
    vectors = "vectors"
    history_cosine = "history_cosine"
    pearson = "pearson"
    jaccard = "jaccard"
