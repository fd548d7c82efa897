"""Smallest and largest values of settings, declared in the fields of the dataclasses that hold them."""

import math
from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import Any

from elsa_groups.base.errors import InputError

_RANGE = "range"


def between(least: float, most: float, *, default: Any = MISSING) -> Any:
    """Return a dataclass field whose value lies in [least, most], or is None."""
    return field(default=default, metadata={_RANGE: (least, most)})


def at_least(least: float, *, default: Any = MISSING) -> Any:
    """Return a dataclass field whose value is at least so much, or is None."""
    return between(least, math.inf, default=default)


def share(*, default: Any = MISSING) -> Any:
    """Return a dataclass field whose value is a share of a whole, in [0, 1], or is None."""
    return between(0, 1, default=default)


def check_ranges(settings: Any, prefix: str = "") -> None:
    """Refuse values outside the ranges of their fields, in a dataclass and in those that it holds.

    Parameters
    ----------
    settings : dataclass instance
        What to check.
    prefix : str
        What comes before the names of its fields in messages, with its dot: ``filters.``.

    Raises
    ------
    InputError
        Naming the first value that is out of range.
    """
    for each in fields(settings):
        value, name = getattr(settings, each.name), f"{prefix}{each.name}"
        if is_dataclass(value):
            check_ranges(value, f"{name}.")
        elif value is not None:
            _check_range(each, name, value)


def _check_range(of: "Field[Any]", name: str, value: Any) -> None:
    least, most = of.metadata.get(_RANGE, (None, None))
    if least is not None and not least <= value <= most:
        upper = "" if most == math.inf else f" and at most {most}"
        raise InputError(f"{name}: expected at least {least}{upper}, got {value}; choose another value")
