"""Compare group recommenders on the groups of a run, by grouprec's aggregators."""

from elsa_groups.commands.evaluate.evaluate import run

__all__ = ["run"]
