"""From windows to tensors: padding, targets, and the teachers' outputs put where they belong.

Shapes: B windows, N pieces of the longest, C classes, R rows of logits that are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from alambique.cache.reader import Outputs
from alambique.distill.activations import LayerOutputs
from alambique.distill.prediction_rows import PredictionRows, ensemble_rows
from alambique.runtime.windows import Window, pad
from alambique.spec.errors import LostWorker
from alambique.tasks.examples import Example
from alambique.workers.training.example_windows import ExampleWindow
from alambique.workers.training.kinds.kind import OutputKind, Record, Targets, to_device


@dataclass(frozen=True, slots=True)
class InputTensors:
    """What a network is fed, each (B, N), int64."""

    input_ids_BN: Tensor
    attention_BN: Tensor
    type_ids_BN: Tensor

    @classmethod
    def of(cls, windows: Sequence[Window], pad_id: int) -> "InputTensors":
        """Return windows padded to the longest of them, on the CPU."""
        padded = pad(windows, pad_id)
        return cls(
            torch.from_numpy(padded.input_ids_BN),
            torch.from_numpy(padded.attention_BN),
            torch.from_numpy(padded.type_ids_BN),
        )

    def to(self, device: torch.device) -> "InputTensors":
        """Return the same on a device, without waiting for it."""
        return InputTensors(
            self.input_ids_BN.to(device, non_blocking=True),
            self.attention_BN.to(device, non_blocking=True),
            self.type_ids_BN.to(device, non_blocking=True),
        )


def forward(network: Any, inputs: InputTensors) -> Tensor:
    """Return a network's logits for a batch, (B, N, C)."""
    logits: Tensor = network(inputs.input_ids_BN, inputs.attention_BN, inputs.type_ids_BN)
    return logits


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows as a network and a loss take them: tensors on one device."""

    inputs: InputTensors
    weight_B: Tensor
    """1 for each window; 0 for one that stands in for a window that is missing."""
    targets: Targets
    teacher_targets: tuple[Tensor, ...]
    """The outputs of each teacher, in the form of `OutputKind.teacher_targets`."""
    teacher_weights: tuple[float, ...]

    def prediction_rows(self, logits_BNC: Tensor) -> PredictionRows:
        """Return the rows of a network's logits that a loss compares, with their targets."""
        match self.teacher_targets:
            case ():
                return self.targets.prediction_rows(logits_BNC, None)
            case (teacher,):
                return self.targets.prediction_rows(logits_BNC, teacher)
            case several:
                rows = [self.targets.prediction_rows(logits_BNC, teacher) for teacher in several]
                return ensemble_rows(rows, self.teacher_weights)


class Teacher(Protocol):
    """Reads the outputs of a teacher."""

    @property
    def weight(self) -> float:
        """The weight of this teacher among several."""

    def record(self, example: int) -> Record:
        """Return the output for the example of that number."""


@dataclass(frozen=True, slots=True)
class CachedTeacher:
    """A teacher whose outputs the cache holds."""

    outputs: Outputs
    examples: Sequence[Example]
    """The examples of the run, by their numbers."""
    keys: Sequence[bytes]
    """The key of each example in the cache."""
    weight: float
    """The weight of this teacher among several."""

    def record(self, example: int) -> Record:
        """Return the output for the example of that number.

        Raises:
            LostWorker: the cache has lost it.
        """
        record = self.outputs.get(self.keys[example])
        if record is None:
            raise LostWorker(
                f"the teacher's output for example {self.examples[example].id!r} was in the cache "
                "and is gone: the next attempt computes it again"
            )
        return record


@dataclass(frozen=True, slots=True)
class Collator:
    """Makes batches of windows."""

    kind: OutputKind
    pad_id: int
    teachers: Sequence[Teacher]
    device: torch.device

    def collate(self, windows: Sequence[ExampleWindow | None], stand_in: ExampleWindow) -> Batch:
        """Return the batch of `windows`; a missing one is `stand_in` at weight 0."""
        present = [each or stand_in for each in windows]
        inputs = InputTensors.of([each.window for each in present], self.pad_id).to(self.device)
        weight_B = to_device([float(each is not None) for each in windows], self.device)
        length = inputs.input_ids_BN.shape[1]
        teacher_targets = [
            self._teacher_targets(teacher, present, length) for teacher in self.teachers
        ]
        return Batch(
            inputs=inputs,
            weight_B=weight_B,
            targets=self.kind.collate(present, weight_B, length),
            teacher_targets=tuple(each for each in teacher_targets if each is not None),
            teacher_weights=tuple(teacher.weight for teacher in self.teachers),
        )

    def _teacher_targets(
        self, teacher: Teacher, windows: Sequence[ExampleWindow], length: int
    ) -> Tensor | None:
        records = [teacher.record(each.example) for each in windows]
        targets = self.kind.teacher_targets(windows, records, length=length)
        return None if targets is None else to_device(targets, self.device)


@dataclass(frozen=True, slots=True)
class BatchOutputs:
    """What the networks give for a batch."""

    logits_BNC: Tensor
    """The student's logits."""
    rows: PredictionRows
    """The rows of `logits_BNC` that a loss compares."""
    layers: LayerOutputs | None
    """The activations of both networks, if terms compare layers."""
