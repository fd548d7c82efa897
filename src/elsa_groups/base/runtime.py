"""What a computation runs on; nothing that is computed depends on it."""

from dataclasses import dataclass

from elsa_groups.base.distributed import ONE, Ranks


@dataclass(frozen=True)
class Runtime:
    """Threads, processes and device that share the work.

    Attributes
    ----------
    threads : int
        Worker threads of this process.
    ranks : Ranks
        Processes that share the work; all get the whole result.
    device : str
        Where all pairs of users are compared: ``cpu``, or a CUDA device such as ``cuda:0``.
    """

    threads: int = 1
    ranks: Ranks = ONE
    device: str = "cpu"


ALONE = Runtime()
