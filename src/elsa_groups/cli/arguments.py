"""Command lines: from MLflow's ``--name value`` to Hydra's ``name=value``.

An MLflow project passes declared and undeclared parameters as ``--name value``, each value one argument
whatever it holds. Hydra would parse a bare value again (an all-digit run id becomes a number, ``a,b`` a
sweep), so values of text keys are quoted for it; other values keep Hydra's grammar. In a sweep, a comma in
``dataset`` and ``parent`` stands between values, as neither the one nor a run id can hold one.
"""

import re
import types
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from elsa_groups.base.errors import InputError
from elsa_groups.data.datasets import DATASETS, DatasetSettings
from elsa_groups.settings.conf import DECLARED
from elsa_groups.settings.families import FAMILY_KEYS

# By these Hydra shows something instead of running a job; by the first ones what one job alone has.
SHOWING_ONE = frozenset({"--cfg", "-c", "--info", "-i"})
# These need no setting to have a value.
HELPING = frozenset({"-h", "--help", "--hydra-help", "--version"})
SHOWING = SHOWING_ONE | HELPING
MULTIRUN = frozenset({"-m", "--multirun"})
CONFIG_DIR = frozenset({"--config-dir", "-cd"})
_FLAGS_WITH_VALUE = {*SHOWING_ONE, *CONFIG_DIR, "--package", "-p", "--config-name", "-cn"}
_LISTED = ("dataset", "parent")
_FLAGS = {*MULTIRUN, *SHOWING - SHOWING_ONE, "--resolve"}


def hydra_arguments(arguments: list[str], settings: type[Any]) -> list[str]:
    """Translate a command line: flags first, then overrides in Hydra's grammar.

    Parameters
    ----------
    arguments : list of str
        ``--name value`` pairs as MLflow passes them, ``--overrides "a=1 b=2"``, Hydra's own overrides and
        flags, in any mixture.
    settings : type
        The dataclass of the command's settings, which says which values are text.

    Raises
    ------
    InputError
        For a ``--name`` without value, a declared parameter inside ``--overrides`` (but in a sweep, where it
        goes before the one outside), or a key taken away.
    """
    flags: list[str] = []
    overrides: list[str] = []
    inside: list[str] = []
    rest = iter(arguments)
    for token in rest:
        if token in _FLAGS:
            flags.append(token)
        elif token in _FLAGS_WITH_VALUE:
            flags += [token, next(rest, "")]
        elif token == "--overrides":
            inner = split_overrides(next(rest, ""))
            inside += inner
            flags += [part for part in inner if part in _FLAGS]
            overrides += [part for part in inner if part not in _FLAGS]
        elif token.startswith("--"):
            name, has_value, value = token[2:].partition("=")
            overrides += _override(name, value if has_value else next(rest, None), settings)
        else:
            overrides.append(token)
    sweeps = not MULTIRUN.isdisjoint(flags)
    _refuse_declared(inside, sweeps=sweeps)
    _refuse_removal(overrides)
    if sweeps:
        overrides = [_with_values_apart(part) for part in _last_of_declared(overrides)]
    return flags + [_allow_default(part) for part in overrides]


def _override(name: str, value: str | None, settings: type[Any]) -> list[str]:
    if value is None:
        raise InputError(f"--{name}: expected a value after it, got the end of the command line")
    if not value and name in DECLARED:
        # An empty declared parameter means: as the configuration says.
        return []
    if name == "model":
        # MLflow has logged it by now, as a parameter that says "ELSA" of any run that can be a parent.
        raise InputError(
            f"model: is a name of its own among a run's parameters; use -P overrides=model={value}"
        )
    is_text = str in _types_of(name, settings) and value != "null"
    return [f"{name}={quote(value) if is_text else value}"]


def _allow_default(override: str) -> str:
    """Let an override reach a key that a family has by default, so that its file does not spell it out."""
    parts = override.partition("=")[0].split(".")
    is_default = len(parts) == 3 and parts[0] == "families" and parts[2] in FAMILY_KEYS
    return f"++{override}" if is_default else override


def quote(text: str) -> str:
    r"""Quote text so that Hydra reads back exactly it.

    >>> print(quote("it's"))
    'it\'s'
    """
    # A backslash is special only before a quote, the closing one included.
    escaped = re.sub(r"(\\*)'", lambda match: match[1] * 2 + "\\'", text)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"'{escaped}{chr(92) * trailing}'"


