"""Write groups in the formats that other programs read."""

from elsa_groups.commands.export.export import run

__all__ = ["run"]
