"""The lineage record: from a groups run back to model, data, code and settings."""

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from elsa_groups import __version__
from elsa_groups.data.interactions import Interactions, order_digest
from elsa_groups.similarity.thresholds import Thresholds

LINEAGE = "lineage.json"
SCHEMA_VERSION = 1
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


def parent_lineage(
    *,
    run_id: str,
    model_id: str,
    interactions: Interactions,
    settings: dict[str, Any],
    artifacts: dict[str, str],
) -> dict[str, Any]:
    """Return the record of an ELSA run: what its item vectors were trained from, and with what.

    Parameters
    ----------
    run_id, model_id : str
        The run and its LoggedModel.
    interactions : Interactions
        The data.
    settings : dict
        Every resolved setting.
    artifacts : dict
        SHA-256 by artifact path.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "elsa",
        "run_id": run_id,
        "model_id": model_id,
        "data": data_record(interactions),
        "settings": settings,
        "artifacts": artifacts,
        "environment": environment_record(),
    }


def groups_lineage(
    *,
    run_id: str,
    parent: dict[str, Any],
    interactions: Interactions,
    thresholds: dict[str, Any],
    settings: dict[str, Any],
    groups: dict[str, Any],
    artifacts: dict[str, str],
    n_threads: int,
) -> dict[str, Any]:
    """Return the record of a groups run: what every group was drawn from, and by which rule.

    Parameters
    ----------
    run_id : str
        The run.
    parent : dict
        Run id, LoggedModel id, checkpoint digest, and how the item order was established.
    interactions : Interactions
        The data.
    thresholds : dict
        From :func:`thresholds_record`.
    settings : dict
        Every resolved setting.
    groups : dict
        By key: digest and shape of its member array.
    artifacts : dict
        SHA-256 by artifact path.
    n_threads : int
        Threads used; nothing depends on it.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "groups",
        "run_id": run_id,
        "parent": parent,
        "data": data_record(interactions),
        "thresholds": thresholds,
        "settings": settings,
        "groups": groups,
        "artifacts": artifacts,
        "environment": environment_record() | {"threads": n_threads},
    }


def data_record(interactions: Interactions) -> dict[str, Any]:
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


def thresholds_record(thresholds: Thresholds, targets: dict[str, Any]) -> dict[str, Any]:
    """Describe the thresholds: what was asked, what came, and how it was obtained."""
    return {
        "asked": targets,
        "similar": thresholds.similar,
        "divergent": thresholds.divergent,
        "method": thresholds.method,
        "n_users": thresholds.n_users,
        "pairs": thresholds.pairs,
        "intervals": {name: list(ends) for name, ends in thresholds.intervals.items()},
    }


def environment_record() -> dict[str, Any]:
    """Describe what ran: code, python, platform and packages."""
    return {
        "code": _code(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: installed for name in _PACKAGES if (installed := _version(name))},
    }


def _version(package: str) -> str | None:
    if package == "elsa-groups":
        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _code() -> dict[str, Any]:
    """Return the git commit of a checkout and whether it has changes, or nothing for an installed package."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "MLproject").exists():
        return {}
    commit, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)} if commit else {}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
