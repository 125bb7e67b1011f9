"""From rows to tensors: padding, labels, and the teachers' outputs put where they belong.

Shape letters: B rows, N positions, C classes, R rows of logits that are compared, P words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alambique.distill.alignment import span_target, tag_target
from alambique.distill.prediction_rows import (
    PredictionRows,
    class_rows,
    empty_rows,
    ensemble_rows,
    span_rows,
    tag_rows,
)
from alambique.runtime.inputs import pad
from alambique.tasks.task import ClassGold, NoGold, SpanGold, TagGold
from alambique.workers.training.target_windows import TargetWindow

Record = NDArray[np.float32]
Present = Sequence[tuple[TargetWindow, bool]]
"""The rows of a batch, each with whether it is really one."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """What a student learns from."""

    output_of: Callable[[int], Record]
    """From the number of an example to the teacher's output for it, (words, 2 or C)."""
    weight: float = 1.0
    """How much that counts beside what others say."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a network is fed, each (B, N), int64."""

    input_ids_BN: Tensor
    attention_BN: Tensor
    type_ids_BN: Tensor

    def to(self, device: torch.device) -> "Inputs":
        """The same on a device."""
        return Inputs(
            self.input_ids_BN.to(device), self.attention_BN.to(device), self.type_ids_BN.to(device)
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as a network and a loss want them."""

    inputs: Inputs
    weight_B: Tensor
    """Of each window; 0: it stands in for one that is missing."""
    compared: Callable[[Tensor], PredictionRows]
    """From the network's logits (B, N, C) to the rows that the loss compares."""


def inputs_of(rows: Sequence[TargetWindow], pad_id: int) -> Inputs:
    """The padded windows of `rows`."""
    padded = pad([row.window for row in rows], pad_id)
    return Inputs(
        torch.from_numpy(padded.input_ids_BN),
        torch.from_numpy(padded.attention_BN),
        torch.from_numpy(padded.type_ids_BN),
    )


def batch_of(
    rows: Sequence[TargetWindow | None],
    stand_in: TargetWindow,
    *,
    pad_id: int,
    classes: int,
    teachers: Sequence[Teacher],
    device: torch.device,
) -> Batch:
    """The batch of `rows`; a missing one is `stand_in` at weight 0."""
    present = [(row or stand_in, row is not None) for row in rows]
    inputs = inputs_of([row for row, _ in present], pad_id).to(device)
    weight_B = torch.tensor([float(real) for _, real in present], device=device)
    match stand_in.gold:
        case SpanGold():
            compare = _span_batch(present, inputs, weight_B)
            targets = [_span_targets(present, inputs, one) for one in teachers]
        case TagGold():
            compare = _tag_batch(present, device)
            targets = [_tag_targets(present, classes, one) for one in teachers]
        case ClassGold():
            compare = _class_batch(present, weight_B)
            targets = [_class_targets(present, one) for one in teachers]
        case NoGold():
            compare, targets = _nothing, []
    told = [torch.from_numpy(target).to(device) for target in targets]
    return Batch(inputs, weight_B, partial(_compared, compare, told, [t.weight for t in teachers]))


Compare = Callable[[Tensor, Tensor | None], PredictionRows]
"""From a network's logits, and a teacher's where there is one, to rows."""


def _compared(
    compare: Compare, targets: Sequence[Tensor], weights: Sequence[float], logits_BNC: Tensor
) -> PredictionRows:
    match targets:
        case []:
            return compare(logits_BNC, None)
        case [target]:
            return compare(logits_BNC, target)
        case _:
            return ensemble_rows([compare(logits_BNC, target) for target in targets], weights)


def _nothing(states_BND: Tensor, _: Tensor | None) -> PredictionRows:
    return empty_rows(states_BND)


def _labelled(present: Present, device: torch.device) -> Tensor:
    return torch.tensor([row.labelled for row, _ in present], device=device)


def _span_batch(present: Present, inputs: Inputs, weight_B: Tensor) -> Compare:
    size, length = inputs.input_ids_BN.shape
    device = inputs.input_ids_BN.device
    allowed_BN = np.zeros((size, length), dtype=bool)
    gold_B2 = np.zeros((size, 2), dtype=np.int64)
    for b, (row, _) in enumerate(present):
        window = row.window
        allowed_BN[b, : row.length] = window.first_word_N >= 0
        allowed_BN[b, window.null] = True
        assert isinstance(row.gold, SpanGold)
        gold_B2[b] = row.gold.start, row.gold.end
    allowed, gold = (torch.from_numpy(array).to(device) for array in (allowed_BN, gold_B2))
    labelled_B = _labelled(present, device)
    return lambda logits_BNC, target_B2N: span_rows(
        logits_BNC,
        allowed_BN=allowed,
        gold_B2=gold,
        target_B2N=target_B2N,
        weight_B=weight_B,
        labelled_B=labelled_B,
    )


def _span_targets(present: Present, inputs: Inputs, teacher: Teacher) -> Record:
    size, length = inputs.input_ids_BN.shape
    target_B2N = np.full((size, 2, length), -np.inf, dtype=np.float32)
    for b, (row, _) in enumerate(present):
        record = teacher.output_of(row.example)
        target_B2N[b, :, : row.length] = span_target(record, row.window)
    return target_B2N


def _tag_batch(present: Present, device: torch.device) -> Compare:
    golds = [_tags(row) for row, _ in present]
    batch_R = np.repeat(np.arange(len(golds)), [len(gold.positions_P) for gold in golds])
    weight_B = np.array([float(real) for _, real in present], dtype=np.float32)
    places = [np.concatenate([gold.positions_P for gold in golds]).astype(np.int64), batch_R]
    labels = np.concatenate([gold.labels_P for gold in golds]).astype(np.int64)
    arrays = (*places, labels, weight_B[batch_R])
    position_R, window_R, labels_R, weight_R = (torch.from_numpy(a).to(device) for a in arrays)
    labelled_R = _labelled(present, device)[window_R]
    return lambda logits_BNC, target_RC: tag_rows(
        logits_BNC,
        batch_R=window_R,
        position_R=position_R,
        labels_R=labels_R,
        target_RC=target_RC,
        weight_R=weight_R,
        labelled_R=labelled_R,
    )


def _tags(row: TargetWindow) -> TagGold:
    assert isinstance(row.gold, TagGold)
    return row.gold


def _tag_targets(present: Present, classes: int, teacher: Teacher) -> Record:
    return np.concatenate([_tag_target(row, classes, teacher) for row, _ in present])


def _tag_target(row: TargetWindow, classes: int, teacher: Teacher) -> Record:
    positions_P = _tags(row).positions_P
    # -inf throughout: the teacher's tokenizer has no piece of that word, so it is silent there
    target_PC = np.full((len(positions_P), classes), -np.inf, dtype=np.float32)
    at, found = tag_target(teacher.output_of(row.example), row.window)
    place = {int(position): p for p, position in enumerate(positions_P)}
    for position, logits_C in zip(at, found, strict=True):
        target_PC[place[int(position)]] = logits_C
    return target_PC


def _class_batch(present: Present, weight_B: Tensor) -> Compare:
    device = weight_B.device
    labels_B = torch.tensor([_label(row) for row, _ in present], device=device)
    labelled_B = _labelled(present, device)
    return lambda logits_B1C, target_BC: class_rows(
        logits_B1C[:, 0],
        labels_R=labels_B,
        target_RC=target_BC,
        weight_R=weight_B,
        labelled_R=labelled_B,
    )


def _class_targets(present: Present, teacher: Teacher) -> Record:
    return np.concatenate([teacher.output_of(row.example) for row, _ in present])


def _label(row: TargetWindow) -> int:
    assert isinstance(row.gold, ClassGold)
    return row.gold.label
