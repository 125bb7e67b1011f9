"""The work that a job runs on a cluster: training, filling a cache, and trials of a search.

Modules that import torch are imported where they are used: a dispatcher, which imports this one
too, trains nothing.
"""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ray

from alambique.spec.errors import LostWorker
from alambique.spec.train import Resources
from alambique.workers.compute_resources import ComputeResources
from alambique.workers.environment import GROUP_START, shared_tier
from alambique.workers.pipeline.provenance import refuse_other_code, running_code
from alambique.workers.ray.errors import errors_for_driver, raise_driver_error

if TYPE_CHECKING:
    from alambique.workers.training.spec import FillTask, TrainingSpec
    from alambique.workers.training.trial import SearchRun, TrialSource


class Cluster:
    """The Ray cluster that this process is connected to; `connection.connect` makes it."""

    @property
    def address(self) -> str:
        """The address by which other processes of this machine connect to it."""
        return str(ray.get_runtime_context().gcs_address)

    @property
    def resources(self) -> ComputeResources:
        """The CPUs and GPUs of the cluster, both taken and free."""
        amounts: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return ComputeResources(amounts.get("CPU", 0.0), amounts.get("GPU", 0.0))

    def train(self, spec: "TrainingSpec", resources: Resources) -> None:
        """Train on `resources.workers` processes; the result is in the folder of the run.

        Args:
            spec: the training.
            resources: the number of processes, and what each reserves.

        Raises:
            AlambiqueError: a worker raised it.
            OtherCode: a worker runs other code than this process.
            LostWorker: a worker died, or could not be started.
        """
        from alambique.workers.ray.training import train_on_workers

        train_on_workers(spec, resources)

    def run_trials(self, source: "TrialSource", run: "SearchRun") -> None:
        """Run the trials of a search; afterwards none of their processes runs or reserves anything.

        Raises:
            KeyboardInterrupt: this process was interrupted meanwhile.
            LostWorker: Ray is gone.
        """
        from alambique.workers.ray.tuning import run_trials

        try:
            run_trials(source, run)
        except ray.exceptions.RayError as error:
            raise_driver_error(error)

    def fill(
        self,
        task: "FillTask",
        resources: Resources,
        groups: Sequence[Sequence[int]],
        on_filled: Callable[[int], None],
    ) -> None:
        """Fill buckets of a cache on `resources.workers` actors.

        Args:
            task: the teacher and the examples.
            resources: the number of actors, and what each reserves.
            groups: some buckets each; one call of an actor fills a group.
            on_filled: is called after each group with the number of outputs that it lacked.

        Raises:
            AlambiqueError: an actor raised it.
            OtherCode: an actor runs other code than this process.
            LostWorker: an actor died, or could not be started.
        """
        driver = str(running_code())
        remote: Any = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus)(RemoteFiller)
        actors = [remote.remote() for _ in range(min(resources.workers, len(groups)))]
        waiting = list(reversed(groups))
        # groups go only to actors that have started: one that cannot be placed delays none
        starting = {actor.open.remote(task, driver): actor for actor in actors}
        running: dict[Any, Any] = {}
        try:
            while waiting or running:
                ready = _first_ready([*starting, *running], None if running else GROUP_START)
                answer = ray.get(ready)
                if ready in starting:
                    actor = starting.pop(ready)
                else:
                    actor = running.pop(ready)
                    on_filled(answer)
                if waiting:
                    running[actor.fill.remote(waiting.pop())] = actor
        except ray.exceptions.RayError as error:
            raise_driver_error(error)
        finally:
            for actor in actors:
                ray.kill(actor)


def _first_ready(references: Sequence[Any], seconds: float | None) -> Any:
    """Return the first of these references that is ready.

    Raises:
        LostWorker: none is ready in time.
    """
    ready, _ = ray.wait(list(references), timeout=seconds)
    if not ready:
        raise LostWorker(
            f"Ray could place no filler in {seconds:.0f} s: it may be busy with other work "
            "than this platform's, or have no node for resources.cpus and resources.gpus"
        )
    return ready[0]


class RemoteFiller:
    """The actor that fills buckets; the environment of its process names the shared tier."""

    def open(self, task: "FillTask", driver: str) -> None:
        """Open the teacher of a task, if this process runs the driver's code.

        This is not done in `__init__`: of an error there Ray keeps the text alone.

        Raises:
            OtherCode: this process runs other code than the driver.
        """
        with errors_for_driver():
            refuse_other_code(driver)
            from alambique.workers.stages.filler import Filler

            self._filler = Filler(task, shared_tier(os.environ))

    def fill(self, buckets: Sequence[int]) -> int:
        """Compute the outputs that buckets lack, and return their number."""
        with errors_for_driver():
            return self._filler.fill(buckets)
