"""The experiment of runs as MLflow shows it: its name, what to search for, a view of groups runs."""

import json
import logging

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from elsa_groups.tracking.store import first_line, store_uri

log = logging.getLogger(__name__)

NAME = "elsa-groups"
# MLflow opens the view of this name by ?viewStateShareKey=<name>.
VIEW = "groups"
_VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
_DEFAULT = "Default"

_COLUMNS = (
    *("tags.`elsa_groups.dataset`", "params.`conf.thresholds.similar.quantile`"),
    *("params.`conf.thresholds.divergent.quantile`", "params.`conf.families.similar.linkage`"),
    *("params.`conf.seed`", "metrics.`similar_3/similarity_mean`", "metrics.`similar_3/wrong_pair_share`"),
    *("metrics.`opposing_2_1/within_mean`", "metrics.`opposing_2_1/across_mean`"),
    "metrics.`random_3/similarity_mean`",
)
_STATE = {
    "searchFilter": "tags.`elsa_groups.kind` = 'groups'",
    # By anything but the time they began, or they are folded below their parents.
    "orderByKey": "metrics.`similar_3/similarity_mean`",
    "orderByAsc": False,
    "startTime": "ALL",
    "lifecycleFilter": "Active",
    "datasetsFilter": [],
    "modelVersionFilter": "All Runs",
    "selectedColumns": list(_COLUMNS),
}

_DESCRIPTION = """\
Groups of users for research on group recommendation, made by elsa-groups.

[All groups runs side by side](#/experiments/{id}/runs?viewStateShareKey={view}). Other searches:

- groups of a dataset: ``tags.`elsa_groups.dataset` = 'LastFM1k'``
- groups drawn from an ELSA run: ``tags.`elsa_groups.parent` = 'ID'``
- groups of a setting: ``params.`conf.thresholds.similar.quantile` = '0.95'``
- groups of which few break the rule: ``metrics.`similar_3/wrong_pair_share` < 0.1``
- other runs: ``tags.`elsa_groups.kind` = 'elsa'``; or 'vectors', 'comparison', 'sweep', 'export', \
'evaluation', 'feasibility', 'verdict' (a reproduction)

`mlflow run . -e compare -P parent=ID` writes a page that compares all groups runs of an ELSA run.
"""


def introduce(client: MlflowClient, experiment_id: str, *, launched: str | None = None) -> None:
    """Give an experiment a description, a view of its groups runs and, if it is the unused default, a name.

    What is there is kept. How MLflow stores a view is not documented: a version that reads it otherwise shows
    all runs instead.

    Parameters
    ----------
    client : MlflowClient
        Client of the store.
    experiment_id : str
        The experiment.
    launched : str, optional
        The run that `mlflow run` made in it for this process.
    """
    try:
        experiment = client.get_experiment(experiment_id)
        told = {
            MLFLOW_RUN_NOTE: _DESCRIPTION.format(id=experiment_id, view=VIEW),
            _VIEW_TAG: json.dumps(_STATE),
        }
        for name, text in told.items():
            if name not in experiment.tags:
                client.set_experiment_tag(experiment_id, name, text)
        if _is_unused_default(client, experiment, launched):
            client.rename_experiment(experiment_id, NAME)
    except MlflowException as error:
        # Groups are worth more than what is said of them.
        log.debug("experiment %s could not be described: %s", experiment_id, first_line(error))


def _is_unused_default(client: MlflowClient, experiment: Experiment, launched: str | None) -> bool:
    """Return whether nobody chose the experiment: a store of this machine began with it, without runs."""
    if experiment.name != _DEFAULT or store_uri().startswith("http"):
        return False
    runs = client.search_runs([experiment.experiment_id], max_results=2)
    return {run.info.run_id for run in runs} <= {launched}


def view_address(server: str, experiment_id: str) -> str:
    """Return where a server shows the groups runs of an experiment."""
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW}"
