"""Runs that say RUNNING although the process that wrote them is gone: killed, or cut off from its store."""

import logging

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from elsa_groups.base.processes import is_gone
from elsa_groups.base.words import first_line

log = logging.getLogger(__name__)

# Tag of a run: the process that writes it.
PROCESS = "elsa_groups.process"
# Runs looked at: few are ever written at once.
_MOST = 100


def end_orphans(client: MlflowClient) -> None:
    """End runs of active experiments as KILLED whose processes, of this machine, are no longer there."""
    try:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        running = client.search_runs(
            experiments, f"attributes.status = 'RUNNING' and tags.`{PROCESS}` LIKE '%'", max_results=_MOST
        )
        for run in running:
            if is_gone(run.data.tags[PROCESS]):
                client.set_terminated(run.info.run_id, "KILLED")
                log.info("run %s: ended as KILLED, as the process that wrote it is gone", run.info.run_id)
    except MlflowException as error:
        log.debug("runs without a process were not looked for: %s", first_line(error))
