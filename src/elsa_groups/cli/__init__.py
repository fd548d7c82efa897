"""Hydra entry points: configuration becomes plain arguments here and nowhere else."""
