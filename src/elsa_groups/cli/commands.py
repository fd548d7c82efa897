"""The commands: what each is configured by, and where it is."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from elsa_groups.base.extras import GROUPREC, check_installed
from elsa_groups.settings import commands as settings


@dataclass(frozen=True)
class Command:
    """A command as the command line knows it; what it does is in ``elsa_groups.commands``.

    Attributes
    ----------
    name : str
        Its name, and that of its file in conf/.
    settings : type
        The dataclass that its configuration becomes.
    makes_run : bool
        Whether it makes a run of its own, by which a sweep knows what became of a job.
    takes_ranks : bool
        Whether it works under torchrun.
    draws_groups : bool
        Whether it makes groups runs, which have a dozen figures.
    module : str
        The module that does it, below ``elsa_groups.commands``; the one of its name unless it is given.
    needs : str
        A package that only this command needs.
    """

    name: str
    settings: type[Any]
    makes_run: bool = True
    takes_ranks: bool = False
    draws_groups: bool = False
    module: str = ""
    needs: str = ""

    def load(self) -> ModuleType:
        """Import the command, which takes seconds.

        Its ``run(settings, overrides)`` does it. One that draws from a parent run has
        ``find_parent(settings, interactions, overrides)``, too.
        """
        if self.needs:
            check_installed(self.needs)
        return import_module(f"elsa_groups.commands.{self.module or self.name}")


COMMANDS = {
    command.name: command
    for command in (
        Command("main", settings.MainSettings, draws_groups=True),
        Command("train", settings.TrainSettings),
        Command(
            "generate",
            settings.GenerateSettings,
            takes_ranks=True,
            draws_groups=True,
            module="generate.generate",
        ),
        Command("reproduce", settings.ReproduceSettings),
        Command("compare", settings.CompareSettings),
        Command("export", settings.ExportSettings, makes_run=False),
        Command("feasibility", settings.FeasibilitySettings),
        Command("evaluate", settings.EvaluateSettings, module="evaluate.evaluate", needs=GROUPREC),
    )
}
