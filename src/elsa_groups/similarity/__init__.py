"""Embeddings to pair similarities and their quantiles."""
