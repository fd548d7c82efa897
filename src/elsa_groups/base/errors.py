"""How a command ends early: by an error that its user is meant to read, or by a signal."""


class InputError(ValueError):
    """Something a user gave cannot be used.

    The message names the thing, what was expected, what came and what to do. Entry points print it
    without a traceback and exit with ``code``.
    """

    code = 1


class Absent(InputError):
    """Something that was named is not there, or deleted."""


class Unreadable(InputError):
    """A file of data that is there is not what it should be; the message may quote it."""


class Unfilled(InputError):
    """Not one group of a key can be had, or not as many as asked for."""


class NotLogged(InputError):
    """A tracking store did not take what was to be logged."""


class Different(InputError):
    """Groups drawn again are not those that were recorded."""

    code = 3


class InputsMissing(InputError):
    """What recorded groups were drawn from is not there any more."""

    code = 4


class Killed(SystemExit):
    """A signal asked the process to end; the code is 128 plus its number."""
