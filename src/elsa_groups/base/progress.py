"""Bars that tell how far a piece of work is: on a terminal, and nowhere else."""

from collections.abc import Iterable, Sized
from typing import Any

from tqdm import tqdm

# What is done sooner needs no bar.
_DELAY_SECONDS = 0.5


def progress(
    tasks: Iterable[Any] | None = None,
    *,
    label: str,
    unit: str,
    total: int | None = None,
    hidden: bool = False,
) -> Any:
    """Return a bar with its rate, shown on stderr if that is a terminal, and gone when the work is done.

    Parameters
    ----------
    tasks : iterable, optional
        What the bar hands out and counts; without it, its ``update`` counts.
    label : str
        What is being done.
    unit : str
        What is counted, in the singular.
    total : int, optional
        How many there are; by default the length of ``tasks``.
    hidden : bool
        Never show it, as on ranks other than 0.
    """
    total = len(tasks) if total is None and isinstance(tasks, Sized) else total
    return tqdm(
        tasks,
        desc=label,
        unit=f" {unit}",
        total=total,
        # 12.3k, but not 12.0.
        unit_scale=total is not None and total >= 1000,
        disable=True if hidden else None,
        leave=False,
        delay=_DELAY_SECONDS,
        dynamic_ncols=True,
    )
