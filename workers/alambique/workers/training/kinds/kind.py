"""What training needs to know of a kind of output: a Protocol, with one implementation a module.

Shapes: B windows of a batch, N pieces of the longest, C classes, R compared rows.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alambique.distill.activations import LayerOutputs
from alambique.distill.prediction_rows import PredictionRows
from alambique.runtime.windows import Window
from alambique.spec.outputs import Output
from alambique.tasks.task import Gold
from alambique.workers.training.distributed import DistributedContext
from alambique.workers.training.example_windows import EvaluationSet, ExampleWindow

Record = NDArray[np.float32]
"""A teacher's output for one example as the cache stores it: (words, C), or (1, C) for the text."""

WindowLogits = NDArray[np.float32]
"""The logits of one window, without padding: (N, C)."""


def to_device(values: NDArray[Any] | Sequence[float], device: torch.device) -> Tensor:
    """Return an array, or a list of numbers, as a tensor on a device, without waiting for it.

    A copy that blocks would wait for all that the device still has to do. From memory that is not
    pinned the values are staged before this returns: they may change afterwards.
    """
    return torch.as_tensor(values).to(device, non_blocking=True)


class Targets(Protocol):
    """What the predictions for a batch are compared with: tensors on one device."""

    def prediction_rows(self, logits_BNC: Tensor, teacher: Tensor | None) -> PredictionRows:
        """Return the rows of logits that a loss compares, with their targets.

        Args:
            logits_BNC: what the network answers for the batch.
            teacher: what `OutputKind.teacher_targets` gives for the batch; None: there is no
                teacher.
        """


class Metric(Protocol):
    """A figure of merit that is summed up batch by batch."""

    def add(self, numbers: Sequence[int], logits_BNC: Tensor, layers: LayerOutputs | None) -> None:
        """Take in a batch.

        Args:
            numbers: of its windows, among those that the metric was made for; a batch may have
                more rows than numbers, which are padding.
            logits_BNC: what the network answers for it.
            layers: the activations of both networks, if the objective compares layers.
        """

    def compute(self, context: DistributedContext) -> float:
        """Return the value over the batches of all processes, the same on each."""


class OutputKind(Protocol):
    """A kind of output: how its targets are made and batched, and how predictions are judged.

    A kind without a head predicts nothing: its networks are compared with their teacher by layers.
    """

    output: ClassVar[Output]
    """What this kind is called where a task states it."""
    has_head: ClassVar[bool]
    """Whether networks of this kind predict anything."""
    has_classes: ClassVar[bool]
    """Whether the labels of the data name the columns of the logits."""
    is_per_word: ClassVar[bool]
    """Whether each word of a text has an answer of its own."""

    def unknown_gold(self, window: Window) -> Gold:
        """Return the gold that stands in an unlabelled window: the compared places, any label."""

    def weight(self, gold: Gold) -> float:
        """Return how much a window with this gold counts in a mean over windows."""

    def record(
        self, windows: Sequence[Window], logits: Sequence[WindowLogits], words: int
    ) -> Record:
        """Return a teacher's output for an example of so many words.

        Args:
            windows: all windows of the example.
            logits: what the teacher answers for each.
            words: how many rows the record has.

        Raises:
            BadTeacher: a logit is NaN or infinite.
            BadSpec: outputs of this kind are not stored.
        """

    def collate(self, windows: Sequence[ExampleWindow], weight_B: Tensor, length: int) -> Targets:
        """Return the targets of a batch, on the device of `weight_B`.

        Args:
            windows: of the batch.
            weight_B: 1 for each window; 0 for one that stands in for a window that is missing.
            length: N, to which the windows are padded.
        """

    def teacher_targets(
        self,
        windows: Sequence[ExampleWindow],
        records: Sequence[Record],
        *,
        length: int,
    ) -> Record | None:
        """Return a teacher's output as targets of a batch; None: no output is compared.

        Args:
            windows: of the batch.
            records: the teacher's output for the example of each window.
            length: N, to which the windows are padded.
        """

    def metric(self, evaluation: EvaluationSet, windows: Sequence[ExampleWindow]) -> Metric:
        """Return an empty metric for those `windows` of an evaluation that this process takes."""
