"""From a command line to a command and an exit code."""

import io
import logging
import os
import select
import signal
import sys
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from types import FrameType
from typing import Any, NoReturn

import hydra
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log
from omegaconf import DictConfig

from elsa_groups.base.distributed import ONE, Ranks, launched_ranks
from elsa_groups.base.errors import InputError, Killed
from elsa_groups.base.stages import said_if_slow
from elsa_groups.base.temporary import remove_left
from elsa_groups.cli.arguments import CONFIG_DIR, HELPING, MULTIRUN, flags_of, hydra_arguments
from elsa_groups.cli.commands import COMMANDS, Command
from elsa_groups.cli.composing import Composed, Job, compose_jobs
from elsa_groups.cli.helping import helping
from elsa_groups.cli.importing import importing
from elsa_groups.cli.readable import readable
from elsa_groups.cli.schemas import register, settings_of
from elsa_groups.settings.conf import DECLARED, conf_dir

log = logging.getLogger("elsa_groups.cli")

# What fails on every rank is for rank 0 to report, and for its run to end by. Then torchrun ends the others;
# one that is still there after so many seconds failed alone.
_GIVE_WAY = 20

# Of Hydra's own settings, those that matter before a job begins.
_OF_COMPOSING = ("hydra.mode", "hydra.verbose", "hydra.job_logging", "hydra.sweeper", "hydra.searchpath")

# MLflow's own variables: no word of tables it makes, no bars, no addresses but ours.
_MLFLOW_SAYS = {
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# The third is a terminal that was closed, the last how submitit tells a job that its time is up.
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)


def run_entry_point(name: str) -> None:
    """Run a command with the configuration that the command line describes, or with each of a sweep.

    Notes
    -----
    After an :class:`InputError` the exit code is its own, and its message the last line on stderr; 143, 130
    or 129 after SIGTERM, SIGINT or SIGHUP. Under torchrun, which only ``generate`` works with, ranks other
    than 0 log warnings alone.
    """
    forgive_closed_pipes()
    remove_left()
    command, ranks = COMMANDS[name], launched_ranks()
    try:
        _check_ranks(ranks, command)
        sys.argv[1:] = hydra_arguments(sys.argv[1:], command.settings)
        if not HELPING.isdisjoint(sys.argv[1:]):
            register(command)
            _run_by_hydra(command, ranks)
            return
        composed = compose_jobs(sys.argv[1:], command)
        if composed.is_sweep:
            _check_sweep(composed, ranks, command)
    except InputError as error:
        _give_way(ranks)
        refuse(error)
    if composed.is_sweep:
        _sweep(command, composed)
        return
    try:
        _run_once(command, composed, ranks)
    except SystemExit as end:
        if ranks.size > 1 and end.code:
            _leave(int(end.code))
        raise


def _check_sweep(composed: Composed, ranks: Ranks, command: Command) -> None:
    """Refuse jobs of which no run would say whether they were done, and several for several processes."""
    if not command.makes_run:
        raise InputError(
            f"{command.name}: expected one job, got a multirun of {len(composed.jobs)}; start each by itself"
        )
    if ranks.size > 1:
        raise InputError("torchrun: expected one job, got a multirun; start each job by itself")


def _run_once(command: Command, composed: Composed, ranks: Ranks) -> None:
    if _needs_hydra(composed.hydra):
        _run_by_hydra(command, ranks)
        return
    configure_log(composed.hydra.job_logging, composed.hydra.verbose)
    _run_job(command, composed.jobs[0], ranks, everything=composed.hydra.verbose is True)


def _needs_hydra(launch: DictConfig) -> bool:
    """Whether Hydra is asked for more than a configuration and where to log, so that it must run the job."""
    more = bool(launch.callbacks) or bool(launch.job.env_set) or bool(launch.job.chdir)
    return more or bool(set(flags_of(sys.argv[1:])) - CONFIG_DIR - MULTIRUN)


def _runs_jobs_here(launch: DictConfig) -> bool:
    """Whether jobs are run one after the other in this process, where all are composed already."""
    asked = [part.lstrip("+~").partition("=")[0] for part in launch.overrides.hydra]
    return (
        _is_basic(launch) and not _needs_hydra(launch) and all(key.startswith(_OF_COMPOSING) for key in asked)
    )


def _is_basic(launch: DictConfig) -> bool:
    """Whether Hydra's own launcher runs the jobs, in this process."""
    return bool(launch.launcher._target_.endswith(f".{BasicLauncher.__name__}"))


def _run_by_hydra(command: Command, ranks: Ranks) -> None:
    def run(config: DictConfig) -> None:
        launched = HydraConfig.get()
        job = Job((), list(launched.overrides.task), settings_of(command, config))
        _run_job(command, job, ranks, everything=launched.verbose is True)

    hydra.main(config_path=str(conf_dir()), config_name=command.name, version_base="1.3")(run)()


def _run_job(command: Command, job: Job, ranks: Ranks, *, everything: bool) -> None:
    """Say what is going to be done, import what does it, which takes seconds, and do it."""
    handle_signals()
    quiet_libraries(ranks, everything=everything)
    try:
        _announce(command.name, job.settings)
        with _beside_bars(), helping(command, job.settings, ranks):
            with said_if_slow("loading libraries"), importing():
                if not ranks.rank:
                    _check_store(command)
                module = command.load()
            module.run(job.settings, job.overrides)
    except Exception as error:
        _give_way(ranks)
        refuse_if_meant_to_be_read(error)
        raise


