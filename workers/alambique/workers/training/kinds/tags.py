"""Tags: a class for each word of a text, given at the word's first piece.

Shapes: B windows of a batch, N pieces of the longest, C classes, R words of the batch, P words of
one window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from alambique.distill.alignment import first_pieces, tag_record, tag_target
from alambique.distill.prediction_rows import PredictionRows, tag_rows
from alambique.runtime.windows import Window
from alambique.spec.outputs import Output
from alambique.tasks.task import Gold, TagGold
from alambique.workers.training.example_windows import EvaluationSet, ExampleWindow
from alambique.workers.training.kinds.kind import (
    Record,
    WindowLogits,
    to_device,
)
from alambique.workers.training.predictions import TaskMetric


@dataclass(frozen=True, slots=True)
class TagTargets:
    """The words of a batch: where each one's first piece stands, and its tag."""

    window_R: Tensor
    """The number of each word's window in the batch, int64."""
    position_R: Tensor
    """The position of its first piece in that window, int64."""
    labels_R: Tensor
    """int64."""
    weight_R: Tensor
    labelled_R: Tensor
    """bool: whether the tag is known."""

    def prediction_rows(self, logits_BNC: Tensor, teacher_RC: Tensor | None) -> PredictionRows:
        """Return a row for each word: the logits at its first piece."""
        return tag_rows(
            logits_BNC,
            batch_R=self.window_R,
            position_R=self.position_R,
            labels_R=self.labels_R,
            target_RC=teacher_RC,
            weight_R=self.weight_R,
            labelled_R=self.labelled_R,
        )


class Tags:
    """A tag for each word."""

    output: ClassVar[Output] = Output.TAGS
    has_head: ClassVar[bool] = True
    has_classes: ClassVar[bool] = True
    is_per_word: ClassVar[bool] = True

    def unknown_gold(self, window: Window) -> Gold:
        """Return the first pieces of the window's best words, each under the first label."""
        words_P, positions_P = first_pieces(window)
        return TagGold(words_P, positions_P, np.zeros_like(positions_P))

    def weight(self, gold: Gold) -> float:
        """Return the number of words: each of them counts."""
        return float(len(_tags(gold).labels_P))

    def record(
        self, windows: Sequence[Window], logits: Sequence[WindowLogits], words: int
    ) -> Record:
        """Return the logits of each word, (words, C)."""
        return tag_record(windows, logits, words)

    def collate(
        self, windows: Sequence[ExampleWindow], weight_B: Tensor, length: int
    ) -> TagTargets:
        """Return the words of a batch, window by window."""
        golds, device = [_tags(each.gold) for each in windows], weight_B.device
        counts = [len(gold.positions_P) for gold in golds]
        window_R = to_device(np.repeat(np.arange(len(golds)), counts), device)
        positions_R = np.concatenate([gold.positions_P for gold in golds]).astype(np.int64)
        labels_R = np.concatenate([gold.labels_P for gold in golds]).astype(np.int64)
        labelled_B = to_device([each.labelled for each in windows], device)
        return TagTargets(
            window_R=window_R,
            position_R=to_device(positions_R, device),
            labels_R=to_device(labels_R, device),
            weight_R=weight_B[window_R],
            labelled_R=labelled_B[window_R],
        )

    def teacher_targets(
        self,
        windows: Sequence[ExampleWindow],
        records: Sequence[Record],
        *,
        length: int,
    ) -> Record:
        """Return the teacher's logits of each word of the batch, (R, C).

        A row is -inf throughout where the teacher's tokenizer has no piece of that word.
        """
        return np.concatenate(
            [
                tag_target(record, _tags(each.gold).words_P)
                for each, record in zip(windows, records, strict=True)
            ]
        )

    def metric(self, evaluation: EvaluationSet, windows: Sequence[ExampleWindow]) -> TaskMetric:
        """Return the task's primary metric."""
        return TaskMetric(evaluation, windows)


def _tags(gold: Gold) -> TagGold:
    assert isinstance(gold, TagGold)
    return gold
