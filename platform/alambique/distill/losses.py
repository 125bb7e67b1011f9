"""The distance of a student's outputs from the gold and from a teacher's outputs: a value per row.

Shapes: R rows, C columns (classes, or positions of a window). A column at -inf takes no part; it
never makes a value or a gradient NaN. `objective` weighs the rows and adds them up.
"""

import torch
from torch import Tensor


def gold(student_RC: Tensor, labels_R: Tensor) -> Tensor:
    """Return the cross entropy with one gold column: -log softmax(S)[label], of shape (R,)."""
    return -log_softmax(student_RC).gather(1, labels_R[:, None]).squeeze(1)


def soft_labels(student_RC: Tensor, teacher_RC: Tensor, *, temperature: float) -> Tensor:
    """Return KL(teacher || student) of the softened logits, of shape (R,).

    It is T² · Σ_C p (log p - log q) with p = softmax(teacher / T), q = softmax(student / T). T²
    gives back what softening takes from the gradient (Hinton et al., 2015, §2). A teacher's row
    that is -inf throughout gives 0.
    """
    p_RC, log_p_RC = _distribution(teacher_RC / temperature)
    log_q_RC = log_softmax(student_RC / temperature)
    return temperature**2 * (p_RC * (log_p_RC - log_q_RC)).sum(1)


def soft_cross_entropy(student_RC: Tensor, teacher_RC: Tensor, *, temperature: float) -> Tensor:
    """Return the cross entropy of the softened logits, -T² · Σ_C p log q, of shape (R,).

    Its gradient is that of `soft_labels`; its value is that of `soft_labels` plus T²
    times the teacher's entropy (Hinton et al., 2015, §2; `ce` of Cañete and Bravo-Marquez, 2023,
    §3).
    """
    p_RC, _ = _distribution(teacher_RC / temperature)
    return -(temperature**2) * (p_RC * log_softmax(student_RC / temperature)).sum(1)


def squared_difference(student_RC: Tensor, teacher_RC: Tensor, scored_RC: Tensor) -> Tensor:
    """Return the mean of (S - T)² over the scored columns of a row, of shape (R,).

    It is 0 in a row without a scored column. The logits have no temperature (`mse` of Cañete and
    Bravo-Marquez, 2023, §3; Ba and Caruana, 2014, §2.2).
    """
    # Both are filled before they meet: (-inf) - (-inf) is NaN, and `where` after it keeps the
    # NaN in the gradient.
    student_RC = student_RC.masked_fill(~scored_RC, 0)
    teacher_RC = teacher_RC.masked_fill(~scored_RC, 0)
    return (student_RC - teacher_RC).square().sum(1) / scored_RC.sum(1).clamp(min=1)


def squared_error(student_R1: Tensor, score_R: Tensor) -> Tensor:
    """Return (S - y)² of a student's only column and a score, of shape (R,).

    It is twice the cross entropy, up to a constant, of a normal distribution of variance 1 around
    S; and with a teacher's score as y twice the KL between two of them (Bishop, 2006, §1.6.1).
    """
    return (student_R1[:, 0] - score_R).square()


def log_softmax(logits: Tensor, columns: int = 1) -> Tensor:
    """Return the log-softmax over the columns that are not -inf.

    Columns at -inf get a large negative number and not -inf, so that p · log q is never 0 · inf.
    The number is low enough to have probability 0, and a label or a teacher's mass in such a
    column, which is an error, makes a huge loss.

    Args:
        logits: of any shape.
        columns: the dimension of the columns.
    """
    barred = logits == float("-inf")
    return logits.masked_fill(barred, torch.finfo(logits.dtype).min / 4).log_softmax(columns)


def _distribution(logits_RC: Tensor) -> tuple[Tensor, Tensor]:
    """Return the softmax and its logarithm; the softmax is 0 in columns at -inf, if all are too."""
    log_p_RC = log_softmax(logits_RC)
    return log_p_RC.exp().masked_fill(logits_RC == float("-inf"), 0), log_p_RC
