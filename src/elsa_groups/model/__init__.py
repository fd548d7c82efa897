"""Interactions to an ELSA item matrix and user embeddings."""
