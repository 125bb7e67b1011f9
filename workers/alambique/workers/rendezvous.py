"""How the processes of a training on Ray find one another, with nothing open to other machines.

Left to Ray Train, the store of torch.distributed listens on every interface of the machine and asks
nobody who he is. Here it listens on the address of its node alone, which for a local Ray is
127.0.0.1.
"""

import os
import socket
from datetime import timedelta
from typing import Any

import ray
import torch.distributed as dist
from ray import train
from ray.train.backend import Backend
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import TorchConfig

_PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others, as long as Ray Train has it wait."""


class GroupConfig(TorchConfig):
    """Ray Train's settings for PyTorch, but that the processes make their group by `make_group`."""

    @property
    def backend_cls(self) -> type[Backend]:
        """What Ray Train does before a training and after it."""
        theirs: Any = super().backend_cls

        class Group(theirs):  # type: ignore[misc]
            """Sees that each process sees its GPUs, and ends the group."""

            def on_start(self, worker_group: Any, backend_config: Any) -> None:
                """Do nothing: the processes make their group themselves."""

        return Group


def make_group(backend: str) -> None:
    """Make this process of Ray Train one of the default group of torch.distributed."""
    context = train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": str(context.get_local_rank()),
        "LOCAL_WORLD_SIZE": str(context.get_local_world_size()),
    }
    listener = _listener() if rank == 0 else None
    host, port = broadcast_from_rank_zero(listener.getsockname()[:2] if listener else None)
    store = dist.TCPStore(  # type: ignore[attr-defined]  # public, and left out of its stubs
        host,
        port,
        world,
        is_master=listener is not None,
        timeout=_PATIENCE,
        master_listen_fd=listener.detach() if listener else None,
    )
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=_PATIENCE)


def _listener() -> socket.socket:
    """A free port on the address by which Ray knows this node."""
    host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, 0), family=family)
