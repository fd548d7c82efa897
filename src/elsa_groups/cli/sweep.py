"""Many settings in one command: a parent found once, a run of its own for every job, and a comparison."""

import json
import logging
import os
import platform
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from elsa_groups.base.errors import InputError, Killed
from elsa_groups.base.keeping import keeping
from elsa_groups.base.words import first_line, say_numbers
from elsa_groups.cli.commands import Command
from elsa_groups.cli.composing import Job
from elsa_groups.cli.importing import importing
from elsa_groups.cli.readable import readable
from elsa_groups.commands.generate.vectors import check_parent_of
from elsa_groups.commands.inputs import load_interactions
from elsa_groups.report.text_tables import aligned, shorten
from elsa_groups.settings.conf import OF_TRAINING
from elsa_groups.settings.plain import plain
from elsa_groups.tracking.parent import Parent
from elsa_groups.tracking.run import (
    COMPARISON,
    KIND,
    PARENT,
    SWEEP,
    RunHandle,
    tracked_run,
)
from elsa_groups.tracking.store import check_store
from elsa_groups.tracking.sweep import JobEnd, end_jobs, job_runs, report_failure

log = logging.getLogger("elsa_groups.cli")

# Settings that decide which parent is taken.
_OF_PARENT = ("dataset", "data_dir", "parent", "vectors", *OF_TRAINING)
# What a run's description tells of jobs; the terminal has all.
_TOLD_UP_TO = 25
_REASON_LENGTH = 120


@dataclass(frozen=True)
class Sweep:
    """What every job of a sweep is told, in whichever process a launcher starts it.

    Attributes
    ----------
    run_id : str
        The sweep's own run.
    swept : tuple of tuple of str
        What each job sets of what is swept.
    parents : tuple of str
        Run id of each job's parent; empty where jobs take none.
    process : tuple of (str, int)
        Machine and process that the sweep was started in.
    """

    run_id: str
    swept: tuple[tuple[str, ...], ...]
    parents: tuple[str, ...]
    process: tuple[str, int]

    @property
    def labels(self) -> tuple[str, ...]:
        """What each job sets, as text."""
        return tuple(" ".join(swept) for swept in self.swept)

    def do_job(self, index: int, command: Command, settings: Any, overrides: list[str]) -> None:
        """Do a job; leave word of a failure on the sweep's run instead of raising it.

        Launchers take an exception for the end of all jobs, or wait for no other. So only a signal to the
        process that all jobs run in is raised.
        """
        number, swept, label = index + 1, self.swept[index], self.labels[index]
        if self.parents:
            settings = replace(settings, parent=self.parents[index])
        log.info("job %d of %d: %s", number, len(self.labels), label)
        try:
            with job_runs(self.run_id, number):
                # Runs are named after what they were asked for, of which lists show the beginning.
                command.load().run(settings, sorted(overrides, key=lambda part: part not in swept))
        except (Exception, SystemExit) as error:
            told = readable(error)
            if not isinstance(told, (InputError, SystemExit)):
                traceback.print_exc()
            reason = _reason(told)
            print(f"job {number} of {len(self.labels)} ({label}): {reason}", file=sys.stderr, flush=True)
            report_failure(self.run_id, number, reason)
            if isinstance(error, Killed) and self.process == _this_process():
                raise


def _this_process() -> tuple[str, int]:
    return platform.node(), os.getpid()


def _reason(error: BaseException) -> str:
    """Say in one line why a job ended early."""
    if isinstance(error, Killed):
        return f"ended by {signal.Signals(int(error.code or 0) - 128).name}"
    line = first_line(error)
    return line if isinstance(error, InputError) else f"{type(error).__name__}: {line}"


def run_sweep(jobs: list[Job], command: Command, launch: Callable[[Sweep], None]) -> None:
    """Find the parents, run the jobs, say what became of them and compare their complete runs.

    Parameters
    ----------
    jobs : list of Job
        The jobs.
    command : Command
        What each does. If it has a ``find_parent``, that is called once for all jobs that ask for the same
        parent; otherwise jobs take no parent, and are not compared.
    launch : callable
        Runs the jobs, each by :meth:`Sweep.do_job`.

    Raises
    ------
    InputError
        If a job failed or the comparison did, after all jobs were run.
    """
    check_store()
    with keeping():
        _run_kept(jobs, command, launch)


def _run_kept(jobs: list[Job], command: Command, launch: Callable[[Sweep], None]) -> None:
    """Do what :func:`run_sweep` says; what jobs of this process have in common is kept meanwhile."""
    with importing():
        module = command.load()
    parents = _find_parents(jobs, module)
    # Of several parents none can have the sweep below it.
    parent = parents[0] if len({each.run_id for each in parents}) == 1 else None
    with tracked_run(
        _run_name(jobs),
        parent=parent.run_id if parent else None,
        experiment_id=parent.experiment_id if parent else None,
    ) as run:
        run.set_tags({KIND: "sweep"} | ({PARENT: parent.run_id} if parent else {}))
        # It is taken: runs that are written from here on are new ones.
        os.environ.pop("MLFLOW_RUN_ID", None)
        log.info("sweep %s of %d jobs", run.run_id, len(jobs))
        ids = tuple(each.run_id for each in parents)
        sweep = Sweep(run.run_id, tuple(job.swept for job in jobs), ids, _this_process())
        try:
            ends = _run_jobs(run, sweep, launch)
            faults = _say_failed(ends) + _compare(run, ends, comparable=bool(parents))
        finally:
            print(f"sweep run: {run.run_id}", flush=True)
        if faults:
            raise InputError(f"sweep {run.run_id}: {'; '.join(faults)}")


