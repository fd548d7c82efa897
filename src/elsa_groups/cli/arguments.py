"""Command lines: from MLflow's ``--name value`` to Hydra's ``name=value``, checked before any work.

An MLflow project passes declared and undeclared parameters as ``--name value``, each value one argument
whatever it holds. Hydra would parse a bare value again (an all-digit run id becomes a number, ``a,b`` a
sweep), so values of text keys are quoted for it; other values keep Hydra's grammar.
"""

import difflib
import itertools
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from elsa_groups.base.errors import InputError
from elsa_groups.settings import schema
from elsa_groups.settings.datasets import DATASETS, DatasetConf
from elsa_groups.settings.schema import DECLARED, conf_dir

_FLAGS_WITH_VALUE = {
    "--cfg",
    "-c",
    "--package",
    "-p",
    "--config-name",
    "-cn",
    "--config-dir",
    "-cd",
    "--info",
    "-i",
}
# By these Hydra shows something instead of running a job; by the first ones what one job alone has.
_SHOWING_ONE = {"--cfg", "-c", "--info", "-i"}
_SHOWING = _SHOWING_ONE | {"-h", "--help", "--hydra-help", "--version"}
_MULTIRUN = {"-m", "--multirun"}
_FLAGS = {*_MULTIRUN, *_SHOWING - _SHOWING_ONE, "--resolve"}


def hydra_arguments(arguments: list[str], entry_point: str) -> list[str]:
    """Translate a command line: flags first, then overrides in Hydra's grammar.

    Parameters
    ----------
    arguments : list of str
        ``--name value`` pairs as MLflow passes them, ``--overrides "a=1 b=2"``, Hydra's own overrides and
        flags, in any mixture.
    entry_point : str
        Whose schema says which values are text.

    Raises
    ------
    InputError
        For a ``--name`` without value, a declared parameter inside ``--overrides``, or a key taken away.
    """
    flags: list[str] = []
    overrides: list[str] = []
    rest = iter(arguments)
    for token in rest:
        if token in _FLAGS:
            flags.append(token)
        elif token in _FLAGS_WITH_VALUE:
            flags += [token, next(rest, "")]
        elif token == "--overrides":
            inner = split_overrides(next(rest, ""))
            _refuse_declared(inner)
            flags += [part for part in inner if part in _FLAGS]
            overrides += [part for part in inner if part not in _FLAGS]
        elif token.startswith("--"):
            name, has_value, value = token[2:].partition("=")
            overrides += _override(name, value if has_value else next(rest, None), entry_point)
        else:
            overrides.append(token)
    _refuse_removal(overrides)
    return flags + [_allow_default(part) for part in overrides]


def _override(name: str, value: str | None, entry_point: str) -> list[str]:
    if value is None:
        raise InputError(f"--{name}: expected a value after it, came the end of the command line")
    if not value and name in DECLARED:
        # An empty declared parameter means: as the configuration says.
        return []
    if name == "model":
        # MLflow has logged it by now, as a parameter that says "ELSA" of any run that can be a parent.
        raise InputError(
            f"model: is a name of its own among a run's parameters; use -P overrides=model={value}"
        )
    is_text = str in _types_of(name, entry_point) and value != "null"
    return [f"{name}={quote(value) if is_text else value}"]


def _allow_default(override: str) -> str:
    """Let an override reach a key that a family has by default, so that its file does not spell it out."""
    parts = override.partition("=")[0].split(".")
    is_default = len(parts) == 3 and parts[0] == "families" and parts[2] in schema.FAMILY_KEYS
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


def _refuse_declared(overrides: list[str]) -> None:
    for part in overrides:
        name, _, value = part.partition("=")
        if name.lstrip("+~") in DECLARED:
            name = name.lstrip("+~")
            raise InputError(
                f"overrides: {name} is a parameter of its own; use -P {name}={value or '...'} instead"
            )


def _refuse_removal(overrides: list[str]) -> None:
    for part in overrides:
        if part.startswith("~") and not part.startswith("~families."):
            raise InputError(f"{part}: expected ~families.NAME, as nothing else can be left out")


def _types_of(path: str, entry_point: str) -> set[Any]:
    """Return the types that a dotted key may hold, over all datasets; empty if there is no such key."""
    nodes: set[Any] = {schema.SCHEMAS[entry_point]}
    for name in path.split("."):
        nodes = {inner for node in nodes for inner in _fields_of(node, name)}
    # Of a union its parts; a list of texts is no text.
    parts = {part for node in nodes for part in _parts_of(node)}
    return parts | ({str} if path == "dataset" else set())


