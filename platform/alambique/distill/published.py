"""Losses reduced as published code reduces them, where it differs from this project's own way.

The project's own losses are means over the real tokens of a window, so that neither padding nor
the other windows of a batch change a value. TinyBERT's code (Jiao et al., 2020) counts padding.
TextBrewer's (Yang et al., 2020) counts each real token of a batch alike, whatever window it is in:
the functions here return the values of the windows and their weights, and TextBrewer's loss is
Σ weight · value / Σ weight.

Shapes: B windows, H heads, N pieces of the longest, D width, R rows, C columns.
"""

import torch
from torch import Tensor

from alambique.distill import attention, hidden, losses

_VOID = -100.0
"""A score of a key of padding in TinyBERT's code, or lower."""


def tinybert_attention(student_BHNN: Tensor, teacher_BHNN: Tensor, real_BN: Tensor) -> Tensor:
    """Return the mean of (S - T)² over H, N and N, of shape (B,), with scores up to -100 as 0.

    The code adds -10 000 to the score of a key of padding, so that it is 0 for both networks, and
    counted; a query of padding counts in full. The value depends on how much padding there is.
    """
    padding_B11N = ~real_BN[:, None, None]
    student_BHNN, teacher_BHNN = (
        x.masked_fill(padding_B11N | (x <= _VOID), 0) for x in (student_BHNN, teacher_BHNN)
    )
    every_BNN = torch.ones_like(student_BHNN[:, 0], dtype=torch.bool)
    return attention.squared_scores(student_BHNN, teacher_BHNN, every_BNN)


def tinybert_hidden(student_BND: Tensor, teacher_BND: Tensor) -> Tensor:
    """Return the mean of (S - T)² over N and D, padding included, of shape (B,)."""
    return (student_BND - teacher_BND).square().mean((1, 2))


def tinybert_soft_cross_entropy(
    student_RC: Tensor, teacher_RC: Tensor, *, temperature: float
) -> Tensor:
    """Return -Σ p log q / C of the softened logits, of shape (R,).

    It is a mean over classes, without T²: at T = 1 it is C times less than
    `losses.soft_cross_entropy`. Columns at -inf are not counted in C.
    """
    columns_R = (student_RC > float("-inf")).sum(1).clamp(min=1)
    value_R = losses.soft_cross_entropy(student_RC, teacher_RC, temperature=temperature)
    return value_R / (temperature**2 * columns_R)


def textbrewer_squared(
    student_BND: Tensor, teacher_BND: Tensor, real_BN: Tensor
) -> tuple[Tensor, Tensor]:
    """Return `hidden.squared` and the number of real tokens, (B,) both: `hid_mse` with a mask."""
    return hidden.squared(student_BND, teacher_BND, real_BN), real_BN.sum(1)


def textbrewer_cosine(
    student_BND: Tensor, teacher_BND: Tensor, real_BN: Tensor
) -> tuple[Tensor, Tensor]:
    """Return `hidden.cosine` and the number of real tokens, (B,) both: `cos` with a mask."""
    return hidden.cosine(student_BND, teacher_BND, real_BN), real_BN.sum(1)


def textbrewer_attention_squared(
    student_BHNN: Tensor, teacher_BHNN: Tensor, seen_BNN: Tensor
) -> tuple[Tensor, Tensor]:
    """Return `attention.squared_scores` and the number of seen pairs, (B,) both.

    That is `att_mse` with a mask: long windows count by the square of their length. The objective
    divides by all pairs of real tokens (`LossNormalizers.pairs`), of which layers with a sliding
    window see some: there its value is less than the mean over seen pairs.
    """
    values_B = attention.squared_scores(student_BHNN, teacher_BHNN, seen_BNN)
    return values_B, seen_BNN.sum((1, 2))
