"""The experiment of runs as MLflow shows it: its name, what to search for, a view of groups runs."""

import json
import logging
import os
from urllib.parse import urlparse

from mlflow import MlflowClient
from mlflow.entities import Experiment, ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from elsa_groups.base.words import first_line
from elsa_groups.tracking.store import store_uri

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
[All groups runs side by side](#/experiments/{id}/runs?viewStateShareKey={view}) \
(groups of users for research on group recommendation, made by elsa-groups)

Other searches:

- groups of a dataset: ``tags.`elsa_groups.dataset` = 'LastFM1k'``
- groups drawn from an ELSA run: ``tags.`elsa_groups.parent` = 'ID'``
- groups of a setting: ``params.`conf.thresholds.similar.quantile` = '0.95'``
- groups of which few break the rule: ``metrics.`similar_3/wrong_pair_share` < 0.1``
- other runs: ``tags.`elsa_groups.kind` = 'elsa'``; or 'vectors', 'comparison', 'sweep', 'export', \
'evaluation', 'feasibility', 'verdict' (a reproduction)

`mlflow run . -e compare -P parent=ID` writes a page that compares all groups runs of an ELSA run.
"""


def introduce(client: MlflowClient, experiment_id: str, *, launched: str | None = None) -> None:
    """Give an experiment a view of its groups runs; an empty one a description, and the default one a name.

    What is there is kept. The second command finds the view, and leaves all as it is.
    How MLflow stores a view is not documented: a version that reads it otherwise shows
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
        if _VIEW_TAG in experiment.tags:
            return
        client.set_experiment_tag(experiment_id, _VIEW_TAG, json.dumps(_STATE))
        # Whoever logs other things there has other things to say of it.
        if _has_other_runs(client, experiment_id, launched):
            return
        if MLFLOW_RUN_NOTE not in experiment.tags:
            text = _DESCRIPTION.format(id=experiment_id, view=VIEW)
            client.set_experiment_tag(experiment_id, MLFLOW_RUN_NOTE, text)
        if _is_nobodys(experiment):
            client.rename_experiment(experiment_id, NAME)
    except MlflowException as error:
        # Groups are worth more than what is said of them.
        log.debug("experiment %s could not be described: %s", experiment_id, first_line(error))


def _has_other_runs(client: MlflowClient, experiment_id: str, launched: str | None) -> bool:
    runs = client.search_runs([experiment_id], run_view_type=ViewType.ALL, max_results=2)
    return not {run.info.run_id for run in runs} <= {launched}


def _is_nobodys(experiment: Experiment) -> bool:
    """Return whether an experiment is the one that every store begins with, in a store of this machine.

    Others may use the default one of a server or a database; who names it means it.
    """
    is_local = urlparse(store_uri()).scheme in ("sqlite", "file", "")
    is_first = experiment.experiment_id == "0" and experiment.name == _DEFAULT
    return is_local and is_first and os.environ.get("MLFLOW_EXPERIMENT_NAME") != _DEFAULT


def view_address(server: str, experiment_id: str) -> str:
    """Return where a server shows the groups runs of an experiment."""
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW}"