def split_overrides(text: str) -> list[str]:
    """Split at white space that is outside quotes and brackets.

    >>> split_overrides("-m seed=1,2 +families.m={within: similar}")
    ['-m', 'seed=1,2', '+families.m={within: similar}']
    """
    parts: list[str] = []
    current, depth, open_quote = "", 0, ""
    for position, letter in enumerate(text):
        if open_quote:
            if letter == open_quote and text[position - 1] != "\\":
                open_quote = ""
        elif letter in "'\"":
            open_quote = letter
        else:
            depth += (letter in "[{(") - (letter in "]})")
        if letter.isspace() and not open_quote and depth <= 0:
            parts.append(current)
            current = ""
        else:
            current += letter
    return [part for part in [*parts, current] if part]


def _refuse_declared(overrides: list[str], *, sweeps: bool) -> None:
    for part in overrides:
        given, _, value = part.partition("=")
        name = given.lstrip("+~")
        if name in DECLARED and not (sweeps and given == name):
            hint = "; put -m before it to sweep over several" if "," in value else ""
            raise InputError(
                f"overrides: {name} is a parameter of its own; use -P {name}={value or '...'} instead{hint}"
            )


def _last_of_declared(overrides: list[str]) -> list[str]:
    """Leave out a declared parameter that is given again, as MLflow gives each of them, asked or not."""
    names = [part.partition("=")[0] for part in overrides]
    return [
        part
        for place, (name, part) in enumerate(zip(names, overrides, strict=True))
        if name not in DECLARED or name not in names[place + 1 :]
    ]


def _with_values_apart(override: str) -> str:
    """Make a list of values out of a text with commas, where a name can hold none.

    >>> _with_values_apart("parent='1e5,f00'")
    "parent='1e5',f00"
    """
    name, _, value = override.partition("=")
    text = value[1:-1] if re.fullmatch("'.*'", value) else value
    if name not in _LISTED or "," not in text or re.search(r"""['"\[\](){}]""", text):
        return override
    # Hydra takes for a text what begins with a letter and holds none of its signs.
    is_text = re.compile("[A-Za-z][A-Za-z0-9_.:/@-]*").fullmatch
    parts = [part.strip() for part in text.split(",")]
    return f"{name}={','.join(part if is_text(part) else quote(part) for part in parts)}"


def _refuse_removal(overrides: list[str]) -> None:
    for part in overrides:
        if part.startswith("~") and not part.startswith("~families."):
            raise InputError(f"{part}: expected ~families.NAME, as nothing else can be left out")


def _types_of(path: str, settings: type[Any]) -> set[Any]:
    """Return the types that a dotted key may hold, over all datasets; empty if there is no such key."""
    nodes: set[Any] = {settings}
    for name in path.split("."):
        nodes = {inner for node in nodes for inner in _fields_of(node, name)}
    # Of a union its parts; a list of texts is no text.
    parts = {part for node in nodes for part in _parts_of(node)}
    return parts | ({str} if path == "dataset" else set())


def _parts_of(node: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(node) in (typing.Union, types.UnionType)
    return typing.get_args(node) if is_union else (node,)


def _fields_of(node: Any, name: str) -> Iterator[Any]:
    if node is DatasetSettings:
        for dataset in DATASETS.values():
            yield from _fields_of(dataset, name)
    elif is_dataclass(node):
        hints = typing.get_type_hints(node)
        yield from (hints[f.name] for f in fields(node) if f.name == name)


def without_flags(arguments: list[str]) -> list[str]:
    """Return the overrides of a command line in Hydra's grammar."""
    return [part for part, is_flag in _marked(arguments) if not is_flag]


def flags_of(arguments: list[str]) -> list[str]:
    """Return the flags of a command line in Hydra's grammar, without their values."""
    return [part for part, is_flag in _marked(arguments) if is_flag and part in _FLAGS | _FLAGS_WITH_VALUE]


def _marked(arguments: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield each argument, and whether it is a flag or the value of one."""
    rest = iter(arguments)
    for token in rest:
        yield token, token in _FLAGS | _FLAGS_WITH_VALUE
        if token in _FLAGS_WITH_VALUE and (value := next(rest, None)) is not None:
            yield value, True
