"""Scoring a network on examples, in this process."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, from_numpy, nn

from alambique.models.networks import Network, load
from alambique.runtime.engines import Forward
from alambique.runtime.windows import Encoder, Inputs
from alambique.tasks import calibration
from alambique.tasks.bootstrap import Floats
from alambique.tasks.calibration import calibration_error
from alambique.tasks.examples import Example
from alambique.tasks.task import Task
from alambique.workers.training.batches import InputTensors, forward
from alambique.workers.training.distributed import this_device
from alambique.workers.training.example_windows import EvaluationSet, ExampleWindow
from alambique.workers.training.inputs import make_windows
from alambique.workers.training.kinds.kind import WindowLogits
from alambique.workers.training.predictions import by_length, decode_predictions, predict_logits


class EngineNetwork(nn.Module):
    """Answers as the network does that its file was made of; without weights that torch knows."""

    def __init__(self, engine: Forward) -> None:
        """Of what runs the file."""
        super().__init__()
        self._engine = engine

    def forward(self, input_ids_BN: Tensor, attention_BN: Tensor, type_ids_BN: Tensor) -> Tensor:
        """Return the logits, as `Network.forward` does."""
        arrays = (each.numpy() for each in (input_ids_BN, attention_BN, type_ids_BN))
        return from_numpy(self._engine(Inputs(*arrays)))


@dataclass(frozen=True)
class LoadedModel:
    """A network with what it reads, ready to answer."""

    task: Task[Any, Any]
    network: Network | EngineNetwork
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
        """Load the network in `folder`, onto that device, or this process's."""
        encoder = Encoder.from_folder(folder, max_length=max_length, stride=stride)
        device = device or this_device()
        network = load(folder, task.output, labels).to(device).eval()
        return cls(task, network, encoder, labels, device)

    def to(self, device: torch.device) -> "LoadedModel":
        """Move the network to another device; return the model there."""
        return replace(self, network=self.network.to(device), device=device)

    def with_network(self, network: Network | EngineNetwork) -> "LoadedModel":
        """Return the same with another network, such as its own in another engine."""
        return replace(self, network=network)

    def windows(self, examples: Sequence[Example]) -> list[ExampleWindow]:
        """Return what the network is fed for `examples`."""
        return make_windows(self.task, examples, self.encoder, self.labels)

    def forward(self, inputs: InputTensors) -> Tensor:
        """Return the network's logits for a batch, (B, N, C)."""
        return forward(self.network, inputs)

    def predict_logits(self, windows: Sequence[ExampleWindow]) -> list[WindowLogits]:
        """Return the logits of every window."""
        return predict_logits(
            self.forward,
            [each.window for each in windows],
            pad_id=self.encoder.pad_id,
            device=self.device,
        )

    def answer_all(self, windows: Sequence[ExampleWindow]) -> None:
        """Answer every window and keep nothing: the states of a large set are more than fit."""
        with torch.inference_mode():
            for batch in by_length([each.length for each in windows], self.device):
                inputs = InputTensors.of([windows[i].window for i in batch], self.encoder.pad_id)
                self.forward(inputs.to(self.device)).cpu()

    def predictions(
        self,
        examples: Sequence[Example],
        windows: Sequence[ExampleWindow],
        logits: Sequence[WindowLogits],
    ) -> list[Any]:
        """Return what the logits of all windows of `examples` predict for each example."""
        evaluation = EvaluationSet(self.task, self.labels, examples, windows)
        predicted = decode_predictions(evaluation, windows, logits)
        return [predicted[i] for i in range(len(examples))]

    def scores(
        self,
        examples: Sequence[Example],
        windows: Sequence[ExampleWindow],
        logits: Sequence[WindowLogits],
    ) -> dict[str, float]:
        """Return the task's metrics of what the logits predict."""
        return self.task.score(examples, self.predictions(examples, windows, logits))

    def test(
        self, examples: Sequence[Example], windows: Sequence[ExampleWindow]
    ) -> tuple[dict[str, float], Floats]:
        """Return the task's metrics with the calibration error, and what each example adds (E, 2).

        Where an answer has no probability there is no calibration error.

        Args:
            examples: of the test split.
            windows: all of theirs.
        """
        return self.test_logits(examples, windows, self.predict_logits(windows))

    def test_logits(
        self,
        examples: Sequence[Example],
        windows: Sequence[ExampleWindow],
        logits: Sequence[WindowLogits],
    ) -> tuple[dict[str, float], Floats]:
        """Return what `test` returns, of logits that the network has given for the windows."""
        predictions = self.predictions(examples, windows, logits)
        numbers_of: list[list[int]] = [[] for _ in examples]
        for number, each in enumerate(windows):
            numbers_of[each.example].append(number)
        confidence = [
            self.task.confidence(
                prediction,
                example,
                [windows[i].window for i in numbers],
                [logits[i] for i in numbers],
            )
            for prediction, example, numbers in zip(predictions, examples, numbers_of, strict=True)
        ]
        scores, confidence_N = self.task.score(examples, predictions), np.concatenate(confidence)
        if not np.isnan(confidence_N).any():
            error = calibration_error(confidence_N, self.task.right(examples, predictions))
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
    """Return the task's metrics of the network in `folder` on `examples`."""
    return task.score(
        examples,
        predict_examples(task, folder, examples, labels, max_length=max_length, stride=stride),
    )


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
    model = LoadedModel.of(task, folder, labels, max_length=max_length, stride=stride)
    windows = model.windows(examples)
    return model.predictions(examples, windows, model.predict_logits(windows))


def synchronised_logits(network: Network | EngineNetwork, *inputs: Tensor) -> Tensor:
    """Return the network's logits, once the device has really computed them."""
    logits: Tensor = network(*inputs)
    if logits.is_cuda:
        torch.cuda.synchronize()
    return logits
