"""What the tracking store says of a groups run beside its record, and where the two contradict each other.

MLflow keeps tags, params and metrics in its database, and the record in a file: changing one leaves the other
as it was.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Run

from elsa_groups.base.nested import flatten
from elsa_groups.record.schema import LIMITS, groups_digest, record_digest
from elsa_groups.tracking.run import DATASET, DIGEST, DIGEST_LENGTH, PARENT, RECORD, param_text
from elsa_groups.tracking.search import data_digests


@dataclass(frozen=True)
class Contradiction:
    """Something that MLflow's database and the record of a run say differently.

    Attributes
    ----------
    name : str
        What it is, as the database has it: ``tag elsa_groups.digest``.
    logged, recorded : Any
        Its values there and in ``lineage.json``.
    """

    name: str
    logged: Any
    recorded: Any

    def text(self) -> str:
        """Return it as part of a message."""
        return f"{self.name} is {self.logged} in MLflow and {self.recorded} in the record"


def find_contradictions(run: Run, lineage: Mapping[str, Any]) -> tuple[Contradiction, ...]:
    """Compare what the database has of a groups run with its record.

    Parameters
    ----------
    run : Run
        As the database has it. Entries that it lacks are not compared.
    lineage : mapping
        The record.
    """
    return (
        *_different("tag", run.data.tags, _tags(lineage)),
        *_different("param", run.data.params, _params(lineage)),
        *_different("metric", run.data.metrics, _metrics(lineage)),
        *_inputs(run, lineage),
        # Last, as it says no more than that something differs.
        *_different("tag", run.data.tags, {RECORD: record_digest(lineage)}),
    )


def _different(what: str, logged: Mapping[str, Any], recorded: Mapping[str, Any]) -> Iterator[Contradiction]:
    for name, value in recorded.items():
        if name in logged and logged[name] != value:
            yield Contradiction(f"{what} {name}", logged[name], value)


def _tags(lineage: Mapping[str, Any]) -> dict[str, str]:
    return {
        DIGEST: groups_digest(lineage),
        PARENT: lineage["parent"]["run_id"],
        DATASET: lineage["data"]["dataset"],
    }


def _params(lineage: Mapping[str, Any]) -> dict[str, str]:
    return {name: param_text(value) for name, value in flatten(lineage["settings"], "conf.").items()}


def _metrics(lineage: Mapping[str, Any]) -> dict[str, float]:
    limits = {f"threshold/{name}": lineage["thresholds"].get(name) for name in LIMITS}
    groups = {f"{name}/groups": group["shape"][0] for name, group in lineage["groups"].items()}
    return {name: float(value) for name, value in (limits | groups).items() if value is not None}


def _inputs(run: Run, lineage: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Compare the data and the model that the run is logged to have used."""
    if run.inputs is None:
        return
    data = data_digests(run)
    models = [item.model_id for item in run.inputs.model_inputs]
    recorded = (
        ("dataset digest", data, lineage["data"]["digest"][:DIGEST_LENGTH]),
        ("model", models, lineage["parent"]["model_id"]),
    )
    for name, logged, value in recorded:
        if logged and value not in logged:
            yield Contradiction(name, ", ".join(logged), value)
