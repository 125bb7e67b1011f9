"""What a trial's process is told, and what it tells."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alambique.spec.fields import Spec
from alambique.spec.job import Student
from alambique.spec.states import Reason
from alambique.spec.train import Resources
from alambique.workers.training.checkpoints import TrainerState
from alambique.workers.training.result import TrainingResult
from alambique.workers.training.spec import TrainingSpec


class TrialSpec(Spec):
    """One trial: a student, and how it is trained. It travels as JSON."""

    number: int
    courses: tuple[TrainingSpec, ...]
    """One after the other; the last one is what the trial is told and judged by."""
    student: Student
    source: Path
    """The model that the untrained student is made of."""
    resources: Resources | None
    """Of several processes; None: the trial's own process trains."""


@dataclass(frozen=True, slots=True)
class Report:
    """How far a trial is: the best of its epochs so far."""

    epoch: int
    """How many are whole."""
    loss: float
    metric: float
    reason: Reason | None = None
    """Of a failure that another try would only repeat, like `error`, which is the message."""
    error: str | None = None
    stopped: bool = False
    """The scheduler has stopped the trial here; its process does not know."""

    @classmethod
    def at(cls, position: TrainerState) -> "Report":
        """After an epoch."""
        assert position.best_loss is not None
        assert position.best_metric is not None
        return cls(position.epoch, position.best_loss, position.best_metric)

    @classmethod
    def of(cls, outcome: TrainingResult) -> "Report":
        """After the last one."""
        return cls(outcome.epochs, outcome.best_loss, outcome.metric)

    @classmethod
    def of_point(cls, point: Mapping[str, float]) -> "Report":
        """As a curve has it, without the numbers that JSON has no word for."""
        loss, metric = (point.get(name, math.nan) for name in ("loss", "metric"))
        return cls(int(point["epoch"]), loss, metric, stopped="stopped" in point)

    @property
    def point(self) -> dict[str, float]:
        """Of the trial's curve."""
        found = {"epoch": self.epoch, "loss": self.loss, "metric": self.metric}
        return found | ({"stopped": 1.0} if self.stopped else {})

    def as_dict(self) -> dict[str, Any]:
        """As Tune carries it."""
        return asdict(self)
