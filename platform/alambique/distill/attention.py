"""The distance of a student's attention and token relations from the teacher's, in each window.

Shapes: B windows, H heads, N pieces of the longest (queries, then keys), d columns of a head; of
relations: D width, A relation heads, r columns of one of them (D and r may differ between student
and teacher).
Scores are those before the softmax, without a mask: `seen_BNN` says which key counts for which
query. Other pairs take no part, whatever their score: its gradient is 0. A window in which nothing
is seen gives 0.
"""

import math

import torch
from torch import Tensor

from alambique.spec.errors import BadSpec


def attention_scores(queries_BHNd: Tensor, keys_BHNd: Tensor) -> Tensor:
    """Return the products q · k / √d, of shape (B, H, N, N) (Vaswani et al., 2017, §3.2.1)."""
    return queries_BHNd @ keys_BHNd.transpose(2, 3) / math.sqrt(queries_BHNd.shape[3])


def real_pairs(real_BN: Tensor, *, reach: int | None = None) -> Tensor:
    """Return which pairs are of two real tokens, (B, N, N).

    Args:
        real_BN: bool: the pieces that are not padding.
        reach: how many pieces apart the two may be; any number if None.
    """
    real_BNN = real_BN[:, :, None] & real_BN[:, None, :]
    if reach is None:
        return real_BNN
    position_N = torch.arange(real_BN.shape[1], device=real_BN.device)
    return real_BNN & ((position_N[:, None] - position_N).abs() <= reach)


def mean_over_heads(scores_BHNN: Tensor) -> Tensor:
    """Return the mean over heads, of shape (B, 1, N, N): for networks whose head counts differ."""
    return scores_BHNN.mean(1, keepdim=True)


def squared_scores(student_BHNN: Tensor, teacher_BHNN: Tensor, seen_BNN: Tensor) -> Tensor:
    """Return the mean of (S - T)² over heads and seen pairs, of shape (B,).

    The scores are those before the softmax (TinyBERT; Jiao et al., 2020, §3.1). TinyBERT's code
    counts other pairs too, as zeros: that is `published.tinybert_attention`.
    """
    _check_heads(student_BHNN, teacher_BHNN)
    return _mean_of_squares(student_BHNN - teacher_BHNN, seen_BNN)


def squared_probabilities(student_BHNN: Tensor, teacher_BHNN: Tensor, seen_BNN: Tensor) -> Tensor:
    """Return the mean of (p - q)² over heads and seen pairs, of shape (B,).

    p = softmax(T) and q = softmax(S), over the keys that a query sees.

    The loss of SpanishTinyRoBERTa (Bazaga et al., 2023). In a window of n tokens it is at most
    2 / n, and about 1e-4 in theirs, so that at weight 1 it does nothing.
    """
    _check_heads(student_BHNN, teacher_BHNN)
    p_BHNN, q_BHNN = (_log_softmax(x, seen_BNN).exp() for x in (teacher_BHNN, student_BHNN))
    return _mean_of_squares(p_BHNN - q_BHNN, seen_BNN)


def divergence(student_BHNN: Tensor, teacher_BHNN: Tensor, seen_BNN: Tensor) -> Tensor:
    """Return KL(teacher || student) of the distributions over seen keys, of shape (B,).

    It is a mean over heads and over the queries that see a key (MiniLM; Wang et al., 2020, §3.1).
    """
    _check_heads(student_BHNN, teacher_BHNN)
    p_BHNN, log_p_BHNN = _distribution(teacher_BHNN, seen_BNN)
    log_q_BHNN = _log_softmax(student_BHNN, seen_BNN)
    return _mean_over_queries((p_BHNN * (log_p_BHNN - log_q_BHNN)).sum(3), seen_BNN)


def _check_heads(student_BHNN: Tensor, teacher_BHNN: Tensor) -> None:
    ours, theirs = student_BHNN.shape[1], teacher_BHNN.shape[1]
    if ours != theirs:
        raise BadSpec(
            f"the student has {ours} attention heads, the teacher {theirs}, and attention is "
            "compared head by head: give the student as many heads, compare the mean over heads, "
            "or compare relations, which split both widths anew"
        )


