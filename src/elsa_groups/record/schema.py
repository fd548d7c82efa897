"""The lineage record: from a groups run back to model, data, code and settings."""

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

from elsa_groups import __version__
from elsa_groups.data.interactions import Interactions, order_digest
from elsa_groups.record.code import Code
from elsa_groups.settings.commands import GenerateSettings, TrainSettings, VectorSettings
from elsa_groups.settings.plain import plain
from elsa_groups.similarity.limits import Limits, Thresholds, ThresholdSettings

LINEAGE = "lineage.json"
# Beside it: the settings, the thresholds, and what of the code is in no commit.
CONFIG = "config.yaml"
THRESHOLDS = "thresholds.json"
CODE_DIFF = "code.diff"
SCHEMA_VERSION = 1
# The thresholds, as they are named wherever they are recorded.
LIMITS = ("similar", "divergent", "band_low", "band_high")
_PACKAGES = (
    "elsa-groups",
    "mlflow",
    "torch",
    "numpy",
    "numba",
    "polars",
    "scipy",
    "hydra-core",
    "matplotlib",
)


# A record, or a part of one, as JSON has it.
Document = dict[str, Any]


def parent_lineage(
    *,
    run_id: str,
    model_id: str,
    interactions: Interactions,
    settings: TrainSettings,
    artifacts: dict[str, str],
    environment: Document,
) -> Document:
    """Return the record of an ELSA run: what its item vectors were trained from, and with what.

    Parameters
    ----------
    run_id, model_id : str
        The run and its LoggedModel.
    interactions : Interactions
        The data.
    settings : TrainSettings
        What was asked for.
    artifacts : dict
        SHA-256 by artifact path.
    environment : dict
        From :func:`environment_record`.

    Raises
    ------
    ValueError
        If the record is not what ``lineage.schema.json`` describes.
    """
    origin = {
        "run_id": run_id,
        "model_id": model_id,
        "data": data_record(interactions),
        "settings": plain(settings),
    }
    return _lineage("elsa", origin, artifacts, environment)


def vectors_lineage(
    *,
    run_id: str,
    interactions: Interactions,
    settings: VectorSettings,
    artifacts: dict[str, str],
    environment: Document,
) -> Document:
    """Return the record of a run that holds vectors of another model.

    Parameters
    ----------
    run_id : str
        The run.
    interactions : Interactions
        The data whose ids the vectors go by.
    settings : VectorSettings
        Where the vectors were.
    artifacts : dict
        SHA-256 by artifact path.
    environment : dict
        From :func:`environment_record`.

    Raises
    ------
    ValueError
        If the record is not what ``lineage.schema.json`` describes.
    """
    origin = {"run_id": run_id, "data": data_record(interactions), "settings": plain(settings)}
    return _lineage("vectors", origin, artifacts, environment)


def groups_origin(
    *,
    run_id: str,
    parent: Document,
    interactions: Interactions,
    users: Document,
    thresholds: Thresholds,
    settings: GenerateSettings,
) -> Document:
    """Return the part of a groups run's record that says what its groups are drawn from, and by which rule.

    Parameters
    ----------
    run_id : str
        The run.
    parent : dict
        Run id, LoggedModel id, digest and own copy of the checkpoint, and how the item order was established.
    interactions : Interactions
        The data.
    users : dict
        Who could be drawn: how many, the digest of their rows, how many the parent was trained on, and the
        digest of the file that listed them.
    thresholds : Thresholds
        What was found.
    settings : GenerateSettings
        What was asked for.
    """
    return {
        "run_id": run_id,
        "parent": parent,
        "data": data_record(interactions),
        "users": users,
        "thresholds": thresholds_record(thresholds, settings.thresholds),
        "settings": plain(settings),
    }


def groups_lineage(
    origin: Document,
    *,
    groups: Document,
    absent: dict[str, str],
    artifacts: dict[str, str],
    environment: Document,
) -> Document:
    """Return the record of a groups run.

    Parameters
    ----------
    origin : dict
        From :func:`groups_origin`.
    groups : dict
        By group type: family, subgroup sizes, shape and digest of its member array, what filters rejected,
        how many groups are missing and why, and why it has no confidence intervals.
    absent : dict of str to str
        Why there is not one group of a type, by type.
    artifacts : dict
        SHA-256 by artifact path.
    environment : dict
        From :func:`environment_record`.

    Raises
    ------
    ValueError
        If the record is not what ``lineage.schema.json`` describes.
    """
    drawn = {"groups": groups} | ({"absent": absent} if absent else {})
    return _lineage("groups", origin | drawn, artifacts, environment)


