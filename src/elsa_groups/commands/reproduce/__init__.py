"""Draw recorded groups again, and judge whether they are the same."""

from elsa_groups.commands.reproduce.reproduce import run

__all__ = ["run"]
