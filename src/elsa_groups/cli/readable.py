"""Errors of libraries as what their user is meant to read."""

import logging

from elsa_groups.base.errors import InputError

log = logging.getLogger("elsa_groups.cli")


def readable(error: BaseException) -> BaseException:
    """Return what a user can do about an error, or the error itself if it is a fault of the program.

    Parameters
    ----------
    error : BaseException
        What ended a command.

    Returns
    -------
    BaseException
        An :class:`InputError` for too little memory, and for a tracking store that failed while the command
        ran: a database that is locked or full, a server that is away.
    """
    if isinstance(error, MemoryError):
        reason = str(error) or "an allocation failed"
        return InputError(
            f"not enough memory ({reason}); ask for fewer groups or users, or use a larger machine"
        )
    # Seconds of imports, which an error of our own does not wait for; one of the store has had them already.
    # What MLflow calls a wrong value, it was given by the program.
    ours = type(error).__module__.partition(".")[0] not in ("mlflow", "sqlalchemy")
    if ours or getattr(error, "error_code", None) == "INVALID_PARAMETER_VALUE":
        return error
    from elsa_groups.base.words import first_line
    from elsa_groups.tracking.store import store_uri

    log.debug("the tracking store failed", exc_info=error)
    return InputError(
        f"tracking store {store_uri()}: {first_line(error)}; try again, or set MLFLOW_TRACKING_URI to another"
        " store"
    )
