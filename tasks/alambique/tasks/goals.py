"""Which numbers a search can have for its goals: what is measured of every trial."""

from collections.abc import Iterator

from alambique.distill.terms.table import comparison_of
from alambique.spec.combinations import search_combinations
from alambique.spec.field_errors import BadField
from alambique.spec.job import Job
from alambique.spec.objective import (
    IntermediateLoss,
    has_output_loss,
    intermediate_losses,
)
from alambique.spec.search import COSTS, LOSS
from alambique.tasks.all import find


def trial_numbers(task: str) -> tuple[str, ...]:
    """Return the numbers of a trial of a task: score and loss on validation examples, and costs.

    Raises:
        UnknownName: there is no such task.
    """
    return (find(task).primary, LOSS, *COSTS)


def loss_compares(job: Job) -> bool:
    """Return whether a smaller loss is a better student, whatever the values of a job's search.

    Of a student that is taught by layers alone the loss is the objective itself, and no other
    student's where the objective varies, or how many layers it adds up.
    """
    space = job.search.space if job.search else {}
    if all(
        has_output_loss(variant.objective) for variant in search_combinations(job, "objective").jobs
    ):
        return True
    if any(path.partition(".")[0] == "objective" for path in space):
        return False
    depth_varies = any(path in ("student", "student.layers") for path in space)
    return not (depth_varies and any(map(_adds_up_layers, intermediate_losses(job.objective))))


def _adds_up_layers(term: IntermediateLoss) -> bool:
    """Return whether more layers are compared if the student has more: not of a list of pairs."""
    return isinstance(comparison_of(term).layer_map, str)


def bad_goals(job: Job) -> Iterator[BadField]:
    """Yield the goals of a job's search that nothing measures, or that do not compare trials.

    Raises:
        UnknownName: there is no such task.
    """
    targets = job.search.targets if job.search else ()
    known = trial_numbers(job.task)
    for number, goal in enumerate(targets):
        if goal.name not in known:
            yield BadField(
                f"search.goals.{number}",
                repr(str(goal)),
                f"trials of {job.task} do not measure {goal.name}: take one of {', '.join(known)}",
            )
        elif goal.name == LOSS and not loss_compares(job):
            yield BadField(
                f"search.goals.{number}",
                repr(str(goal)),
                "without gold and logits the loss is the objective itself, which is not the same "
                f"for all trials: say goals: [{known[0]} max]",
            )
