"""Share a job among ranks: the processes, on one machine or several, that torchrun starts for it.

numpy and torch take seconds to import. So they are imported by what exchanges something, and a command line
that is to be refused is refused before.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from elsa_groups.base.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch
    import torch.distributed as dist
    from numpy.typing import NDArray

T = TypeVar("T")
Number = TypeVar("Number", bound="np.generic")

# A rank that dies is noticed at once, by its closed connections and by torchrun. This is for one that goes
# silent, and longer than a slower machine or the writing of artifacts can make the others wait.
_SILENCE = timedelta(hours=1)
_LONGEST_PAUSE = 0.01


@dataclass(frozen=True)
class Ranks:
    """The processes that share a job, seen from one of them; by default it is alone.

    Every rank must make the same calls of :meth:`sum`, :meth:`gather` and :meth:`broadcast` in the same
    order, so what decides about a call must itself be the same on every rank.

    Attributes
    ----------
    rank : int in [0, size)
        This process.
    size : int
        How many there are.
    on_machine : int
        How many of them share this machine's cores.
    device : str
        Where arrays are exchanged: ``cpu`` (gloo) or ``cuda:<number>`` (nccl).
    """

    rank: int = 0
    size: int = 1
    on_machine: int = 1
    device: str = "cpu"

    def share(self, tasks: Iterable[T]) -> Iterator[T]:
        """Return this rank's part of the tasks: every ``size``-th one.

        >>> list(Ranks(rank=1, size=3).share(range(8)))
        [1, 4, 7]
        """
        return islice(tasks, self.rank, None, self.size)

    def sum(self, values: "NDArray[Number]") -> "NDArray[Number]":
        """Add up the ranks' arrays of one shape, in place, and return the result, the same on every rank.

        Exact for integers, and for any numbers of which all ranks but one hold zeros. Memory: no copy.
        """
        if self.size > 1:
            import torch.distributed as dist

            total = self._tensor(values)
            _finish(dist.all_reduce(total, async_op=True))
            values[...] = total.cpu().numpy()
        return values

    def gather(self, values: "NDArray[Number]") -> "NDArray[Number]":
        """Join the ranks' arrays of any lengths, one dimension each, in rank order.

        Memory: ``size`` times the longest.
        """
        if self.size == 1:
            return values
        import numpy as np
        import torch
        import torch.distributed as dist

        lengths = np.zeros(self.size, np.int64)
        lengths[self.rank] = len(values)
        self.sum(lengths)
        padded = self._tensor(np.concatenate([values, np.zeros(lengths.max() - len(values), values.dtype)]))
        parts = [torch.empty_like(padded) for _ in lengths]
        _finish(dist.all_gather(parts, padded, async_op=True))
        return np.concatenate([part.cpu().numpy()[:n] for part, n in zip(parts, lengths, strict=True)])

    def broadcast(self, values: "NDArray[Number]") -> "NDArray[Number]":
        """Return the array, of one dimension, that rank 0 holds; of the others' only the type counts."""
        if self.size == 1:
            return values
        import numpy as np
        import torch.distributed as dist

        length = self.sum(np.array([len(values) if self.rank == 0 else 0]))[0]
        sent = self._tensor(values if self.rank == 0 else np.empty(length, values.dtype))
        _finish(dist.broadcast(sent, 0, async_op=True))
        return sent.cpu().numpy()

    def wait(self) -> None:
        """Wait until every rank has come here."""
        import numpy as np

        self.sum(np.zeros(1, np.int64))

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Connect the ranks, at the address that torchrun gave them, and part when all is done."""
        if self.size == 1:
            yield
            return
        import torch
        import torch.distributed as dist

        if self.device != "cpu":
            torch.cuda.set_device(self.device)
        backend = "gloo" if self.device == "cpu" else "nccl"
        dist.init_process_group(backend, rank=self.rank, world_size=self.size, timeout=_SILENCE)
        yield
        # Not after an error: what is left of an exchange would be waited for.
        dist.destroy_process_group()

    def _tensor(self, values: "NDArray[Any]") -> "torch.Tensor":
        import torch

        return torch.from_numpy(values).to(self.device)


ONE = Ranks()


def launched_ranks(device: str = "cpu") -> Ranks:
    """Return what torchrun's environment says of this process: :data:`ONE` without torchrun.

    Parameters
    ----------
    device : str
        ``cuda``, or ``auto`` where there are enough: each rank of a machine has a CUDA device of its own.
        Otherwise arrays are exchanged on the CPU.

    Raises
    ------
    InputError
        For ``cuda`` with fewer devices than ranks.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ONE
    rank, size, on_machine, here = (
        int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK")
    )
    return Ranks(rank, size, on_machine, f"cuda:{here}" if _has_cuda(device, on_machine) else "cpu")


def _has_cuda(device: str, on_machine: int) -> bool:
    """Whether every rank of this machine gets a CUDA device of its own."""
    if device not in ("auto", "cuda"):
        return False
    import torch

    found = torch.cuda.device_count()
    if device == "cuda" and found < on_machine:
        raise InputError(
            f"device=cuda: expected a device for each of {on_machine} ranks of this machine, got {found};"
            " start fewer ranks, or use device=cpu"
        )
    return found >= on_machine


def _finish(work: "dist.Work") -> None:
    """Wait in Python, so that a signal is handled although other ranks may never come."""
    pause = 1e-5
    while not work.is_completed():
        time.sleep(pause)
        pause = min(2.0 * pause, _LONGEST_PAUSE)
    work.wait()
