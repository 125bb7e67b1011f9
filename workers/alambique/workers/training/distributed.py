"""Where a process stands among those that train together, and how it speaks to them."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor


class DistributedContext(Protocol):
    """One process of a training run."""

    @property
    def rank(self) -> int:
        """Its number, from 0."""

    @property
    def world(self) -> int:
        """How many there are."""

    @property
    def device(self) -> torch.device:
        """Where its tensors live."""

    def total(self, values: Tensor) -> Tensor:
        """The sum of `values` over all processes, the same on each."""

    def gather(self, value: Any) -> list[Any]:
        """What each process gave, in the order of their ranks."""

    def meet(self) -> None:
        """Waits for all others."""


@dataclass(frozen=True, slots=True)
class SingleProcess:
    """The only process."""

    device: torch.device
    rank: int = 0
    world: int = 1

    def total(self, values: Tensor) -> Tensor:
        """`values` themselves."""
        return values

    def gather(self, value: Any) -> list[Any]:
        """`value` alone."""
        return [value]

    def meet(self) -> None:
        """Nobody to wait for."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """One process of torch.distributed's default group, which somebody else has set up."""

    device: torch.device

    @property
    def rank(self) -> int:
        """Its number in the group."""
        return dist.get_rank()

    @property
    def world(self) -> int:
        """The size of the group."""
        return dist.get_world_size()

    def total(self, values: Tensor) -> Tensor:
        """All-reduced; on NCCL the values travel over the device."""
        values = values.to(self.device)
        dist.all_reduce(values)
        return values.cpu()

    def gather(self, value: Any) -> list[Any]:
        """All-gathered objects: small ones, of this program's own making."""
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return found

    def meet(self) -> None:
        """A barrier."""
        dist.barrier()


def this_device() -> torch.device:
    """The accelerator that this process was given, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def distributed_context() -> DistributedContext:
    """The place of this process: in a group where torch.distributed has one, else alone."""
    if dist.is_available() and dist.is_initialized():
        return ProcessGroup(this_device())
    return SingleProcess(this_device())
