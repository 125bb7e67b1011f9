"""What a network answers for many rows: batches of similar length, the answers in row order."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alambique.workers.training.batches import Inputs, inputs_of
from alambique.workers.training.rows import Row

Answer = NDArray[np.float32]
"""The logits of one row, without padding: (N, C)."""

TOKENS = 8192
"""Of a batch when nothing is learnt: small enough for a laptop's cache and memory."""


def by_length(rows: Sequence[Row], tokens: int = TOKENS) -> Iterator[list[int]]:
    """The numbers of `rows` in batches of at most so many tokens, longest rows first."""
    order = sorted(range(len(rows)), key=lambda i: -rows[i].length)
    while order:
        size = max(1, tokens // rows[order[0]].length)
        yield order[:size]
        order = order[size:]


def answers(
    logits: Callable[[Inputs], Tensor], rows: Sequence[Row], *, pad_id: int, device: torch.device
) -> list[Answer]:
    """The logits of every row."""
    found: list[Answer | None] = [None] * len(rows)
    with torch.inference_mode():
        for batch in by_length(rows):
            chosen = [rows[i] for i in batch]
            logits_BNC = logits(inputs_of(chosen, pad_id).to(device)).float().cpu().numpy()
            for i, row, logits_NC in zip(batch, chosen, logits_BNC, strict=True):
                found[i] = logits_NC[: row.length].copy()
    return [answer for answer in found if answer is not None]
