"""Lay groups runs side by side."""

from elsa_groups.commands.compare.compare import run

__all__ = ["run"]
