"""The CPUs and GPUs that a job needs while it runs, and that a cluster has."""

from collections.abc import Iterable
from dataclasses import dataclass

from alambique.spec.job import Job


@dataclass(frozen=True, slots=True)
class ComputeResources:
    """CPUs and GPUs: what a job needs, or what a cluster has."""

    cpus: float
    gpus: float

    def __str__(self) -> str:
        """Return the resources in words: "2 CPUs and 1 GPU"."""
        return f"{self.cpus:g} CPU{'' if self.cpus == 1 else 's'} and " + (
            f"{self.gpus:g} GPU{'' if self.gpus == 1 else 's'}"
        )

    def minus(self, others: Iterable["ComputeResources"]) -> "ComputeResources":
        """Return the resources that are left if `others` are taken from these."""
        taken = list(others)
        return ComputeResources(
            self.cpus - sum(other.cpus for other in taken),
            self.gpus - sum(other.gpus for other in taken),
        )

    def can_hold(self, other: "ComputeResources") -> bool:
        """Return whether these resources are enough for `other`."""
        return self.cpus >= other.cpus and self.gpus >= other.gpus


def needed_resources(job: Job) -> ComputeResources:
    """Return what a job reserves for its workers, in all trials that run at once."""
    resources, trials = job.resources, job.search.concurrent if job.search else 1
    # without a distilled student, baselines train in the driver, unless they use GPUs
    alone = not job.distil and not resources.gpus
    workers = 1 if alone else trials * resources.workers
    return ComputeResources(workers * resources.cpus, workers * resources.gpus)


def too_large_message(needed: ComputeResources, machine: ComputeResources) -> str:
    """Return the message for a job that needs more than this machine has."""
    return (
        f"resources: the job needs {needed}, this machine has {machine}: lower workers, cpus, "
        "gpus or search.concurrent, or set ALAMBIQUE_RAY_ADDRESS to a larger cluster"
    )
