"""Families as settings describe them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from elsa_groups.base.errors import InputError
from elsa_groups.groups.family import Family, Linkage, Rule, find_partners
from elsa_groups.settings.plain import from_plain


@dataclass(frozen=True, kw_only=True)
class FamilySettings:
    """One family; see :class:`elsa_groups.groups.family.Family`. ``n_groups`` null: the top-level one."""

    compositions: tuple[tuple[int, ...], ...]
    within: Rule = Rule.any
    across: Rule = Rule.any
    linkage: Linkage = Linkage.mean
    n_groups: int | None = None
    paired_with: str | None = None


FAMILY_KEYS = tuple(field.name for field in fields(FamilySettings))


def read_families(plain: Mapping[str, Any], n_groups: int) -> dict[str, Family]:
    """Return the families that plain values describe, by name; those without ``n_groups`` want so many.

    Raises
    ------
    InputError
        If there is none, or one has a key or a value that no family has.
    """
    if not plain:
        raise InputError("families: expected at least one, got none")
    return {name: _read_family(name, family, n_groups) for name, family in plain.items()}


def _read_family(name: str, plain: Any, n_groups: int) -> Family:
    if not isinstance(plain, Mapping):
        raise InputError(f"families.{name}: expected {', '.join(FAMILY_KEYS)}, got {plain!r}")
    if "compositions" not in plain:
        raise InputError(
            f"families.{name}.compositions: no value; mistyped {name}, or else give subgroup sizes such as"
            " [[3],[5]]"
        )
    asked = from_plain(FamilySettings, plain, f"families.{name}.")
    values = vars(asked) | {"n_groups": n_groups if asked.n_groups is None else asked.n_groups}
    try:
        return Family(name=name, **values)
    except ValueError as error:
        raise InputError(str(error)) from error


def check_families(families: Mapping[str, Family]) -> None:
    """Refuse families that cannot be drawn together.

    Raises
    ------
    InputError
        If one is paired with what is not there, or two share the name of a group type.
    """
    try:
        find_partners(list(families.values()))
    except ValueError as error:
        raise InputError(str(error)) from error
    keys = Counter(kind.name for family in families.values() for kind in family.types)
    if twice := [key for key, count in keys.items() if count > 1]:
        raise InputError(f"families: expected different keys, got {twice[0]} from two; rename one of them")