def _lineage(kind: str, origin: Document, artifacts: dict[str, str], environment: Document) -> Document:
    """Return a record of a kind, checked."""
    described = {"schema_version": SCHEMA_VERSION, "kind": kind, **origin}
    return check_lineage({**described, "artifacts": artifacts, "environment": environment})


def data_record(interactions: Interactions) -> Document:
    """Describe the data: source and filter, counts, and the digests of content and order."""
    return {
        "dataset": interactions.dataset,
        "source": {"uri": interactions.source.uri, "sha256": interactions.source.sha256},
        "filter": {
            "min_user_interactions": interactions.min_user_interactions,
            "min_item_interactions": interactions.min_item_interactions,
        },
        "counts": dict(interactions.counts),
        "digest": interactions.digest,
        "users_digest": order_digest(interactions.user_ids),
        "items_digest": order_digest(interactions.item_ids),
        "n_users": interactions.n_users,
        "n_items": interactions.n_items,
        "n_pairs": interactions.n_pairs,
    }


def thresholds_record(thresholds: Thresholds, asked: ThresholdSettings) -> Document:
    """Describe the thresholds: what was asked, what came, and how it was obtained."""
    band = thresholds.band or (None, None)
    return {
        "asked": plain(asked),
        **dict(zip(LIMITS, (thresholds.similar, thresholds.divergent, *band), strict=True)),
        "method": thresholds.method,
        "n_users": thresholds.n_users,
        "pairs": thresholds.pairs,
        "intervals": {name: list(ends) for name, ends in thresholds.intervals.items()},
    }


def limits_of(record: Mapping[str, Any]) -> Limits:
    """Return the thresholds that :func:`thresholds_record` described; older records have no band."""
    low, high = record.get("band_low"), record.get("band_high")
    band = None if low is None or high is None else (float(low), float(high))
    return Limits(float(record["similar"]), float(record["divergent"]), band)


def environment_record(code: Code, *, device: str, threads: int) -> Document:
    """Describe what ran: code, python, platform, packages, and on what, on which nothing depends."""
    return {
        "code": code.as_dict(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: installed for name in _PACKAGES if (installed := _version(name))},
        "device": device,
        "threads": threads,
    }


def _version(package: str) -> str | None:
    if package == "elsa-groups":
        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_lineage(lineage: Document) -> Document:
    """Return a record if it is one.

    Raises
    ------
    ValueError
        If it is not what ``lineage.schema.json`` describes; the message says where and why.
    """
    # Takes a while to import, and only who reads or writes a record needs it.
    from jsonschema import Draft202012Validator

    kind = lineage.get("kind") if isinstance(lineage, dict) else None
    if kind not in ("elsa", "vectors", "groups"):
        raise ValueError(f"{LINEAGE}: expected kind elsa, vectors or groups, got {kind!r}")
    # Before anything else: another version may look otherwise.
    if lineage.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(
            f"{LINEAGE}: expected schema_version {SCHEMA_VERSION}, got {lineage.get('schema_version')!r};"
            " use the release of elsa-groups that wrote it"
        )
    schema = json.loads(files("elsa_groups.record").joinpath("lineage.schema.json").read_text("utf-8"))
    # Of one kind alone, so that an error is about it and not about the choice of kinds.
    errors = Draft202012Validator(schema | {"oneOf": [{"$ref": f"#/$defs/{kind}"}]}).iter_errors(lineage)
    for error in errors:
        deepest = min(error.context or [error], key=lambda inner: -len(inner.absolute_path))
        raise ValueError(f"{LINEAGE}: {deepest.json_path}: {deepest.message}")
    return lineage


def record_digest(lineage: Mapping[str, Any]) -> str:
    """Return the SHA-256 (64 hex digits) of all that a record says, however its file is laid out.

    As it holds the digest of every other file, it vouches for those, too.
    """
    return hashlib.sha256(json.dumps(lineage, allow_nan=False).encode()).hexdigest()


def groups_digest(lineage: Mapping[str, Any]) -> str:
    """Return the SHA-256 (64 hex digits) of all groups of a run: keys, members, and the users they name."""
    text = json.dumps(
        [lineage["data"]["users_digest"], sorted((key, g["sha256"]) for key, g in lineage["groups"].items())]
    )
    return hashlib.sha256(text.encode()).hexdigest()
