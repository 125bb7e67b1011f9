"""Spans: the first and the last piece of an answer in its context, or that there is none.

Shapes: B windows of a batch, N pieces of the longest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from alambique.distill.alignment import span_record, span_target
from alambique.distill.prediction_rows import PredictionRows, span_rows
from alambique.runtime.windows import Window
from alambique.spec.outputs import Output
from alambique.tasks.task import Gold, SpanGold
from alambique.workers.training.example_windows import EvaluationSet, ExampleWindow
from alambique.workers.training.kinds.kind import (
    Record,
    WindowLogits,
    to_device,
)
from alambique.workers.training.predictions import TaskMetric


@dataclass(frozen=True, slots=True)
class SpanTargets:
    """Where an answer may be in the windows of a batch, and where it is."""

    allowed_BN: Tensor
    """bool: the null, which is the first allowed position of a window, and the context's pieces."""
    gold_B2: Tensor
    """The positions of the answer's first and last piece, or the null twice; int64."""
    weight_B: Tensor
    labelled_B: Tensor
    """bool: whether the window's gold is known."""

    def prediction_rows(self, logits_BNC: Tensor, teacher_B2N: Tensor | None) -> PredictionRows:
        """Return two rows for each window, its start and its end, over N positions."""
        return span_rows(
            logits_BNC,
            allowed_BN=self.allowed_BN,
            gold_B2=self.gold_B2,
            target_B2N=teacher_B2N,
            weight_B=self.weight_B,
            labelled_B=self.labelled_B,
        )


class Span:
    """Answers as spans of a context."""

    output: ClassVar[Output] = Output.SPAN
    has_head: ClassVar[bool] = True
    has_classes: ClassVar[bool] = False
    is_per_word: ClassVar[bool] = False

    def unknown_gold(self, window: Window) -> Gold:
        """Return the null as start and end."""
        return SpanGold(window.null, window.null)

    def weight(self, gold: Gold) -> float:
        """Return 1: every window counts once."""
        return 1.0

    def record(
        self, windows: Sequence[Window], logits: Sequence[WindowLogits], words: int
    ) -> Record:
        """Return the start and end log-odds of each word, (words, 2)."""
        return span_record(windows, logits, words)

    def collate(
        self, windows: Sequence[ExampleWindow], weight_B: Tensor, length: int
    ) -> SpanTargets:
        """Return the allowed positions and the answers of a batch."""
        allowed_BN = np.zeros((len(windows), length), dtype=bool)
        gold_B2 = np.zeros((len(windows), 2), dtype=np.int64)
        for b, each in enumerate(windows):
            allowed_BN[b, : each.length] = each.window.first_word_N >= 0
            allowed_BN[b, each.window.null] = True
            assert isinstance(each.gold, SpanGold)
            gold_B2[b] = each.gold.start, each.gold.end
        device = weight_B.device
        return SpanTargets(
            allowed_BN=to_device(allowed_BN, device),
            gold_B2=to_device(gold_B2, device),
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
        """Return the teacher's log masses of starts and ends, (B, 2, N); -inf at padding."""
        target_B2N = np.full((len(windows), 2, length), -np.inf, dtype=np.float32)
        for b, (each, record) in enumerate(zip(windows, records, strict=True)):
            target_B2N[b, :, : each.length] = span_target(record, each.window)
        return target_B2N

    def metric(self, evaluation: EvaluationSet, windows: Sequence[ExampleWindow]) -> TaskMetric:
        """Return the task's primary metric."""
        return TaskMetric(evaluation, windows)
