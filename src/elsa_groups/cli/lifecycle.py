"""From a command line to a task and an exit code."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from elsa_groups.cli import schema
from elsa_groups.cli.arguments import DECLARED, check_overrides, conf_dir, hydra_arguments
from elsa_groups.errors import InputError, Killed
from elsa_groups.similarity.ranks import Ranks, launched_ranks

log = logging.getLogger("elsa_groups.cli")

Task = Callable[[dict[str, Any], list[str]], None]

# What fails on every rank is for rank 0 to report, and for its run to end by. Then torchrun ends the others;
# one that is still there after so many seconds failed alone.
_GIVE_WAY = 10


def run_entry_point(name: str, task: Task) -> None:
    """Run a task with the configuration that the command line describes.

    Parameters
    ----------
    name : str
        Entry point: main, train, generate or reproduce.
    task : callable
        Takes the settings, as nested plain values, and the overrides that the user gave.

    Notes
    -----
    After an :class:`InputError` the exit code is its own, and its message the last line on stderr; 143 or
    130 after SIGTERM or SIGINT. In a multirun a job's error is raised to Hydra instead, so that later jobs
    still run. Under torchrun, which only ``generate`` works with, ranks other than 0 log
    warnings alone.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig

    schema.register()
    ranks = launched_ranks()
    try:
        _check_ranks(ranks, name)
        sys.argv[1:] = hydra_arguments(sys.argv[1:], name)
        check_overrides(sys.argv[1:], name)
    except InputError as error:
        _give_way(ranks)
        _refuse(error)

    def run(config: DictConfig) -> None:
        _handle_signals()
        _quiet_libraries(ranks)
        launch = HydraConfig.get()
        sweeps = launch.mode == RunMode.MULTIRUN
        if sweeps and launch.job.num > 0:
            # The run that `mlflow run` made is the first job's.
            os.environ.pop("MLFLOW_RUN_ID", None)
        try:
            if sweeps and ranks.size > 1:
                raise InputError("torchrun: expected one job, came a multirun; start each job by itself")
            task(_announced(name, schema.complete(config)), list(launch.overrides.task))
        except Exception as error:
            _give_way(ranks)
            if ranks.size > 1 or not sweeps:
                _refuse_if_meant_to_be_read(error)
            raise

    try:
        hydra.main(config_path=str(conf_dir()), config_name=name, version_base="1.3")(run)()
    except SystemExit as end:
        if ranks.size > 1 and end.code:
            _leave(int(end.code))
        raise


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
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise Killed(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _quiet_libraries(ranks: Ranks) -> None:
    """Keep what a user cannot act on, and what rank 0 says for all, out of the terminal."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("mlflow", "alembic", "torch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if ranks.rank:
        logging.getLogger("elsa_groups").setLevel(logging.WARNING)
