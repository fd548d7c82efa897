"""The console command ``elsa-groups COMMAND setting=value ...``, and completion of its command line."""

import difflib
import os
import re
import sys

import hydra

from elsa_groups import __version__
from elsa_groups.base.errors import InputError
from elsa_groups.cli.commands import COMMANDS
from elsa_groups.cli.lifecycle import refuse, run_entry_point
from elsa_groups.cli.schemas import register
from elsa_groups.settings.conf import conf_dir

_COMPLETION = ("-sc", "--shell-completion")


def main() -> None:
    """Run the command that is named first by the rest of the command line."""
    name, rest = (sys.argv[1:2] or ["--help"])[0], sys.argv[2:]
    if name in _COMPLETION:
        complete(rest)
    elif name in ("-h", "--help"):
        print(usage())
    elif name == "--version":
        print(__version__)
    elif name in COMMANDS:
        sys.argv[1:] = rest
        run_entry_point(name)
    else:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        refuse(InputError(f"elsa-groups: expected one of {', '.join(COMMANDS)}, got {name}{hint}"))


def usage() -> str:
    """Return what the commands are, a line each, and how to learn their settings."""
    lines = [f"  {name:<12} {_first_comment(name)}" for name in COMMANDS]
    return "\n".join(
        [
            "elsa-groups COMMAND [setting=value ...]",
            "",
            *lines,
            "",
            "elsa-groups COMMAND --help lists the settings of a command and their defaults.",
            'eval "$(elsa-groups -sc install=bash)" completes commands and settings by the tab key in bash;',
            "zsh and fish likewise.",
        ]
    )


def _first_comment(name: str) -> str:
    """Return what the configuration of a command says of it in its first line."""
    with (conf_dir() / f"{name}.yaml").open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").strip()


def complete(arguments: list[str]) -> None:
    """Complete a command line as shells ask Hydra to: first the command, then its settings.

    Parameters
    ----------
    arguments : list of str
        ``install=SHELL``, ``uninstall=SHELL`` or ``query=SHELL``; of the latter the line is ``COMP_LINE``.
    """
    name = "generate"
    if any(part.startswith("query=") for part in arguments):
        program, name, rest = _split(os.environ.get("COMP_LINE", ""))
        if name not in COMMANDS or not rest:
            print(" ".join(COMMANDS))
            return
        os.environ["COMP_LINE"] = f"{program}{rest}"
    register(COMMANDS[name])
    sys.argv[1:] = [_COMPLETION[0], *arguments]
    hydra.main(config_path=str(conf_dir()), config_name=name, version_base="1.3")(lambda _: None)()


def _split(line: str) -> tuple[str, str, str]:
    """Return a command line as the program, the command, and what follows it, its space included."""
    match = re.match(r"\s*(\S*)\s*(\S*)(.*)", line, re.DOTALL)
    program, name, rest = match.groups() if match else ("", "", "")
    return program, name, rest


if __name__ == "__main__":
    main()
