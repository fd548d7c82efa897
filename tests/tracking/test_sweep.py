"""What became of the jobs of a sweep, of which each may have several runs."""

import pytest
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from elsa_groups.tracking.run import JOB, SWEEP
from elsa_groups.tracking.sweep import JobEnd, end_jobs, report_failure


@pytest.fixture
def sweep(client):
    return client.create_run("0").info.run_id


@pytest.fixture
def begin(client, sweep):
    """Begin a run of a job at a time of its own; the time is what MLflow sorts by."""
    times = iter(range(1, 100))

    def run(job: int, status: str | None = None, below: str | None = None) -> str:
        tags = {SWEEP: sweep, JOB: str(job)} | ({MLFLOW_PARENT_RUN_ID: below} if below else {})
        run_id = client.create_run("0", start_time=next(times), tags=tags).info.run_id
        if status:
            client.set_terminated(run_id, status)
        return run_id

    return run


def statuses(client, *run_ids):
    return [client.get_run(run_id).info.status for run_id in run_ids]


def test_the_groups_are_the_result_of_a_job_whichever_of_its_runs_is_newer(client, sweep, begin):
    groups = begin(1, "FINISHED")
    begin(1, "FINISHED", groups)
    # As clocks of two machines may have it.
    late = client.create_run("0", start_time=500, tags={SWEEP: sweep, JOB: "2"}).info.run_id
    client.set_terminated(late)
    begin(2, "FINISHED", late)
    assert end_jobs(sweep, 2, "FAILED") == [JobEnd(groups, "FINISHED", None), JobEnd(late, "FINISHED", None)]


def test_every_run_of_a_job_that_is_running_is_ended(client, sweep, begin):
    groups = begin(1)
    below = begin(1, below=groups)
    (end,) = end_jobs(sweep, 1, "KILLED")
    assert statuses(client, groups, below) == ["KILLED", "KILLED"]
    assert (end.run_id, end.status, end.finished) == (groups, "KILLED", False)


def test_an_evaluation_that_was_left_running_is_no_end_of_its_groups(client, sweep, begin):
    groups = begin(1, "FINISHED")
    below = begin(1, below=groups)
    (end,) = end_jobs(sweep, 1, "FAILED")
    assert statuses(client, groups, below) == ["FINISHED", "FAILED"]
    assert end == JobEnd(groups, "FINISHED", f"evaluation run {below} ended FAILED")
    assert not end.finished


def test_a_job_that_was_begun_anew_ends_as_its_newest_groups(client, sweep, begin):
    first = begin(1)
    second = begin(1, "FINISHED")
    begin(1, "FINISHED", second)
    assert end_jobs(sweep, 1, "FAILED") == [JobEnd(second, "FINISHED", None)]
    assert statuses(client, first) == ["FAILED"]


def test_a_job_without_a_run_has_failed_if_it_said_why(client, sweep):
    report_failure(sweep, 2, "no users")
    assert end_jobs(sweep, 2, "KILLED") == [
        JobEnd(None, "not begun", None),
        JobEnd(None, "FAILED", "no users"),
    ]
