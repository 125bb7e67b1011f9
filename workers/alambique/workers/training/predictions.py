"""What a network answers for many windows, and what its task predicts from that.

Shapes: B windows of a batch, N pieces of the longest, C classes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from alambique.distill.activations import LayerOutputs
from alambique.runtime.windows import Window
from alambique.workers.training.batches import InputTensors
from alambique.workers.training.distributed import DistributedContext
from alambique.workers.training.example_windows import EvaluationSet, ExampleWindow
from alambique.workers.training.kinds.kind import WindowLogits

_CPU_TOKENS = 1024
"""Of a batch when nothing is learnt: what a layer makes of them stays in a processor's cache."""

_GPU_TOKENS = 8192
"""Of such a batch on an accelerator, which small ones leave idle."""

_WINDOWS = 512
"""Of such a batch: texts of a word or two are many."""


def by_length(lengths: Sequence[int], device: torch.device) -> Iterator[list[int]]:
    """Yield the numbers of windows in batches without much padding, longest windows first.

    Args:
        lengths: tokens of each window.
        device: what computes; it decides how many tokens a batch has at most, padding counted. A
            window that has more is a batch by itself.
    """
    tokens = _CPU_TOKENS if device.type == "cpu" else _GPU_TOKENS
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    first = 0
    while first < len(order):
        size = min(_WINDOWS, max(1, tokens // max(1, lengths[order[first]])))
        yield order[first : first + size]
        first += size


def predict_logits(
    forward: Callable[[InputTensors], Tensor],
    windows: Sequence[Window],
    *,
    pad_id: int,
    device: torch.device,
) -> list[WindowLogits]:
    """Return the logits of every window, in their order.

    Args:
        forward: a network, from its inputs to logits (B, N, C).
        windows: of any lengths.
        pad_id: the token that windows are padded with.
        device: where the network is.
    """
    logits_of: dict[int, WindowLogits] = {}
    with torch.inference_mode():
        for batch in by_length([len(window) for window in windows], device):
            inputs = InputTensors.of([windows[i] for i in batch], pad_id).to(device)
            logits_BNC = forward(inputs).float().cpu().numpy()
            for i, logits_NC in zip(batch, logits_BNC, strict=True):
                logits_of[i] = logits_NC[: len(windows[i])].copy()
    return [logits_of[i] for i in range(len(windows))]


def decode_predictions(
    evaluation: EvaluationSet, windows: Sequence[ExampleWindow], logits: Sequence[WindowLogits]
) -> dict[int, Any]:
    """Return the prediction for each example that has windows here, by the example's number.

    Args:
        evaluation: gives the task, its examples and labels.
        windows: all windows of some of the examples.
        logits: of each of these windows.
    """
    numbers_of: dict[int, list[int]] = {}
    for number, each in enumerate(windows):
        numbers_of.setdefault(each.example, []).append(number)
    return {
        example: evaluation.task.predict(
            evaluation.examples[example],
            [windows[i].window for i in numbers],
            [logits[i] for i in numbers],
            evaluation.labels,
        )
        for example, numbers in numbers_of.items()
    }


@dataclass(frozen=True, slots=True)
class TaskMetric:
    """The primary metric of a task that predicts something, over the examples of all processes."""

    evaluation: EvaluationSet
    windows: Sequence[ExampleWindow]
    """All windows of the examples that this process takes."""
    _logits: dict[int, WindowLogits] = field(default_factory=dict, init=False)
    """By the number of the window in `windows`."""

    def add(self, numbers: Sequence[int], logits_BNC: Tensor, layers: LayerOutputs | None) -> None:
        """Keep the logits of a batch, without padding."""
        logits = logits_BNC.float().cpu().numpy()
        for b, i in enumerate(numbers):
            self._logits[i] = logits[b, : self.windows[i].length]

    def compute(self, context: DistributedContext) -> float:
        """Decode the predictions of this process, gather those of the others, and score them."""
        logits = [self._logits[i] for i in range(len(self.windows))]
        mine = decode_predictions(self.evaluation, self.windows, logits)
        predicted = {
            example: prediction
            for part in context.gather(mine)
            for example, prediction in part.items()
        }
        task, examples = self.evaluation.task, self.evaluation.examples
        scores = task.score(examples, [predicted[i] for i in range(len(examples))])
        return scores[task.primary]
