"""What Hydra checks conf/ and command lines by, made from the dataclasses that settings become."""

import typing
from collections.abc import Callable
from dataclasses import MISSING, field, fields, is_dataclass, make_dataclass
from functools import cache
from types import GenericAlias
from typing import Any

import omegaconf
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from elsa_groups.base.errors import InputError
from elsa_groups.base.temporary import folder_until_exit
from elsa_groups.cli.commands import Command
from elsa_groups.data.datasets import DATASETS
from elsa_groups.groups.family import Family
from elsa_groups.settings.recorded import read_settings


@cache
def register(command: Command) -> None:
    """Put the schemas where the defaults lists of conf/ find them, once in a process."""
    OmegaConf.register_new_resolver("scratch_folder", _scratch_folder, use_cache=True, replace=True)
    store = ConfigStore.instance()
    store.store(f"{command.name}_schema", _schema_of(command.settings))
    for name, kind in DATASETS.items():
        store.store(f"{name}_schema", _schema_of(kind), group="dataset")


def settings_of(command: Command, config: DictConfig) -> Any:
    """Return the settings object that a composed configuration describes.

    Raises
    ------
    InputError
        For a missing value, or one that the settings refuse.
    """
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise InputError(f"{', '.join(missing)}: no value; give {missing[0]}=...")
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, enum_to_str=True)  # type: ignore[assignment]
    plain.pop("hydra", None)
    return read_settings(command.settings, plain)


def _make_schema(kind: Any) -> Any:
    """Return a dataclass of the same fields that OmegaConf can fill step by step.

    By a frozen one it would make all read-only before a command line has changed anything. Families are
    plain here, so that a command line may add one.
    """
    hints = typing.get_type_hints(kind)
    described = []
    for of in fields(kind):
        hint, default = _fillable(hints[of.name]), field(default=of.default)
        if hint == dict[str, Any]:
            default = field(default_factory=dict)
        elif is_dataclass(hint):
            default = field(default_factory=hint)  # type: ignore[arg-type]
        elif of.default is MISSING:
            default = field(default=omegaconf.MISSING)
        described.append((of.name, hint, default))
    # A dataset's options are taken for those of any dataset.
    bases = tuple(_schema_of(base) for base in kind.__bases__ if is_dataclass(base))
    return make_dataclass(kind.__name__, described, bases=bases, kw_only=True)


_schema_of: Callable[[Any], Any] = cache(_make_schema)


def _fillable(hint: Any) -> Any:
    """Return the type by which OmegaConf checks a field."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint == dict[str, Family]:
        return dict[str, Any]
    if origin is tuple:
        return GenericAlias(list, (_fillable(inner[0]),))
    if origin is dict:
        return GenericAlias(dict, (inner[0], _fillable(inner[1])))
    return _schema_of(hint) if is_dataclass(hint) else hint


def _scratch_folder() -> str:
    """Make a private folder for what Hydra writes during a sweep; it is removed at exit."""
    return str(folder_until_exit())
