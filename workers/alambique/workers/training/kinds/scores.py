"""Scores: one number for each text, or pair of texts, which is a window of its own.

Shapes: B windows of a batch; an axis of 1 is that of the only output, or of the only piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from alambique.distill.alignment import class_record
from alambique.distill.prediction_rows import PredictionRows, score_rows
from alambique.runtime.windows import Window
from alambique.spec.outputs import Output
from alambique.tasks.task import Gold, ScoreGold
from alambique.workers.training.example_windows import EvaluationSet, ExampleWindow
from alambique.workers.training.kinds.kind import (
    Record,
    WindowLogits,
    to_device,
)
from alambique.workers.training.predictions import TaskMetric


@dataclass(frozen=True, slots=True)
class ScoreTargets:
    """The score of each text of a batch."""

    scores_B: Tensor
    """float32."""
    weight_B: Tensor
    labelled_B: Tensor
    """bool: whether the score is known."""

    def prediction_rows(self, logits_B11: Tensor, teacher_B1: Tensor | None) -> PredictionRows:
        """Return a row for each text."""
        return score_rows(
            logits_B11[:, 0],
            gold_R=self.scores_B,
            target_R1=teacher_B1,
            weight_R=self.weight_B,
            labelled_R=self.labelled_B,
        )


class Scores:
    """A score for each text."""

    output: ClassVar[Output] = Output.SCORE
    has_head: ClassVar[bool] = True
    has_classes: ClassVar[bool] = False
    is_per_word: ClassVar[bool] = False

    def unknown_gold(self, window: Window) -> Gold:
        """Return a score of 0."""
        return ScoreGold(0.0)

    def weight(self, gold: Gold) -> float:
        """Return 1: every text counts once."""
        return 1.0

    def record(
        self, windows: Sequence[Window], logits: Sequence[WindowLogits], words: int
    ) -> Record:
        """Return the score of the text, (1, 1)."""
        return class_record(logits[0])

    def collate(
        self, windows: Sequence[ExampleWindow], weight_B: Tensor, length: int
    ) -> ScoreTargets:
        """Return the scores of a batch."""
        device = weight_B.device
        scores_B = np.array([_score(each.gold) for each in windows], np.float32)
        return ScoreTargets(
            scores_B=to_device(scores_B, device),
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
        """Return the teacher's score of each text, (B, 1)."""
        return np.concatenate(records)

    def metric(self, evaluation: EvaluationSet, windows: Sequence[ExampleWindow]) -> TaskMetric:
        """Return the task's primary metric."""
        return TaskMetric(evaluation, windows)


def _score(gold: Gold) -> float:
    assert isinstance(gold, ScoreGold)
    return gold.score
