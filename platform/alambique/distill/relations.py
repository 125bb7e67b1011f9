"""The distance of a student's relations between tokens from the teacher's: a value per window.

Shapes: B windows, N pieces of the longest, D width (another of student and teacher), A relation
heads, r columns of a head (another of student and teacher).
"""

import math

from torch import Tensor

from alambique.distill.attention import attention_scores, divergence, real_pairs
from alambique.spec.errors import BadSpec

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
    _check_widths(student[0].shape[2], teacher[0].shape[2], heads)
    return divergence(
        _scores(student, real_BN, heads), _scores(teacher, real_BN, heads), real_pairs(real_BN)
    )


def _scores(pair: Pair, real_BN: Tensor, heads: int) -> Tensor:
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


def _check_widths(student: int, teacher: int, heads: int) -> None:
    if student % heads or teacher % heads:
        common = math.gcd(student, teacher)
        choices = ", ".join(str(n) for n in range(1, common + 1) if common % n == 0)
        raise BadSpec(
            f"{heads} relation heads do not divide the width of the student, {student}, and of "
            f"the teacher, {teacher}: give one of {choices}"
        )
