"""The processes that train together: which one this is, and how it speaks to the others."""

import os
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor


class DistributedContext(Protocol):
    """One process of a training run."""

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""

    @property
    def world(self) -> int:
        """How many processes there are."""

    @property
    def device(self) -> torch.device:
        """Where the tensors of this process are."""

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Return the sum of `values` over all processes, the same on each."""

    def gather(self, value: Any) -> list[Any]:
        """Return the value of each process, in the order of their ranks."""

    def barrier(self) -> None:
        """Wait until every process is here."""


@dataclass(frozen=True, slots=True)
class SingleProcess:
    """The only process."""

    device: torch.device
    rank: int = 0
    world: int = 1

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Return `values` themselves."""
        return values

    def gather(self, value: Any) -> list[Any]:
        """Return `value` alone."""
        return [value]

    def barrier(self) -> None:
        """Return at once."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """One process of torch.distributed's default group, which is set up already."""

    device: torch.device

    @property
    def rank(self) -> int:
        """The number of this process in the group."""
        return dist.get_rank()

    @property
    def world(self) -> int:
        """The size of the group."""
        return dist.get_world_size()

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Return the sum on the CPU; NCCL needs the values on the device."""
        values = values.to(self.device)
        dist.all_reduce(values)
        return values.cpu()

    def gather(self, value: Any) -> list[Any]:
        """Return all values: small objects, of this program's own making."""
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait for the group."""
        dist.barrier()


def join_group() -> None:
    """Make this process one of the group that the environment describes (RANK, WORLD_SIZE, …).

    On a CPU: gloo, and without DeepSpeed's shared-memory extension, which it would compile on
    first use and which stops it where there is no ninja and no g++.
    """
    on_gpu = torch.cuda.is_available()
    if on_gpu and "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun leaves the choice to us
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not on_gpu:
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed
    from deepspeed.ops import __compatible_ops__

    __compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="nccl" if on_gpu else "gloo", verbose=False)


def distributed_context() -> DistributedContext:
    """Return the context of this process: that of torch.distributed's group, if there is one."""
    if dist.is_available() and dist.is_initialized():
        return ProcessGroup(this_device())
    return SingleProcess(this_device())


def this_device() -> torch.device:
    """Return the accelerator that this process was given, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