def _parts_of(node: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(node) in (typing.Union, types.UnionType)
    return typing.get_args(node) if is_union else (node,)


def _fields_of(node: Any, name: str) -> Iterator[Any]:
    if node is DatasetConf:
        for dataset in DATASETS.values():
            yield from _fields_of(dataset, name)
    elif is_dataclass(node):
        hints = typing.get_type_hints(node)
        yield from (hints[f.name] for f in fields(node) if f.name == name)


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes
    ----------
    swept : tuple of str
        What it sets of what is swept.
    overrides : list of str
        All that it sets.
    settings : dict
        Its completed settings.
    """

    swept: tuple[str, ...]
    overrides: list[str]
    settings: dict[str, Any]


def check_overrides(arguments: list[str], entry_point: str) -> list[Job]:
    """Compose the configuration of every job, so that a mistyped key or value fails before any work.

    Takes about 0.1 s a job.

    Parameters
    ----------
    arguments : list of str
        Flags and overrides in Hydra's grammar.
    entry_point : str
        Whose configuration they change.

    Returns
    -------
    list of Job
        Those of a sweep, numbered as Hydra does; none if there is no sweep, or Hydra is asked to show
        something instead.

    Raises
    ------
    InputError
        Naming the key, what was wrong, and the nearest right key.
    """
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    folders = _values_after(arguments, {"--config-dir", "-cd"})
    paths = ",".join(quote(f"file://{Path(folder).resolve()}") for folder in folders)
    search = [f"hydra.searchpath=[{paths}]"] if folders else []
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            return _compose_jobs(arguments, entry_point, search)
        except (HydraException, OmegaConfBaseException) as error:
            raise InputError(_explain(error, entry_point)) from error


def _compose_jobs(arguments: list[str], entry_point: str, search: list[str]) -> list[Job]:
    from hydra import compose
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.types import RunMode
    from omegaconf import open_dict

    overrides = _without_flags(arguments)
    parsed = _parse(overrides)
    firsts = [
        f"{part.get_key_element()}={next(part.sweep_string_iterator())}" if part.is_sweep_override() else text
        for part, text in zip(parsed, overrides, strict=True)
    ]
    config = compose(entry_point, [*firsts, *search], return_hydra_config=True)
    mode, sweeper = config.hydra.mode, config.hydra.sweeper
    with open_dict(config):
        del config["hydra"]
    schema.complete(config)
    if _is_shown(arguments) or (mode != RunMode.MULTIRUN and not _MULTIRUN & set(arguments)):
        return []
    if not sweeper._target_.endswith(f".{BasicSweeper.__name__}"):
        raise InputError(f"hydra/sweeper: expected basic, which lists values, came {sweeper._target_}")
    configured = _parse([f"{key}={value}" for key, value in (sweeper.params or {}).items()])
    parts = [part for part in [*configured, *parsed] if not str(part.key_or_group).startswith("hydra")]
    swept = tuple(f"{part.get_key_element()}=" for part in parts if part.is_sweep_override())
    jobs = []
    for job in BasicSweeper.split_arguments(parts, None)[0]:
        settings = schema.complete(compose(entry_point, [*job, *search]))
        jobs.append(Job(tuple(part for part in job if part.startswith(swept)), job, settings))
    return jobs


def _is_shown(arguments: list[str]) -> bool:
    """Whether Hydra is asked to show something; refuse what it cannot show of several jobs."""
    flags = [part for part in arguments if part in _SHOWING]
    if _MULTIRUN & set(arguments) and (unshown := [flag for flag in flags if flag in _SHOWING_ONE]):
        raise InputError(
            f"{unshown[0]}: expected one job to show, came a multirun; leave out -m, and give each setting"
            " one value"
        )
    return bool(flags)


def _without_flags(arguments: list[str]) -> list[str]:
    overrides: list[str] = []
    rest = iter(arguments)
    for token in rest:
        if token in _FLAGS_WITH_VALUE:
            next(rest, None)
        elif token not in _FLAGS:
            overrides.append(token)
    return overrides


def _values_after(arguments: list[str], flags: set[str]) -> list[str]:
    return [value for flag, value in itertools.pairwise(arguments) if flag in flags]


def _parse(overrides: list[str]) -> list[Any]:
    """Return Hydra's own view of overrides."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    try:
        return list(OverridesParser.create().parse_overrides(overrides))
    except OverrideParseException as error:
        reason = str(error.args[0]).splitlines()[1:2]
        raise InputError(
            f"{error.override}: not an override that Hydra can read: {' '.join(reason)}"
        ) from error


def _explain(error: Exception, entry_point: str) -> str:
    text = str(error)
    unknown = re.search(r"Could not override '([^']+)'", text) or re.search(
        r"Key '([^']+)' is not in struct", text
    )
    if unknown:
        near = difflib.get_close_matches(unknown[1], _known_keys(entry_point), n=1, cutoff=0.5)
        hint = f"; the nearest is {near[0]}" if near else ""
        if re.fullmatch(r"families\.[^.]+", unknown[1]):
            hint = f"; to add a family, put a plus before it: +{unknown[1]}=..."
        return f"{unknown[1]}: no such key in the configuration of {entry_point}{hint}"
    choice = re.search(
        r"Could not find '([^']+)/([^'/]+)'\s+Available options in '[^']+':\s+(.*?)\nConfig", text, re.S
    )
    if choice:
        options = [option for option in choice[3].split() if not option.endswith("_schema")]
        near = difflib.get_close_matches(choice[2], options, n=1, cutoff=0.0)
        return f"{choice[1]}: no {choice[2]}; the nearest is {near[0]}, all are {', '.join(options)}"
    cause = error.__cause__ or error
    override = re.search(r"override (\S+)", text)
    return f"{override[1] if override else entry_point}: {str(cause).splitlines()[0]}"


def _known_keys(entry_point: str) -> list[str]:
    from hydra import compose
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(compose(entry_point), resolve=False)
    keys: set[str] = set()
    for path in schema.as_params(plain, ""):  # type: ignore[arg-type]
        parts = path.split(".")
        keys |= {".".join(parts[: i + 1]) for i in range(len(parts))}
    return sorted(keys)
