"""Say what drawing would take, before any group is drawn."""

from elsa_groups.commands.feasibility.feasibility import run

__all__ = ["run"]
