"""From a command line to a task and an exit code."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from elsa_groups.cli import schema
from elsa_groups.cli.arguments import check_overrides, conf_dir, hydra_arguments
from elsa_groups.errors import InputError, Killed

Task = Callable[[dict[str, Any], list[str]], None]


def run_entry_point(name: str, task: Task) -> None:
    """Run a task with the configuration that the command line describes.

    Parameters
    ----------
    name : str
        Entry point: main, train or generate.
    task : callable
        Takes the settings, as nested plain values, and the overrides that the user gave.

    Notes
    -----
    Exit code 1 after an :class:`InputError`, whose message is the last line on stderr; 143 or 130 after
    SIGTERM or SIGINT. In a multirun a job's error is raised to Hydra instead, so that later jobs still run.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig

    schema.register()
    try:
        sys.argv[1:] = hydra_arguments(sys.argv[1:], name)
        check_overrides(sys.argv[1:], name)
    except InputError as error:
        _refuse(error)

    def run(config: DictConfig) -> None:
        _handle_signals()
        _quiet_libraries()
        launch = HydraConfig.get()
        try:
            task(schema.complete(config), list(launch.overrides.task))
        except InputError as error:
            if launch.mode == RunMode.MULTIRUN:
                raise
            _refuse(error)

    hydra.main(config_path=str(conf_dir()), config_name=name, version_base="1.3")(run)()


def _refuse(error: InputError) -> NoReturn:
    sys.stdout.flush()
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)


def _handle_signals() -> None:
    def end(number: int, _: FrameType | None) -> None:
        # One signal is enough; a second must not cut short what the first began to put in order.
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise Killed(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _quiet_libraries() -> None:
    """Keep what a user cannot act on out of the terminal."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("mlflow", "alembic", "torch"):
        logging.getLogger(name).setLevel(logging.WARNING)
