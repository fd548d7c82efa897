"""Evaluations of groups runs, as other commands find them."""

from mlflow import MlflowClient

from elsa_groups.tracking.artifacts import RunArtifacts, artifacts_of
from elsa_groups.tracking.run import EVALUATES, KIND
from elsa_groups.tracking.search import runs_newest_first, with_tags

# Of an evaluation, its files and their digests; written last.
EVALUATION_RECORD = "evaluation.json"


def newest_evaluation(groups_run: str) -> RunArtifacts | None:
    """Return the files of the newest complete evaluation of a groups run, if there is one."""
    client = MlflowClient()
    tags = with_tags({KIND: "evaluation", EVALUATES: groups_run})
    for run in runs_newest_first(client, f"{tags} and attributes.status = 'FINISHED'"):
        artifacts = artifacts_of(client, run)
        if artifacts.has(EVALUATION_RECORD):
            return artifacts
    return None
