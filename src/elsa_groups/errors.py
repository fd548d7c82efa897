"""The one error that a user is meant to read."""


class InputError(ValueError):
    """Something a user gave cannot be used.

    The message names the thing, what was expected, what came and what to do. Entry points print it
    without a traceback and exit with 1.
    """
