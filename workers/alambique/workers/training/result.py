"""How a training run ended: the file that it leaves last."""

import json
from dataclasses import dataclass

from alambique.spec.errors import LostWorker
from alambique.workers.training.spec import TrainingSpec


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a run ended."""

    epochs: int
    """That are whole."""
    steps: int
    """Optimizer steps that were taken, up to the end of the last epoch."""
    best_epoch: int
    """Counted from 0; its weights are in `TrainingSpec.best`."""
    best_loss: float
    """The validation loss of that epoch; see `validation.Validation`."""
    metric: float
    """The task's primary metric on the validation examples, of that epoch."""
    diverged: bool = False
    """A loss stopped being finite; the best weights are from before."""


def result_of(course: TrainingSpec) -> TrainingResult:
    """Return how a run that is over ended.

    Raises:
        LostWorker: it has left no outcome.
    """
    if outcome := read_result(course):
        return outcome
    raise LostWorker(
        f"the training in {course.folder.name} ended without an outcome: the next attempt goes on "
        "from its last checkpoint"
    )


def read_result(course: TrainingSpec) -> TrainingResult | None:
    """How the run ended, where it has."""
    if not course.outcome.exists():
        return None
    return TrainingResult(**json.loads(course.outcome.read_text()))
