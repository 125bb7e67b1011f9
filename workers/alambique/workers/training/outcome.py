"""How a training run ended: the file that it leaves last."""

import json
from dataclasses import dataclass

from alambique.workers.training.course import Course


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    epochs: int
    """That are whole."""
    steps: int
    """Of those epochs."""
    best_epoch: int
    """Counted from 0; its weights are in `Course.best`."""
    best_loss: float
    """The validation loss of that epoch; see `validation.Validation`."""
    metric: float
    """The task's primary metric on the validation examples, of that epoch."""
    diverged: bool = False
    """A loss stopped being finite; the best weights are from before."""


def read_outcome(course: Course) -> Outcome | None:
    """How the run ended, where it has."""
    if not course.outcome.exists():
        return None
    return Outcome(**json.loads(course.outcome.read_text()))
