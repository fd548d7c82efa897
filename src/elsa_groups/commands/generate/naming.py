"""Names of runs: what was asked for other than by default comes first, as MLflow's lists cut them."""

import re
from collections.abc import Iterable

from elsa_groups.settings.conf import OF_TRAINING

# What a name does not tell: where things come from, and what groups do not depend on.
_NOT_TOLD = (
    "dataset",
    "data_dir",
    "parent",
    "threads",
    "device",
    "pin",
    "evaluate",
    "register_as",
    "register_alias",
)
_QUANTILES = {"thresholds.similar.quantile": "q", "thresholds.divergent.quantile": "d"}
_OVERRIDE = re.compile(r"[+]*(?P<name>~?[^=]+)(?:=(?P<value>.*))?", re.DOTALL)
_LONGEST = 40


def run_name(overrides: Iterable[str], dataset: str) -> str:
    """Say what a groups run was asked for, in few letters.

    Parameters
    ----------
    overrides : iterable of str
        What the user set, in Hydra's grammar; what differs between the runs of a sweep is best first.
    dataset : str
        Name of the data.

    Examples
    --------
    >>> run_name(["thresholds.similar.quantile=0.95", "families.similar.linkage=all", "seed=7"], "LastFM1k")
    'q0.95 all seed=7 · groups of LastFM1k'
    >>> run_name(["dataset=LastFM1k"], "LastFM1k")
    'groups of LastFM1k'
    """
    told = dict.fromkeys(text for part in overrides if (text := _short(part)))
    return " · ".join(filter(None, (" ".join(told), f"groups of {dataset}")))


def _short(override: str) -> str:
    """Say an override: a quantile by its letter, words alone, numbers after the last part of their name."""
    found = _OVERRIDE.fullmatch(override)
    name, value = (found["name"], found["value"]) if found else (override, None)
    if name.partition(".")[0] in (*_NOT_TOLD, *OF_TRAINING):
        return ""
    last = name.rpartition(".")[2].lstrip("~")
    if name.startswith("~"):
        return f"no {last}"
    value = (value or "").strip("'\"")
    if name in _QUANTILES:
        return f"{_QUANTILES[name]}{value}"
    if name.startswith("thresholds.") and last == "value":
        last = name.split(".")[1]
    is_word = re.fullmatch(r"[a-z_]+", value) and value not in ("true", "false", "null")
    return (value if is_word else f"{last}={value}")[:_LONGEST]
