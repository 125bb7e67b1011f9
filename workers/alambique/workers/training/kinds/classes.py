"""Classes: one for each text, or pair of texts, which is a window of its own.

Shapes: B windows of a batch, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from alambique.distill.alignment import class_record
from alambique.distill.prediction_rows import PredictionRows, class_rows
from alambique.runtime.windows import Window
from alambique.spec.outputs import Output
from alambique.tasks.task import ClassGold, Gold
from alambique.workers.training.example_windows import EvaluationSet, ExampleWindow
from alambique.workers.training.kinds.kind import (
    Record,
    WindowLogits,
    to_device,
)
from alambique.workers.training.predictions import TaskMetric


@dataclass(frozen=True, slots=True)
class ClassTargets:
    """The class of each text of a batch."""

    labels_B: Tensor
    """int64."""
    weight_B: Tensor
    labelled_B: Tensor
    """bool: whether the class is known."""

    def prediction_rows(self, logits_B1C: Tensor, teacher_BC: Tensor | None) -> PredictionRows:
        """Return a row for each text."""
        return class_rows(
            logits_B1C[:, 0],
            labels_R=self.labels_B,
            target_RC=teacher_BC,
            weight_R=self.weight_B,
            labelled_R=self.labelled_B,
        )


class Classes:
    """A class for each text."""

    output: ClassVar[Output] = Output.CLASSES
    has_head: ClassVar[bool] = True
    has_classes: ClassVar[bool] = True
    is_per_word: ClassVar[bool] = False

    def unknown_gold(self, window: Window) -> Gold:
        """Return the first class."""
        return ClassGold(0)

    def weight(self, gold: Gold) -> float:
        """Return 1: every text counts once."""
        return 1.0

    def record(
        self, windows: Sequence[Window], logits: Sequence[WindowLogits], words: int
    ) -> Record:
        """Return the logits of the text, (1, C)."""
        return class_record(logits[0])

    def collate(
        self, windows: Sequence[ExampleWindow], weight_B: Tensor, length: int
    ) -> ClassTargets:
        """Return the classes of a batch."""
        device = weight_B.device
        return ClassTargets(
            labels_B=to_device([_label(each.gold) for each in windows], device),
            weight_B=weight_B,
            labelled_B=to_device([each.labelled for each in windows], device),
        )

    def teacher_targets(
        self,
        windows: Sequence[ExampleWindow],
        records: Sequence[Record],
        *,
        length: int,
    ) -> Record:
        """Return the teacher's logits of each text, (B, C)."""
        return np.concatenate(records)

    def metric(self, evaluation: EvaluationSet, windows: Sequence[ExampleWindow]) -> TaskMetric:
        """Return the task's primary metric."""
        return TaskMetric(evaluation, windows)


def _label(gold: Gold) -> int:
    assert isinstance(gold, ClassGold)
    return gold.label
