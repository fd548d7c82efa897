"""Synthetic user groups from a recommender's users, with their lineage in MLflow."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elsa_groups.library import draw_groups
    from elsa_groups.published import load_groups
    from elsa_groups.tracking.load import find_groups

__version__ = "0.1.0"
__all__ = ["__version__", "draw_groups", "find_groups", "load_groups"]


def __getattr__(name: str) -> Any:
    """Import what draws, and what reads MLflow, only where it is used."""
    if name == "draw_groups":
        from elsa_groups.library import draw_groups

        return draw_groups
    if name == "load_groups":
        from elsa_groups.published import load_groups

        return load_groups
    if name == "find_groups":
        from elsa_groups.tracking.load import find_groups

        return find_groups
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
