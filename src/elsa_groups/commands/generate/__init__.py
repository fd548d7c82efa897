"""Draw the groups of every group type into a child run of an ELSA run."""

from elsa_groups.commands.generate.generate import find_parent, run

__all__ = ["find_parent", "run"]
