"""Synthetic user groups from a trained ELSA recommender, with their lineage in MLflow."""

__version__ = "0.1.0"
