"""Scoring a network on examples, in this process."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alambique.models.networks import Network, load
from alambique.runtime.windows import Encoder
from alambique.tasks import calibration
from alambique.tasks.bootstrap import Floats
from alambique.tasks.calibration import calibration_error
from alambique.tasks.examples import Example
from alambique.tasks.task import Task
from alambique.workers.training.batches import inputs_of
from alambique.workers.training.distributed import this_device
from alambique.workers.training.engines import forward
from alambique.workers.training.logits import WindowLogits, by_length, predict_logits
from alambique.workers.training.predictions import decode_predictions
from alambique.workers.training.target_windows import TargetWindow, make_windows


@dataclass(frozen=True)
class LoadedModel:
    """A network with what it reads, ready to answer."""

    task: Task[Any, Any]
    network: Network
    encoder: Encoder
    labels: tuple[str, ...]
    device: torch.device

    @classmethod
    def of(
        cls,
        task: Task[Any, Any],
        folder: Path,
        labels: tuple[str, ...],
        *,
        max_length: int,
        stride: int,
        device: torch.device | None = None,
    ) -> "LoadedModel":
        """The network in `folder`, on that device, or on this process's."""
        encoder = Encoder.from_folder(folder, max_length=max_length, stride=stride)
        device = device or this_device()
        network = load(folder, task.output, labels).to(device).eval()
        return cls(task, network, encoder, labels, device)

    def moved(self, device: torch.device) -> "LoadedModel":
        """The same, on another device, and on the one before no more."""
        return replace(self, network=self.network.to(device), device=device)

    def rows(self, examples: Sequence[Example]) -> list[TargetWindow]:
        """What the network is fed for `examples`."""
        return make_windows(self.task, examples, self.encoder, self.labels)

    def predict_logits(self, rows: Sequence[TargetWindow]) -> list[WindowLogits]:
        """The logits of every row."""
        return predict_logits(
            lambda inputs: forward(self.network, inputs),
            rows,
            pad_id=self.encoder.pad_id,
            device=self.device,
        )

    def pass_over(self, rows: Sequence[TargetWindow]) -> list[WindowLogits]:
        """Answers every row and keeps nothing: the states of a large set are more than fit."""
        with torch.inference_mode():
            for batch in by_length([row.length for row in rows], self.device):
                inputs = inputs_of([rows[i] for i in batch], self.encoder.pad_id)
                forward(self.network, inputs.to(self.device)).cpu()
        return []

    def scores(
        self,
        examples: Sequence[Example],
        rows: Sequence[TargetWindow],
        found: Sequence[WindowLogits],
    ) -> dict[str, float]:
        """The task's metrics of these answers."""
        return self.task.score(examples, self.predictions(examples, rows, found))

    def predictions(
        self,
        examples: Sequence[Example],
        rows: Sequence[TargetWindow],
        found: Sequence[WindowLogits],
    ) -> list[Any]:
        """What these answers predict for each example."""
        predicted = decode_predictions(self.task, examples, rows, found, self.labels)
        return [predicted[i] for i in range(len(examples))]

    def test(
        self, examples: Sequence[Example], rows: Sequence[TargetWindow]
    ) -> tuple[dict[str, float], Floats]:
        """Return the task's metrics with the calibration error, and what each example adds (E, 2).

        Where an answer has no probability there is no calibration error.

        Args:
            examples: of the test split.
            rows: all of theirs.
        """
        found = self.predict_logits(rows)
        predicted = decode_predictions(self.task, examples, rows, found, self.labels)
        predictions = [predicted[i] for i in range(len(examples))]
        windows: list[list[int]] = [[] for _ in examples]
        for number, row in enumerate(rows):
            windows[row.example].append(number)
        confidence = [
            self.task.confidence(
                prediction, example, [rows[i].window for i in own], [found[i] for i in own]
            )
            for prediction, example, own in zip(predictions, examples, windows, strict=True)
        ]
        scores, given_N = self.task.score(examples, predictions), np.concatenate(confidence)
        if not np.isnan(given_N).any():
            error = calibration_error(given_N, self.task.right(examples, predictions))
            scores |= {calibration.NAME: error}
        return scores, self.task.fractions(examples, predictions)


def score_of(
    task: Task[Any, Any],
    folder: Path,
    examples: Sequence[Example],
    labels: tuple[str, ...],
    *,
    max_length: int,
    stride: int,
) -> dict[str, float]:
    """The task's metrics of the network in `folder` on `examples`."""
    windows = {"max_length": max_length, "stride": stride}
    return task.score(examples, predict_examples(task, folder, examples, labels, **windows))


def predict_examples(
    task: Task[Any, Any],
    folder: Path,
    examples: Sequence[Example],
    labels: tuple[str, ...],
    *,
    max_length: int,
    stride: int,
) -> list[Any]:
    """Return what the network in `folder` predicts for each of `examples`."""
    examined = LoadedModel.of(task, folder, labels, max_length=max_length, stride=stride)
    rows = examined.rows(examples)
    return examined.predictions(examples, rows, examined.predict_logits(rows))


def synchronised(network: Network, *inputs: torch.Tensor) -> torch.Tensor:
    """The network's answer, once the device has really computed it."""
    logits: torch.Tensor = network(*inputs)
    if logits.is_cuda:
        torch.cuda.synchronize()
    return logits