def _check_store(command: Command) -> None:
    """Refuse a store that cannot be used, before the command and all that it needs are imported."""
    from elsa_groups.tracking.store import check_store

    check_store(writes=command.makes_run)


def _sweep(command: Command, composed: Composed) -> None:
    configure_log(composed.hydra.job_logging, composed.hydra.verbose)
    everything = composed.hydra.verbose is True
    handle_signals()
    quiet_libraries(ONE, everything=everything)
    # Only now, as it needs MLflow.
    with importing():
        from elsa_groups.cli.sweep import Sweep, run_sweep

    def launch(sweep: Sweep) -> None:
        if _runs_jobs_here(composed.hydra):
            for number, job in enumerate(composed.jobs):
                handle_signals()
                sweep.do_job(number, command, job.settings, job.overrides)
            return

        # Launchers carry this function, and with it the sweep, to wherever they run a job.
        def run(config: DictConfig) -> None:
            launched = HydraConfig.get()
            handle_signals()
            quiet_libraries(ONE, everything=everything)
            settings = settings_of(command, config)
            with _beside_bars():
                sweep.do_job(launched.job.num, command, settings, list(launched.overrides.task))

        hydra.main(config_path=str(conf_dir()), config_name=command.name, version_base="1.3")(run)()

    try:
        with _beside_bars(), _helping_jobs(command, composed):
            run_sweep(composed.jobs, command, launch)
    except Exception as error:
        refuse_if_meant_to_be_read(error)
        raise


def _helping_jobs(command: Command, composed: Composed) -> AbstractContextManager[None]:
    """Help the jobs of a sweep, as the first one asks for, if they are done in this process."""
    if not _is_basic(composed.hydra):
        return nullcontext()
    return helping(command, composed.jobs[0].settings, ONE)


def _beside_bars() -> AbstractContextManager[None]:
    """Keep what is logged from running into a bar."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    redirected: AbstractContextManager[None] = logging_redirect_tqdm()
    return redirected


def _announce(name: str, settings: Any) -> None:
    """Say which settings a command starts with."""
    given = {key: getattr(settings, key, None) for key in DECLARED}
    told = {key: value for key, value in given.items() if value is not None}
    if "dataset" in told:
        told["dataset"] = told["dataset"].name
    log.info("%s %s", name, " ".join(f"{key}={value}" for key, value in told.items()))


def _check_ranks(ranks: Ranks, command: Command) -> None:
    if ranks.size > 1 and not command.takes_ranks:
        raise InputError(
            f"torchrun: only generate works with several processes, got {command.name}; start"
            f" {command.name} without torchrun"
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


def refuse_if_meant_to_be_read(error: Exception) -> None:
    """Exit with an error that its user can act on; any other is left to be raised."""
    told = readable(error)
    if isinstance(told, InputError):
        refuse(told)


def refuse(error: InputError) -> NoReturn:
    """Exit with an error's code, its message the last line on stderr."""
    sys.stdout.flush()
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.code)


def handle_signals() -> None:
    """Let signals raise :class:`Killed`, so that runs are ended; under nohup a closed terminal is no end."""

    def end(number: int, _: FrameType | None) -> None:
        # One signal is enough; a second must not cut short what the first began to put in order. It is not
        # ignored as by nohup, since another job may follow in this process.
        for each in _ENDING:
            if signal.getsignal(each) != signal.SIG_IGN:
                signal.signal(each, lambda *_: None)
        _let_go_of_unread()
        raise Killed(128 + number)

    for number in _ENDING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def _let_go_of_unread() -> None:
    """Send output that nobody reads any more nowhere: in a closed terminal, its writing would be an error."""
    for said in (1, 2):
        with suppress(OSError):
            watched = select.poll()
            watched.register(said, 0)
            if any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0)):
                with open(os.devnull, "w") as nowhere:
                    os.dup2(nowhere.fileno(), said)


class _Forgiving(io.TextIOWrapper):
    """A stream that goes on when nobody reads it any more: what is logged matters more than what is said."""

    def write(self, text: str) -> int:
        """Write, if need be to nowhere."""
        try:
            return super().write(text)
        except BrokenPipeError:
            _let_go_of_unread()
            return len(text)

    def flush(self) -> None:
        """Flush, if need be to nowhere."""
        try:
            super().flush()
        except BrokenPipeError:
            _let_go_of_unread()
            super().flush()


def forgive_closed_pipes() -> None:
    """Let a command go on whose reader has gone (`| head`), and say each line when it is said."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            encoding, errors = stream.encoding, stream.errors
            # Its line endings are ours already.
            forgiving = _Forgiving(stream.detach(), encoding, errors, newline="\n", line_buffering=True)
            setattr(sys, name, forgiving)


def quiet_libraries(ranks: Ranks, *, everything: bool) -> None:
    """Keep what a user cannot act on, and what rank 0 says for all, out of the terminal.

    Where everything is to be told (``hydra.verbose=true``), it is everything of ours: Hydra means all
    loggers, and those of libraries would bury it.
    """
    for name, value in _MLFLOW_SAYS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("torch").setLevel(logging.WARNING)
    # A database's error is told in one line where it ends something.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    if everything:
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger("elsa_groups").setLevel(logging.DEBUG)
    if ranks.rank:
        logging.getLogger("elsa_groups").setLevel(logging.WARNING)
