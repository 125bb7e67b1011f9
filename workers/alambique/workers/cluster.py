"""The one typed edge over Ray: connecting, training workers, and actors that fill the cache.

The dispatcher connects too and trains nothing: what needs torch is imported where it is used.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ray
from ray._private import ray_constants
from ray.job_config import JobConfig

from alambique.spec.errors import AlambiqueError, LostWorker
from alambique.spec.train import Resources
from alambique.workers.environment import GROUP_START, local_ray_environment, shared_tier
from alambique.workers.pipeline.failures import our_error
from alambique.workers.pipeline.provenance import refuse_other_code, running_code

if TYPE_CHECKING:
    from alambique.workers.fill_task import FillTask
    from alambique.workers.search.tuning import SearchRun, TrialSource
    from alambique.workers.training.checkpoints import TrainerState
    from alambique.workers.training.spec import TrainingSpec

_OBJECTS = 256 * 1024 * 1024
"""Bytes of a local Ray's object store: only orders and counts go through it."""


_PLACED = float(GROUP_START)
"""Seconds in which the first actor has to be placed."""


class Cluster:
    """A connection to Ray, made by `connected`."""

    @property
    def address(self) -> str:
        """Where other processes of this machine find it."""
        return str(ray.get_runtime_context().gcs_address)

    def size(self) -> tuple[float, float]:
        """How many CPUs and GPUs it has."""
        found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return found.get("CPU", 0.0), found.get("GPU", 0.0)

    def train(
        self,
        course: "TrainingSpec",
        resources: Resources,
        *,
        callbacks: Sequence[Any] = (),
        told: "Callable[[TrainerState], None] | None" = None,
    ) -> None:
        """Runs a course on `resources.workers` processes; its outcome is in its folder.

        Args:
            course: what to run.
            resources: how many processes, and what each takes.
            callbacks: Ray Train's own.
            told: of a module, called by each process after each epoch that another one follows.

        Raises:
            AlambiqueError: what a worker raised.
            OtherCode: a worker runs other code than this process.
            LostWorker: a worker died, or could not be started.
        """
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError

        from alambique.workers.rendezvous import GroupConfig

        trainer = TorchTrainer(
            train_worker,
            train_loop_config={
                "course": course.model_dump_json(),
                "told": told,
                "driver": str(running_code()),
                "backend": "nccl" if resources.gpus else "gloo",
            },
            torch_config=GroupConfig(),
            scaling_config=ScalingConfig(
                num_workers=resources.workers,
                use_gpu=resources.gpus > 0,
                resources_per_worker=_each(resources),
            ),
            run_config=RunConfig(
                name=course.folder.name,
                storage_path=str(course.folder / "ray"),
                failure_config=FailureConfig(max_failures=0),
                callbacks=list(callbacks),
            ),
        )
        try:
            trainer.fit()
        except (TrainingFailedError, ray.exceptions.RayError) as error:
            raise cause_of(error) from error

    def search(self, bench: "TrialSource", tuning: "SearchRun") -> None:
        """Runs the trials of a search; nothing of them runs or is reserved afterwards.

        Raises:
            KeyboardInterrupt: this process was interrupted meanwhile.
            LostWorker: Ray is gone.
        """
        from alambique.workers.search.tuning import run_search

        try:
            run_search(bench, tuning)
        except ray.exceptions.RayError as error:
            raise cause_of(error) from error

    def fill(
        self,
        order: "FillTask",
        resources: Resources,
        runs: Sequence[Sequence[int]],
        filled: Callable[[int], None],
    ) -> None:
        """Fill buckets on `resources.workers` actors.

        Args:
            order: what to compute.
            resources: how many actors, and what each takes.
            runs: the buckets that one call of an actor fills.
            filled: called after each run with the number of outputs that were computed.

        Raises:
            AlambiqueError: what an actor raised.
            OtherCode: an actor runs other code than this process.
            LostWorker: an actor died.
        """
        driver = str(running_code())
        remote: Any = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus)(RemoteFiller)
        actors = [remote.remote() for _ in range(min(resources.workers, len(runs)))]
        waiting = list(reversed(runs))
        # an actor is given a run when it runs: one that finds no place holds nothing up
        starting = {actor.open.remote(order, driver): actor for actor in actors}
        running: dict[Any, Any] = {}
        try:
            while waiting or running:
                ready = _first([*starting, *running], None if running else _PLACED)
                answer = ray.get(ready)
                if ready in starting:
                    actor = starting.pop(ready)
                else:
                    actor = running.pop(ready)
                    filled(answer)
                if waiting:
                    running[actor.fill.remote(waiting.pop())] = actor
        except ray.exceptions.RayError as error:
            raise cause_of(error) from error
        finally:
            for actor in actors:
                ray.kill(actor)


