"""Packages that only some commands need, and that need not be installed."""

from importlib.util import find_spec

from elsa_groups.base.errors import InputError

GROUPREC = "grouprec"
# What to install a package by: the name of the extra.
_EXTRAS = {GROUPREC: "evaluate"}


def check_installed(package: str) -> None:
    """Refuse to go on without a package.

    Raises
    ------
    InputError
        Naming the extra that brings it.
    """
    if find_spec(package) is None:
        extra = _EXTRAS[package]
        raise InputError(
            f"{extra}: expected {package}, which is not installed; `pip install elsa-groups[{extra}]`"
        )