def _run_name(jobs: list[Job]) -> str:
    keys = [part.partition("=")[0] for part in jobs[0].swept]
    return f"sweep of {len(jobs)}: {', '.join(keys)}"


def _say_failed(ends: list[JobEnd]) -> list[str]:
    """Name the jobs that failed, in one text; none if none did."""
    failed = [number for number, end in enumerate(ends, start=1) if not end.finished]
    if not failed:
        return []
    jobs = f"job{'s' if len(failed) > 1 else ''} {say_numbers(failed)}"
    return [f"{len(failed)} of {len(ends)} jobs did not finish, see above: {jobs}"]


def _compare(run: RunHandle, ends: list[JobEnd], *, comparable: bool) -> list[str]:
    """Compare the jobs' runs that are complete, if several are; return why that failed, if it did.

    Groups whose evaluation failed are complete.
    """
    finished = [end.run_id for end in ends if end.run_id and end.status == "FINISHED"]
    if not comparable or len(finished) < 2:
        return []
    # What compares takes seconds to import, and jobs in other processes import this module, too.
    from elsa_groups.commands.compare.compare import compare_runs

    try:
        run.set_tags({COMPARISON: compare_runs(finished)})
    except InputError as error:
        log.warning("sweep %s: the runs of its jobs could not be compared: %s", run.run_id, error)
        return [f"the jobs' runs could not be compared ({error})"]
    return []


def _find_parents(jobs: list[Job], command: ModuleType) -> list[Parent]:
    """Return the parent of each job; each that is asked for is looked for, or trained, once."""
    if not hasattr(command, "find_parent"):
        return []
    asked = [json.dumps([plain(getattr(job.settings, name, None)) for name in _OF_PARENT]) for job in jobs]
    first = {key: job for key, job in reversed(list(zip(asked, jobs, strict=True)))}
    for job in first.values():
        check_parent_of(job.settings)
    found: dict[str, Parent] = {}
    for key in dict.fromkeys(asked):
        settings = first[key].settings
        interactions = load_interactions(settings.dataset, settings.data_dir)
        found[key] = command.find_parent(settings, interactions, first[key].overrides)
        log.info("parent run %s (%s)", found[key].run_id, found[key].name)
    return [found[key] for key in asked]


def _run_jobs(run: RunHandle, sweep: Sweep, launch: Callable[[Sweep], None]) -> list[JobEnd]:
    """Run the jobs, and say what became of each, also where a signal or a launcher's fault ends them all."""
    status = "FAILED"
    try:
        launch(sweep)
    except Killed:
        status = "KILLED"
        raise
    except SystemExit:
        # Hydra has said why; jobs that it lost are told apart below.
        log.warning("sweep %s: the launcher failed", run.run_id)
    finally:
        ends = end_jobs(sweep.run_id, len(sweep.labels), status)
        print(_table(sweep, ends), flush=True)
        run.describe(describe_sweep(sweep, ends))
    return ends


def _table(sweep: Sweep, ends: list[JobEnd]) -> str:
    """Return a line for each job, and another for why it failed."""
    jobs = zip(sweep.labels, ends, strict=True)
    rows = [[str(n), end.status, end.run_id or "-", label] for n, (label, end) in enumerate(jobs, start=1)]
    head, *lines = aligned([["job", "status", "run", "settings"], *rows], left=(1, 2, 3))
    told = (f"{line}\n     {end.error}" if end.error else line for line, end in zip(lines, ends, strict=True))
    return "\n".join([head, *told])


def describe_sweep(sweep: Sweep, ends: list[JobEnd]) -> str:
    """Say in Markdown what a sweep's run is, and what became of its jobs; of many, of those that failed."""
    lines = [f"Sweep of {len(ends)} jobs, found by ``tags.`{SWEEP}` = '{sweep.run_id}'``.", ""]
    jobs = list(zip(sweep.labels, ends, strict=True))
    if len(jobs) > _TOLD_UP_TO:
        jobs = [(label, end) for label, end in jobs if not end.finished]
        lines += [f"{len(ends) - len(jobs)} finished, {len(jobs)} did not.", ""]
    for label, end in jobs[:_TOLD_UP_TO]:
        run = f", run `{end.run_id}`" if end.run_id else ""
        error = f": {shorten(end.error, _REASON_LENGTH)}" if end.error else ""
        lines.append(f"- `{shorten(label, _REASON_LENGTH)}`: {end.status}{run}{error}")
    lines += [f"- {len(jobs) - _TOLD_UP_TO} more"] if len(jobs) > _TOLD_UP_TO else []
    return "\n".join(lines)
