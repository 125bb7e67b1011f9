"""Losses reduced as published code reduces them, where it differs from this project's own way.

Ours are means over the real tokens of a window, so that neither padding nor the other windows of a
batch change a value. TinyBERT's code (Jiao et al., 2020) counts padding. TextBrewer's (Yang et
al., 2020) counts each real token of a batch alike, whatever window it is in: its functions give the
values of the windows and their weights, and Σ weight · value / Σ weight is its loss.

Shapes: B windows, H heads, N pieces of the longest, D width, R rows, C columns.
"""

import torch
from torch import Tensor

from alambique.distill import attention, hidden, losses

_VOID = -100.0
"""TinyBERT's code takes a score from here down for that of a key of padding."""


def tinybert_attention(student_BHNN: Tensor, teacher_BHNN: Tensor, real_BN: Tensor) -> Tensor:
    """Mean of (S - T)² over H, N and N, of shape (B,), where scores of -100 or less are 0.

    The code adds -10 000 to the score of a key of padding, so that it is 0 for both, and counted; a
    query of padding counts in full. So the value depends on how much padding there is.
    """
    padding_B11N = ~real_BN[:, None, None]
    student_BHNN, teacher_BHNN = (
        x.masked_fill(padding_B11N | (x <= _VOID), 0) for x in (student_BHNN, teacher_BHNN)
    )
    every_BNN = torch.ones_like(student_BHNN[:, 0], dtype=torch.bool)
    return attention.squared_scores(student_BHNN, teacher_BHNN, every_BNN)


def tinybert_hidden(student_BND: Tensor, teacher_BND: Tensor) -> Tensor:
    """Mean of (S - T)² over N and D, padding included, of shape (B,)."""
    return (student_BND - teacher_BND).square().mean((1, 2))


def tinybert_soft_cross_entropy(
    student_RC: Tensor, teacher_RC: Tensor, *, temperature: float
) -> Tensor:
    """-Σ p log q / C of the softened logits, of shape (R,).

    The mean over classes, and no T²: at T = 1 it is C times less than `losses.soft_cross_entropy`.
    Columns at -inf are not counted.
    """
    columns_R = (student_RC > float("-inf")).sum(1).clamp(min=1)
    value_R = losses.soft_cross_entropy(student_RC, teacher_RC, temperature=temperature)
    return value_R / (temperature**2 * columns_R)


def textbrewer_squared(
    student_BND: Tensor, teacher_BND: Tensor, real_BN: Tensor
) -> tuple[Tensor, Tensor]:
    """`hidden.squared`, and the number of real tokens: `hid_mse` with a mask. (B,), both."""
    return hidden.squared(student_BND, teacher_BND, real_BN), real_BN.sum(1)


def textbrewer_cosine(
    student_BND: Tensor, teacher_BND: Tensor, real_BN: Tensor
) -> tuple[Tensor, Tensor]:
    """`hidden.cosine`, and the number of real tokens: `cos` with a mask. (B,), both."""
    return hidden.cosine(student_BND, teacher_BND, real_BN), real_BN.sum(1)


def textbrewer_attention_squared(
    student_BHNN: Tensor, teacher_BHNN: Tensor, seen_BNN: Tensor
) -> tuple[Tensor, Tensor]:
    """`attention.squared_scores`, and the number of seen pairs: `att_mse` with a mask. (B,), both.

    Long windows count by the square of their length. The objective divides by all pairs of real
    tokens (`Whole.pairs`), of which layers with a sliding window see but some: there its value is
    less than the mean over seen pairs.
    """
    values_B = attention.squared_scores(student_BHNN, teacher_BHNN, seen_BNN)
    return values_B, seen_BNN.sum((1, 2))
