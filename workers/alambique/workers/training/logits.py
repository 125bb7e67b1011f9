"""What a network answers for many rows: batches of similar length, the answers in row order."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alambique.workers.training.batches import Inputs, inputs_of
from alambique.workers.training.target_windows import TargetWindow

WindowLogits = NDArray[np.float32]
"""The logits of one row, without padding: (N, C)."""

_CPU_TOKENS = 1024
"""Of a batch when nothing is learnt: what a layer makes of them stays in a processor's cache."""

_GPU_TOKENS = 8192
"""Of such a batch on an accelerator, which small ones leave idle."""

_ROWS = 512
"""Of such a batch: texts of a word or two are many."""


def by_length(lengths: Sequence[int], device: torch.device) -> Iterator[list[int]]:
    """Yield the numbers of rows in batches without much padding, longest rows first.

    Args:
        lengths: tokens of each row.
        device: what computes; it decides how many tokens a batch has at most, padding counted. A
            row that has more is a batch by itself.
    """
    tokens = _CPU_TOKENS if device.type == "cpu" else _GPU_TOKENS
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    first = 0
    while first < len(order):
        size = min(_ROWS, max(1, tokens // max(1, lengths[order[first]])))
        yield order[first : first + size]
        first += size


def predict_logits(
    logits: Callable[[Inputs], Tensor],
    rows: Sequence[TargetWindow],
    *,
    pad_id: int,
    device: torch.device,
) -> list[WindowLogits]:
    """The logits of every row."""
    found: list[WindowLogits | None] = [None] * len(rows)
    with torch.inference_mode():
        for batch in by_length([row.length for row in rows], device):
            chosen = [rows[i] for i in batch]
            logits_BNC = logits(inputs_of(chosen, pad_id).to(device)).float().cpu().numpy()
            for i, row, logits_NC in zip(batch, chosen, logits_BNC, strict=True):
                found[i] = logits_NC[: row.length].copy()
    return [answer for answer in found if answer is not None]
