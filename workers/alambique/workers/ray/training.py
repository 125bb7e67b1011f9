"""Trainings on Ray Train: each process joins the process group and runs the training loop.

The processes make their group themselves. In Ray Train's own group, the store of torch.distributed
listens on every interface of the machine without authentication; here it listens on the address of
its node alone, which for a local Ray is 127.0.0.1.
"""

import os
import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import ray
import torch
import torch.distributed as dist
from ray import train as ray_train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.backend import Backend
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.train.v2.api.exceptions import TrainingFailedError

from alambique.spec.train import Resources
from alambique.workers.environment import shared_tier
from alambique.workers.pipeline.provenance import refuse_other_code, running_code
from alambique.workers.ray.errors import errors_for_driver, raise_driver_error
from alambique.workers.training.spec import TrainingSpec

if TYPE_CHECKING:
    from alambique.workers.training.loop import OnEpochEnd

_TIMEOUT = timedelta(minutes=30)
"""The time that a process waits for the others, the same as in Ray Train."""


def train_on_workers(
    spec: TrainingSpec,
    resources: Resources,
    *,
    callbacks: Sequence[Any] = (),
    on_epoch_end: "OnEpochEnd | None" = None,
) -> None:
    """Train on `resources.workers` processes of Ray Train; the result is in the run's folder.

    Args:
        spec: the training.
        resources: the number of processes, and what each reserves.
        callbacks: for Ray Train.
        on_epoch_end: a module-level function, which each process calls after each epoch but the
            last.

    Raises:
        AlambiqueError: a worker raised it.
        OtherCode: a worker runs other code than this process.
        LostWorker: a worker died, or could not be started.
    """
    trainer = TorchTrainer(
        run_training_worker,
        train_loop_config={
            "spec": spec.model_dump_json(),
            "on_epoch_end": on_epoch_end,
            "driver": str(running_code()),
            "backend": "nccl" if resources.gpus else "gloo",
        },
        torch_config=OwnGroupConfig(),
        scaling_config=ScalingConfig(
            num_workers=resources.workers,
            use_gpu=resources.gpus > 0,
            resources_per_worker=process_resources(resources),
        ),
        run_config=RunConfig(
            name=spec.folder.name,
            storage_path=str(spec.folder / "ray"),
            failure_config=FailureConfig(max_failures=0),
            callbacks=list(callbacks),
        ),
    )
    try:
        trainer.fit()
    except (TrainingFailedError, ray.exceptions.RayError) as error:
        raise_driver_error(error)


def process_resources(resources: Resources) -> dict[str, float]:
    """Return the resources that one process reserves, without those of which it needs none."""
    amounts = {"CPU": resources.cpus, "GPU": resources.gpus}
    return {kind: amount for kind, amount in amounts.items() if amount}


def run_training_worker(config: dict[str, Any]) -> None:
    """Join the process group and run the training loop, in a process of Ray Train.

    Args:
        config: the `train_loop_config` of `train_on_workers`.

    Raises:
        OtherCode: this process runs other code than the driver.
    """
    # Ray Train's controller imports this module too, and takes 2 to 3 s less without the loop.
    from alambique.workers.training.distributed import distributed_context, join_group
    from alambique.workers.training.loop import train

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
        """The hooks that Ray Train runs before a training and after it."""
        torch_backend: Any = super().backend_cls

        class OwnGroupBackend(torch_backend):  # type: ignore[misc]
            """Keeps Ray Train's setup of GPUs and its shutdown, without its process group."""

            def on_start(self, worker_group: Any, backend_config: Any) -> None:
                """Make no group: each process calls `make_process_group`."""

        return OwnGroupBackend


def make_process_group(backend: str) -> None:
    """Make the default process group of torch.distributed, from within a process of Ray Train."""
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
