"""What each process of a training on Ray does: it joins the group of all, and runs the loop.

The processes find one another with nothing open to other machines. Left to Ray Train,
the store of torch.distributed listens on every interface of the machine and asks nobody who he is.
Here it listens on the address of its node alone, which for a local Ray is 127.0.0.1.
"""

import os
import socket
from datetime import timedelta
from typing import Any

import ray
import torch
import torch.distributed as dist
from ray import train as ray_train
from ray.train.backend import Backend
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import TorchConfig, get_device

from alambique.workers.environment import shared_tier
from alambique.workers.pipeline.provenance import refuse_other_code
from alambique.workers.ray.errors import errors_for_driver
from alambique.workers.training.distributed import distributed_context, join_group
from alambique.workers.training.loop import train
from alambique.workers.training.spec import TrainingSpec

_TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others, as long as Ray Train has it wait."""


def run_training_worker(config: dict[str, Any]) -> None:
    """Join the group of a training and run the loop: what each process of Ray Train does.

    Args:
        config: as `Cluster.train` gives it.

    Raises:
        OtherCode: this process runs other code than the driver.
    """
    with errors_for_driver():
        refuse_other_code(config["driver"])
        if torch.cuda.is_available():
            torch.cuda.set_device(get_device())
        make_process_group(config["backend"])
        join_group()
        train(
            TrainingSpec.model_validate_json(config["spec"]),
            distributed_context(),
            config["on_epoch_end"],
            redis=shared_tier(os.environ),
        )


class OwnGroupConfig(TorchConfig):
    """Ray Train's settings for PyTorch, for processes that make their group themselves."""

    @property
    def backend_cls(self) -> type[Backend]:
        """What Ray Train does before a training and after it."""
        torch_backend: Any = super().backend_cls

        class OwnGroupBackend(torch_backend):  # type: ignore[misc]
            """Sees that each process sees its GPUs, and ends the group."""

            def on_start(self, worker_group: Any, backend_config: Any) -> None:
                """Make no group: `make_process_group` does, in each process."""

        return OwnGroupBackend


def make_process_group(backend: str) -> None:
    """Make this process of Ray Train one of the default group of torch.distributed."""
    context = ray_train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": str(context.get_local_rank()),
        "LOCAL_WORLD_SIZE": str(context.get_local_world_size()),
    }
    listener = _listen_on_node_address() if rank == 0 else None
    host, port = broadcast_from_rank_zero(listener.getsockname()[:2] if listener else None)
    store = dist.TCPStore(  # type: ignore[attr-defined]  # public, and left out of its stubs
        host,
        port,
        world,
        is_master=listener is not None,
        timeout=_TIMEOUT,
        master_listen_fd=listener.detach() if listener else None,
    )
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=_TIMEOUT)


def _listen_on_node_address() -> socket.socket:
    """Open a free port on the address by which Ray knows this node."""
    host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, 0), family=family)
