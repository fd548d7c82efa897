"""Groups to numbers: similarity, overlap, tastes, and how sure they are."""