def _mean_of_squares(difference_BHNN: Tensor, seen_BNN: Tensor) -> Tensor:
    square_BHNN = difference_BHNN.masked_fill(~seen_BNN[:, None], 0).square()
    numbers_B = seen_BNN.sum((1, 2)) * difference_BHNN.shape[1]
    return square_BHNN.sum((1, 2, 3)) / numbers_B.clamp(min=1)


def _mean_over_queries(value_BHN: Tensor, seen_BNN: Tensor) -> Tensor:
    """Return the mean over heads and the queries that see a key: at others the value is 0."""
    numbers_B = seen_BNN.any(2).sum(1) * value_BHN.shape[1]
    return value_BHN.sum((1, 2)) / numbers_B.clamp(min=1)


def _distribution(scores_BHNN: Tensor, seen_BNN: Tensor) -> tuple[Tensor, Tensor]:
    """Return the softmax over seen keys, 0 for a query that sees none, and its logarithm."""
    log_p_BHNN = _log_softmax(scores_BHNN, seen_BNN)
    return log_p_BHNN.exp().masked_fill(~seen_BNN[:, None], 0), log_p_BHNN


def _log_softmax(scores_BHNN: Tensor, seen_BNN: Tensor) -> Tensor:
    """Return the log-softmax over seen keys, and a large negative number in the others.

    It is not -inf, so that p · log q is never 0 · inf.
    """
    lowest = torch.finfo(scores_BHNN.dtype).min / 4
    return scores_BHNN.masked_fill(~seen_BNN[:, None], lowest).log_softmax(3)


Pair = tuple[Tensor, Tensor]
"""X and Y of a relation, (B, N, D) both: queries, keys or values, of all heads side by side."""


def relation_divergence(student: Pair, teacher: Pair, real_BN: Tensor, *, heads: int) -> Tensor:
    """Return KL(R_T || R_S) of the relations R = softmax(X Yᵀ / √r), of shape (B,).

    It is a mean over relation heads and the real tokens of a window, among real tokens only
    (MiniLM; Wang et al., 2020, §3.2, for values; v2, for any two; Wang et al., 2021, §3). Both
    widths are split into as many heads, whatever heads the networks have, so that widths and head
    counts may differ. A window of one token has one relation, with itself, and gives 0; a window
    of none gives 0 too.

    Args:
        student: its X and Y, for instance its queries and its queries again.
        teacher: the same two of the teacher.
        real_BN: bool: the pieces that are not padding.
        heads: A, which divides both widths.

    Raises:
        BadSpec: the heads do not divide the widths.
    """
    _check_relation_heads(student[0].shape[2], teacher[0].shape[2], heads)
    return divergence(
        _relation_scores(student, real_BN, heads),
        _relation_scores(teacher, real_BN, heads),
        real_pairs(real_BN),
    )


def _relation_scores(pair: Pair, real_BN: Tensor, heads: int) -> Tensor:
    """Return X Yᵀ / √r, of shape (B, A, N, N)."""
    # Padding is filled before the product, which may be infinite: the gradient of the other
    # factor would be 0 · inf.
    x_BANr, y_BANr = (
        side_BND.masked_fill(~real_BN[..., None], 0)
        .reshape(*real_BN.shape, heads, -1)
        .transpose(1, 2)
        for side_BND in pair
    )
    return attention_scores(x_BANr, y_BANr)


def _check_relation_heads(student: int, teacher: int, heads: int) -> None:
    if student % heads or teacher % heads:
        common = math.gcd(student, teacher)
        choices = ", ".join(str(n) for n in range(1, common + 1) if common % n == 0)
        raise BadSpec(
            f"{heads} relation heads do not divide the width of the student, {student}, and of "
            f"the teacher, {teacher}: give one of {choices}"
        )
