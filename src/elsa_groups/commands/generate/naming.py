"""Names of runs: what was asked for other than by default comes first, as MLflow's lists cut them."""

import re
from collections.abc import Iterable

from elsa_groups.settings.conf import OF_TRAINING

# What a name does not tell: where things come from, and what groups do not depend on.
_NOT_TOLD = (
    *("dataset", "data_dir", "parent", "threads", "device"),
    *("pin", "evaluate", "register_as", "register_alias"),
)
# `mlflow run` gives it where nobody has.
_USUAL = "seed=42"
_QUANTILES = {"thresholds.similar.quantile": "q", "thresholds.divergent.quantile": "d"}
_OVERRIDE = re.compile(r"[+]*(?P<name>~?[^=]+)(?:=(?P<value>.*))?", re.DOTALL)
# Letters of one setting and of all: some databases refuse names of more than 250.
_LONGEST, _ALL = 40, 150


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
    >>> run_name(["dataset=LastFM1k", "seed=42"], "LastFM1k")
    'groups of LastFM1k'
    """
    told = " ".join(text for part in overrides if (text := _short(part)))[:_ALL].rstrip()
    return " · ".join(filter(None, (told, f"groups of {dataset}")))


def _short(override: str) -> str:
    """Say an override: a quantile by its letter, words alone, numbers after the last part of their name."""
    found = _OVERRIDE.fullmatch(override)
    name, value = (found["name"], found["value"]) if found else (override, None)
    if override == _USUAL or name.partition(".")[0] in (*_NOT_TOLD, *OF_TRAINING):
        return ""
    path = name.lstrip("~").split(".")
    if name.startswith("~"):
        return f"no {path[-1]}"
    # Of a path or an address the folders are nobody's business, and the same in many runs.
    value = (value or "").strip("'\"").rpartition("/")[2]
    if path[0] == "thresholds" and path[-1] in ("quantile", "value") and value == "null":
        return ""
    if name in _QUANTILES:
        return f"{_QUANTILES[name]}{value}"
    of_threshold = path[0] == "thresholds" and path[-1] in ("quantile", "value")
    last = ".".join(path[1:-1]) if of_threshold else path[-1]
    is_word = re.fullmatch(r"[a-z_]+", value) and value not in ("true", "false", "null")
    return (value if is_word else f"{last}={value}")[:_LONGEST]
