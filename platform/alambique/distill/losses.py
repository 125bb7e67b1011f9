"""How far a student's logits are from the labels and from the teacher's: a value for each row.

Shapes: R rows, C columns (classes, or positions of a window). A column at -inf takes no part; it
never makes a value or a gradient NaN. Caller and objective weigh and add up the rows.
"""

import torch
from torch import Tensor


def gold(student_RC: Tensor, labels_R: Tensor) -> Tensor:
    """Cross entropy with one right column: -log softmax(S)[label], of shape (R,)."""
    return -log_softmax(student_RC).gather(1, labels_R[:, None]).squeeze(1)


def soft_labels(student_RC: Tensor, teacher_RC: Tensor, *, temperature: float) -> Tensor:
    """KL(teacher || student) of the softened logits, of shape (R,).

    T² · Σ_C p (log p - log q) with p = softmax(teacher / T), q = softmax(student / T). T² gives
    back what softening takes from the gradient (Hinton et al., 2015, §2). A teacher's row that is
    -inf throughout gives 0.
    """
    p_RC, log_p_RC = _distribution(teacher_RC / temperature)
    log_q_RC = log_softmax(student_RC / temperature)
    return temperature**2 * (p_RC * (log_p_RC - log_q_RC)).sum(1)


def soft_cross_entropy(student_RC: Tensor, teacher_RC: Tensor, *, temperature: float) -> Tensor:
    """Cross entropy of the softened logits, -T² · Σ_C p log q, of shape (R,).

    The gradient of `soft_labels`, and its value plus T² times the teacher's entropy (Hinton et
    al., 2015, §2; `ce` of Cañete and Bravo-Marquez, 2023, §3).
    """
    p_RC, _ = _distribution(teacher_RC / temperature)
    return -(temperature**2) * (p_RC * log_softmax(student_RC / temperature)).sum(1)


def squared_difference(student_RC: Tensor, teacher_RC: Tensor, scored_RC: Tensor) -> Tensor:
    """Mean of (S - T)² over the scored columns of a row, of shape (R,); 0 where it has none.

    Of the logits themselves, at no temperature (`mse` of Cañete and Bravo-Marquez, 2023, §3; Ba
    and Caruana, 2014, §2.2).
    """
    # Both are filled before they meet: (-inf) - (-inf) is NaN, and `where` after it keeps the
    # NaN in the gradient.
    student_RC = student_RC.masked_fill(~scored_RC, 0)
    teacher_RC = teacher_RC.masked_fill(~scored_RC, 0)
    return (student_RC - teacher_RC).square().sum(1) / scored_RC.sum(1).clamp(min=1)


def log_softmax(logits: Tensor, columns: int = 1) -> Tensor:
    """Over the columns that are not -inf; a large negative number in those that are.

    Not -inf, so that p · log q is never 0 · inf. The number is low enough to have probability 0,
    and a label or a teacher's mass in such a column, which is an error, makes a huge loss.

    Args:
        logits: of any shape.
        columns: which dimension they are.
    """
    barred = logits == float("-inf")
    return logits.masked_fill(barred, torch.finfo(logits.dtype).min / 4).log_softmax(columns)


def _distribution(logits_RC: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax, which is 0 in the columns at -inf also where all are; and its logarithm."""
    log_p_RC = log_softmax(logits_RC)
    return log_p_RC.exp().masked_fill(logits_RC == float("-inf"), 0), log_p_RC