def _first(waited_for: Sequence[Any], seconds: float | None) -> Any:
    """The first of these that Ray has an answer for."""
    ready, _ = ray.wait(list(waited_for), timeout=seconds)
    if not ready:
        raise LostWorker(
            f"Ray found no place for a filler in {seconds:.0f} s: it may be busy with other work "
            "than this platform's, or have no node for resources.cpus and resources.gpus"
        )
    return ready[0]


@contextmanager
def connect(address: str | None, redis: str | None = None) -> Iterator[Cluster]:
    """A connection to the Ray at `address`, or to a new one on this machine that ends with it.

    The environment has to be that of `environment.for_ray` before this module is imported.

    Args:
        address: of a running Ray.
        redis: the URL of the shared tier, for the workers of a new one; those of a running one have
            it from whoever started that.
    """
    ours = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with _addresses_as_given(address):
        if address:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                job_config=_job_config(),
            )
        else:
            _start_local(redis)
    # Ray puts a handler of its own in the place of ours, which ends the process at once
    for number, handler in ours.items():
        signal.signal(number, handler)
    try:
        yield Cluster()
    finally:
        ray.shutdown()


def _start_local(redis: str | None) -> None:
    """Start a Ray that listens on the loopback interface, and connect to it."""
    before = dict(os.environ)
    # what Ray starts has the environment of this process, and nothing else can be said to it
    _set_environment(local_ray_environment(redis, before))
    try:
        ray.init(
            address="local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECTS,
            job_config=_job_config(),
            # without its dashboard, Ray leaves the places of early-stopped trainings reserved for
            # ever
            include_dashboard=True,
            dashboard_host="127.0.0.1",
        )
    finally:
        _set_environment(before)


def _job_config() -> JobConfig:
    """Return the settings of a connection whose workers import nothing from our current folder.

    Ray puts the current folder of who connects before all else that its workers import from, unless
    the connection is marked as one of Ray's own proxy for clients: the mark does nothing else here.
    """
    return JobConfig(_client_job=True)


@contextmanager
def _addresses_as_given(address: str | None) -> Iterator[None]:
    """While it lasts, Ray keeps 127.0.0.1 as this machine's address, where it is to be that.

    Ray replaces that address with one that other machines reach, in what it starts and in what it
    connects to, unless it may not be part of a cluster, as on macOS.
    """
    enabled = ray_constants.ENABLE_RAY_CLUSTER
    if address is None or address.startswith("127."):
        ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = enabled


def _set_environment(whole: Mapping[str, str]) -> None:
    for name in os.environ.keys() - whole.keys():
        del os.environ[name]
    os.environ.update(whole)


def cause_of(error: BaseException) -> AlambiqueError:
    """The error of ours that a failure on Ray comes from, else that a worker was lost."""
    if (ours := our_error(error)) is not None:
        return ours
    # the first line says it; the others, which are many, are in the job's log
    said = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return LostWorker(f"the work on Ray ended: {said}")


class RemoteFiller:
    """The actor of a filler, which finds the shared tier in the environment of its process."""

    def open(self, order: "FillTask", driver: str) -> None:
        """Take an order, if this process has the driver's code.

        It is no part of `__init__`: of an error there Ray keeps the text alone.
        """
        refuse_other_code(driver)
        from alambique.workers.fill_task import Filler

        self._filler = Filler(order, shared_tier(os.environ))

    def fill(self, buckets: Sequence[int]) -> int:
        """Compute what these buckets lack; return how many outputs that was."""
        return self._filler.fill(buckets)


def train_worker(said: dict[str, Any]) -> None:
    """What each training process does: joins the group and runs the loop, if it has our code."""
    refuse_other_code(said["driver"])
    import torch
    from ray.train.torch import get_device

    from alambique.workers.rendezvous import make_group
    from alambique.workers.training.distributed import distributed_context, join_group
    from alambique.workers.training.loop import train
    from alambique.workers.training.spec import TrainingSpec

    if torch.cuda.is_available():
        torch.cuda.set_device(get_device())
    make_group(said["backend"])
    join_group()
    course = TrainingSpec.model_validate_json(said["course"])
    train(course, distributed_context(), said["told"], redis=shared_tier(os.environ))


def _each(resources: Resources) -> dict[str, float]:
    asked = {"CPU": resources.cpus, "GPU": resources.gpus}
    return {kind: amount for kind, amount in asked.items() if amount}
