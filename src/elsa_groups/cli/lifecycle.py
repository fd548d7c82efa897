"""From a command line to a task and an exit code."""

import io
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, NoReturn

from elsa_groups.base.distributed import ONE, Ranks, launched_ranks
from elsa_groups.base.errors import InputError, Killed
from elsa_groups.cli.arguments import Job, check_overrides, hydra_arguments
from elsa_groups.cli.sweep import FindParent, Sweep, Task, run_sweep
from elsa_groups.settings import schema
from elsa_groups.settings.schema import DECLARED, conf_dir

log = logging.getLogger("elsa_groups.cli")

# What fails on every rank is for rank 0 to report, and for its run to end by. Then torchrun ends the others;
# one that is still there after so many seconds failed alone.
_GIVE_WAY = 20

# MLflow's own variables: no word of tables it makes, no bars, no addresses but ours.
_MLFLOW_SAYS = {
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# The last is how submitit tells a job that its time is up.
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)


def run_entry_point(
    name: str,
    task: Task,
    *,
    check: Callable[[dict[str, Any]], None] | None = None,
    find_parent: FindParent | None = None,
    makes_run: bool = True,
) -> None:
    """Run a task with the configuration that the command line describes, or with each of a sweep.

    Parameters
    ----------
    name : str
        Entry point: main, train, generate, reproduce, compare, export or feasibility.
    task : callable
        Takes the settings, as nested plain values, and the overrides that the user gave.
    check : callable, optional
        Refuses settings that the task would refuse, so that no job of a sweep is run in vain.
    find_parent : callable, optional
        See :func:`elsa_groups.cli.sweep.run_sweep`.
    makes_run : bool
        Whether the task makes a run of its own, by which a sweep knows what became of a job.

    Notes
    -----
    After an :class:`InputError` the exit code is its own, and its message the last line on stderr; 143 or
    130 after SIGTERM or SIGINT. Under torchrun, which only ``generate`` works with, ranks other than 0 log
    warnings alone.
    """
    # Who reads a file or a pipe wants each line when it is said.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    schema.register()
    ranks = launched_ranks()
    try:
        _check_ranks(ranks, name)
        sys.argv[1:] = hydra_arguments(sys.argv[1:], name)
        jobs = check_overrides(sys.argv[1:], name)
        if not makes_run:
            _refuse_sweep(jobs, name)
        _check_jobs(jobs, ranks, check)
    except InputError as error:
        _give_way(ranks)
        _refuse(error)
    if jobs:
        _sweep(name, task, jobs, find_parent)
        return
    try:
        _run_once(name, task, ranks)
    except SystemExit as end:
        if ranks.size > 1 and end.code:
            _leave(int(end.code))
        raise


def _refuse_sweep(jobs: list[Job], entry_point: str) -> None:
    """Refuse jobs of which no run would say whether they were done."""
    if jobs:
        raise InputError(
            f"{entry_point}: expected one job, came a multirun of {len(jobs)}; start each by itself"
        )


def _check_jobs(jobs: list[Job], ranks: Ranks, check: Callable[[dict[str, Any]], None] | None) -> None:
    if jobs and ranks.size > 1:
        raise InputError("torchrun: expected one job, came a multirun; start each job by itself")
    if check:
        for job in jobs:
            # A launcher may take jobs to machines with devices that this one has not.
            check(job.settings | {"device": "auto"})


def _run_once(name: str, task: Task, ranks: Ranks) -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import DictConfig

    def run(config: DictConfig) -> None:
        launched = HydraConfig.get()
        _handle_signals()
        _quiet_libraries(ranks, everything=launched.verbose is True)
        try:
            settings = _announced(name, schema.complete(config))
            with _beside_bars():
                task(settings, list(launched.overrides.task))
        except Exception as error:
            _give_way(ranks)
            _refuse_if_meant_to_be_read(error)
            raise

    hydra.main(config_path=str(conf_dir()), config_name=name, version_base="1.3")(run)()


def _sweep(name: str, task: Task, jobs: list[Job], find_parent: FindParent | None) -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import DictConfig

    def launch(sweep: Sweep) -> None:
        # Launchers carry this function, and with it the sweep, to wherever they run a job.
        def run(config: DictConfig) -> None:
            launched = HydraConfig.get()
            _handle_signals()
            _quiet_libraries(ONE, everything=launched.verbose is True)
            settings = schema.complete(config)
            with _beside_bars():
                sweep.do_job(launched.job.num, task, settings, list(launched.overrides.task))

        hydra.main(config_path=str(conf_dir()), config_name=name, version_base="1.3")(run)()

    verbose = _log_progress(name)
    _handle_signals()
    _quiet_libraries(ONE, everything=verbose is True)
    try:
        with _beside_bars():
            run_sweep(jobs, find_parent, launch)
    except Exception as error:
        _refuse_if_meant_to_be_read(error)
        raise


def _log_progress(name: str) -> Any:
    """Log as Hydra's jobs do, before there are any; return what Hydra was asked to be verbose of."""
    from hydra import compose, initialize_config_dir
    from hydra.core.utils import configure_log

    asked = [part for part in sys.argv[1:] if part.startswith("hydra.verbose=")]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        launch = compose(name, asked, return_hydra_config=True).hydra
    configure_log(launch.job_logging, launch.verbose)
    return launch.verbose


def _beside_bars() -> AbstractContextManager[None]:
    """Keep what is logged from running into a bar."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    redirected: AbstractContextManager[None] = logging_redirect_tqdm()
    return redirected


def _announced(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Say which settings an entry point starts with, before it imports what takes seconds; return them."""
    told = {key: settings[key] for key in DECLARED if settings.get(key) is not None}
    if "dataset" in told:
        told["dataset"] = told["dataset"]["name"]
    log.info("%s %s", name, " ".join(f"{key}={value}" for key, value in told.items()))
    return settings


def _check_ranks(ranks: Ranks, entry_point: str) -> None:
    if ranks.size > 1 and entry_point != "generate":
        raise InputError(
            f"torchrun: only generate works with several processes, came {entry_point}; start {entry_point}"
            " without torchrun"
        )


def _give_way(ranks: Ranks) -> None:
    """Let rank 0 report first what may have failed everywhere."""
    if ranks.rank:
        time.sleep(_GIVE_WAY)


def _leave(code: int) -> NoReturn:
    """Exit without the libraries' farewells, which wait for an exchange that other ranks never come to."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _refuse_if_meant_to_be_read(error: Exception) -> None:
    if isinstance(error, MemoryError):
        reason = str(error) or "an allocation failed"
        error = InputError(
            f"not enough memory ({reason}); ask for fewer groups or users, or use a larger machine"
        )
    if isinstance(error, InputError):
        _refuse(error)


def _refuse(error: InputError) -> NoReturn:
    sys.stdout.flush()
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.code)


def _handle_signals() -> None:
    def end(number: int, _: FrameType | None) -> None:
        # One signal is enough; a second must not cut short what the first began to put in order.
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise Killed(128 + number)

    for number in _ENDING:
        signal.signal(number, end)


def _quiet_libraries(ranks: Ranks, *, everything: bool) -> None:
    """Keep what a user cannot act on, and what rank 0 says for all, out of the terminal.

    Where everything is to be told (``hydra.verbose=true``), it is everything of ours: Hydra means all
    loggers, and those of libraries would bury it.
    """
    for name, value in _MLFLOW_SAYS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("torch").setLevel(logging.WARNING)
    if everything:
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger("elsa_groups").setLevel(logging.DEBUG)
    if ranks.rank:
        logging.getLogger("elsa_groups").setLevel(logging.WARNING)
