"""What several jobs of one process have in common is made once, and kept as long as they are under way."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

# The last result of each kind with what it follows from; None where nothing is kept.
_KEPT: ContextVar[dict[str, tuple[Hashable, Any]] | None] = ContextVar("kept", default=None)


@contextmanager
def keeping() -> Iterator[None]:
    """Let :func:`kept` keep results from here on, until the end."""
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def kept(kind: str, follows_from: Hashable, make: Callable[[], T]) -> T:
    """Return what was made before from the same things, or make it.

    Parameters
    ----------
    kind : str
        What is made. Only the last one of a kind is kept, so that memory is that of one job.
    follows_from : hashable
        All that it depends on.
    make : callable
        Makes it. Nobody may change it.
    """
    results = _KEPT.get()
    if results is None:
        return make()
    if kind not in results or results[kind][0] != follows_from:
        # First let go of the other, so that there are never two.
        results.pop(kind, None)
        results[kind] = follows_from, make()
    made: T = results[kind][1]
    return made
