"""Which numbers a search can have for its goals: what is measured of every trial."""

from collections.abc import Iterator

from alambique.spec.faults import BadField
from alambique.spec.job import Job
from alambique.spec.search import COSTS, LOSS
from alambique.tasks.all import find


def measured(task: str) -> tuple[str, ...]:
    """What a trial of that task has: its score and loss on the validation examples, its costs.

    Raises:
        UnknownName: there is no such task.
    """
    return (find(task).primary, LOSS, *COSTS)


def bad_goals(job: Job) -> Iterator[BadField]:
    """The goals of a job's search that nothing gives.

    Raises:
        UnknownName: there is no such task.
    """
    targets = job.search.targets if job.search else ()
    known = measured(job.task)
    for number, goal in enumerate(targets):
        if goal.name not in known:
            yield BadField(
                f"search.goals.{number}",
                repr(str(goal)),
                f"nothing measures {goal.name}: trials of {job.task} have {', '.join(known)}",
            )
