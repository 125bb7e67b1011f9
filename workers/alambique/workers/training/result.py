"""The result of a training run: the file that it writes last."""

import json
from dataclasses import dataclass

from alambique.spec.errors import LostWorker
from alambique.workers.training.spec import TrainingSpec


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How far a run came, and how good its best weights are."""

    epochs: int
    """How many were completed."""
    steps: int
    """Optimizer steps up to the end of the last completed epoch."""
    best_epoch: int
    """Counted from 0; its weights are in `TrainingSpec.best`."""
    best_loss: float
    """The validation loss of the best epoch; see `validation.Validation`."""
    metric: float
    """The task's primary metric on the validation examples at the best epoch."""
    diverged: bool = False
    """Whether a loss stopped being finite; the best weights are from before."""


def result_of(spec: TrainingSpec) -> TrainingResult:
    """Return the result of a run that is over.

    Raises:
        LostWorker: it has left none.
    """
    if result := read_result(spec):
        return result
    raise LostWorker(
        f"the training in {spec.folder.name} ended without an outcome: the next attempt goes on "
        "from its last checkpoint"
    )


def read_result(spec: TrainingSpec) -> TrainingResult | None:
    """Return the result of a run; None: it is not over."""
    if not spec.result.exists():
        return None
    return TrainingResult(**json.loads(spec.result.read_text()))
