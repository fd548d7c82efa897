"""Settings as nested plain values, as they are written to records, and back."""

import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

from elsa_groups.base.errors import InputError
from elsa_groups.base.nested import flatten
from elsa_groups.data.datasets import DatasetSettings, dataset_class
from elsa_groups.groups.family import Family

T = TypeVar("T")

# Where things come from, and what computes them.
_UNLOGGED = re.compile(
    r"conf\.(data_dir|threads|device|pin|evaluate"
    r"|dataset\.(urls|archive_md5|member_md5)(\..*)?)"
)


def plain(settings: Any) -> Any:
    """Return settings as nested dicts, lists, texts and numbers; enums by their names.

    >>> from elsa_groups.data.user_sets import UserSet
    >>> plain({"user_set": UserSet.test, "sizes": (2, 1)})
    {'user_set': 'test', 'sizes': [2, 1]}
    """
    if is_dataclass(settings):
        # A family is known by its name where it stands.
        left_out = {"name"} if isinstance(settings, Family) else set()
        names = [field.name for field in fields(settings) if field.name not in left_out]
        return {name: plain(getattr(settings, name)) for name in names}
    if isinstance(settings, Mapping):
        return {name: plain(value) for name, value in settings.items()}
    if isinstance(settings, (list, tuple)):
        return [plain(value) for value in settings]
    return settings.name if isinstance(settings, Enum) else settings


def as_params(settings: Any) -> dict[str, Any]:
    """Return settings as one mapping of dotted paths, ``conf.<path>``, as they are logged.

    Without those that say where things come from and what computes them, which would only fill MLflow's
    lists; the record has them.
    """
    found = flatten(plain(settings), "conf.")
    return {name: value for name, value in found.items() if not _UNLOGGED.fullmatch(name)}


def from_plain(kind: type[T], values: Mapping[str, Any], path: str = "") -> T:
    """Return the settings object that nested plain values describe, of a dataclass.

    Parameters
    ----------
    kind : type
        The dataclass. A value that is missing means the default of its field.
    values : mapping
        By name of the field.
    path : str
        What comes before these names in messages, with its dot.

    Raises
    ------
    InputError
        Naming a value that is missing, unknown or of another type than its field's.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{path.rstrip('.')}: expected settings by name, got {values!r}")
    kind = dataset_class(str(values.get("name"))) if kind is DatasetSettings else kind  # type: ignore[assignment]
    hints = typing.get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise InputError(f"{path}{name}: expected one of {', '.join(known)}, got {name}")
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"{path}{name}: no value; give {path}{name}=...")
    return kind(**{name: _read(hints[name], value, f"{path}{name}") for name, value in values.items()})


def _read(hint: Any, value: Any, path: str) -> Any:
    """Return a plain value as its type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _read_union(inner, value, path)
    if is_dataclass(hint):
        return value if isinstance(value, hint) else from_plain(hint, value, f"{path}.")  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _read_enum(hint, value, path)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_read(inner[0], item, path) for item in value)
    if origin is dict and isinstance(value, Mapping):
        return {name: _read(inner[1], item, f"{path}.{name}") for name, item in value.items()}
    is_one = _SIMPLE.get(hint)
    if is_one is None or not is_one(value):
        raise InputError(f"{path}: expected {_NAMES.get(hint, 'a list or a mapping')}, got {value!r}")
    return float(value) if hint is float else value


def _read_union(hints: tuple[Any, ...], value: Any, path: str) -> Any:
    if value is None and type(None) in hints:
        return None
    some = [hint for hint in hints if hint is not type(None)]
    simple = [hint for hint in some if hint in _SIMPLE and _SIMPLE[hint](value)]
    return _read(simple[0] if simple else some[0], value, path)


def _read_enum(kind: type[Enum], value: Any, path: str) -> Enum:
    name = value.name if isinstance(value, kind) else value
    if name not in kind.__members__:
        raise InputError(f"{path}: expected one of {', '.join(kind.__members__)}, got {name}")
    return kind[name]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_SIMPLE: dict[Any, Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: _is_int,
    float: lambda value: isinstance(value, float) or _is_int(value),
    str: lambda value: isinstance(value, str),
}
_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
