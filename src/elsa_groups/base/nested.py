"""Nested mappings as one mapping of dotted paths."""

from collections.abc import Mapping
from typing import Any


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the entries of nested mappings by dotted path; lists are entries, empty mappings are none.

    >>> flatten({"seed": 42, "overlap": {"threshold": 0.3}, "code": {}}, "conf.")
    {'conf.seed': 42, 'conf.overlap.threshold': 0.3}
    """
    found: dict[str, Any] = {}
    for name, value in nested.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            found |= flatten(value, f"{path}.")
        else:
            found[path] = list(value) if isinstance(value, tuple) else value
    return found
