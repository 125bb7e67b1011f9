"""From rows to tensors: padding, labels, and the teacher's outputs put where they belong.

Shape letters: B rows, N positions, C classes, R rows of logits that are compared, P words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alambique.distill.alignment import span_target, tag_target
from alambique.distill.rows import Rows, class_rows, no_rows, span_rows, tag_rows
from alambique.runtime.inputs import pad
from alambique.tasks.task import ClassGold, NoGold, SpanGold, TagGold
from alambique.workers.training.rows import Row

Record = NDArray[np.float32]
Teacher = Callable[[int], Record]
"""From the number of an example to the teacher's output for it, (words, 2 or C)."""


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
    compared: Callable[[Tensor], Rows]
    """From the network's logits (B, N, C) to the rows that the loss compares."""


def inputs_of(rows: Sequence[Row], pad_id: int) -> Inputs:
    """The padded windows of `rows`."""
    padded = pad([row.window for row in rows], pad_id)
    return Inputs(
        torch.from_numpy(padded.input_ids_BN),
        torch.from_numpy(padded.attention_BN),
        torch.from_numpy(padded.type_ids_BN),
    )


def batch_of(
    rows: Sequence[Row | None],
    stand_in: Row,
    *,
    pad_id: int,
    classes: int,
    teacher: Teacher | None,
    device: torch.device,
) -> Batch:
    """The batch of `rows`; a missing one is `stand_in` at weight 0."""
    present = [(row or stand_in, row is not None) for row in rows]
    inputs = inputs_of([row for row, _ in present], pad_id).to(device)
    weight_B = torch.tensor([float(real) for _, real in present], device=device)
    match stand_in.gold:
        case SpanGold():
            compared = _span_batch(present, inputs, weight_B, teacher)
        case TagGold():
            compared = _tag_batch(present, inputs, classes, teacher)
        case ClassGold():
            compared = _class_batch(present, inputs, weight_B, teacher)
        case NoGold():
            compared = no_rows
    return Batch(inputs, weight_B, compared)


def _span_batch(
    present: Sequence[tuple[Row, bool]], inputs: Inputs, weight_B: Tensor, teacher: Teacher | None
) -> Callable[[Tensor], Rows]:
    size, length = inputs.input_ids_BN.shape
    device = inputs.input_ids_BN.device
    allowed_BN = np.zeros((size, length), dtype=bool)
    gold_B2 = np.zeros((size, 2), dtype=np.int64)
    target_B2N = np.full((size, 2, length), -np.inf, dtype=np.float32)
    for b, (row, _) in enumerate(present):
        window = row.window
        allowed_BN[b, : row.length] = window.first_word_N >= 0
        allowed_BN[b, window.null] = True
        assert isinstance(row.gold, SpanGold)
        gold_B2[b] = row.gold.start, row.gold.end
        if teacher is not None:
            target_B2N[b, :, : row.length] = span_target(teacher(row.example), window)
    allowed, gold = (torch.from_numpy(array).to(device) for array in (allowed_BN, gold_B2))
    target = None if teacher is None else torch.from_numpy(target_B2N).to(device)
    return lambda logits_BNC: span_rows(
        logits_BNC, allowed_BN=allowed, gold_B2=gold, target_B2N=target, weight_B=weight_B
    )


def _tag_batch(
    present: Sequence[tuple[Row, bool]], inputs: Inputs, classes: int, teacher: Teacher | None
) -> Callable[[Tensor], Rows]:
    device = inputs.input_ids_BN.device
    parts = [_tags_of_row(b, *item, classes, teacher) for b, item in enumerate(present)]
    batch_R, position_R, labels_R, weight_R = (
        torch.from_numpy(np.concatenate([part[i] for part in parts])).to(device) for i in range(4)
    )
    target_RC = torch.from_numpy(np.concatenate([part[4] for part in parts])).to(device)
    target = None if teacher is None else target_RC
    return lambda logits_BNC: tag_rows(
        logits_BNC,
        batch_R=batch_R,
        position_R=position_R,
        labels_R=labels_R,
        target_RC=target,
        weight_R=weight_R,
    )


def _class_batch(
    present: Sequence[tuple[Row, bool]], inputs: Inputs, weight_B: Tensor, teacher: Teacher | None
) -> Callable[[Tensor], Rows]:
    device = inputs.input_ids_BN.device
    labels_B = torch.tensor([_label(row) for row, _ in present], device=device)
    target_BC = None
    if teacher is not None:
        records = np.concatenate([teacher(row.example) for row, _ in present])
        target_BC = torch.from_numpy(records).to(device)
    return lambda logits_B1C: class_rows(
        logits_B1C[:, 0], labels_R=labels_B, target_RC=target_BC, weight_R=weight_B
    )


def _label(row: Row) -> int:
    assert isinstance(row.gold, ClassGold)
    return row.gold.label


def _tags_of_row(
    b: int, row: Row, real: bool, classes: int, teacher: Teacher | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Record, Record]:
    """A row's part of the batch: row number, positions, labels, weights, teacher's logits."""
    assert isinstance(row.gold, TagGold)
    positions = row.gold.positions_P.astype(np.int64)
    count = len(positions)
    # -inf throughout: the teacher's tokenizer has no piece of that word, so it is silent there
    target_PC = np.full((count, classes), -np.inf, dtype=np.float32)
    if teacher is not None:
        at, found = tag_target(teacher(row.example), row.window)
        place = {int(position): p for p, position in enumerate(positions)}
        for position, logits_C in zip(at, found, strict=True):
            target_PC[place[int(position)]] = logits_C
    weight = np.full(count, float(real), dtype=np.float32)
    return np.full(count, b), positions, row.gold.labels_P.astype(np.int64), weight, target_PC
