"""What several teachers say of a row as one row: their mean, or the best of them.

Shapes: K teachers, R rows, C columns. A column at -inf takes no part. A teacher whose row is -inf
throughout is silent there, and left out of it; where all are silent, so is what comes of them.
"""

import torch
from torch import Tensor

from alambique.distill.losses import log_softmax

_NOT_ALLOWED = float("-inf")


def average(outputs_KRC: Tensor, weights_K: Tensor, *, temperature: float) -> Tensor:
    """The weighted arithmetic mean of the teachers' distributions, (R, C).

    T log Σ_K w p with p = softmax(outputs / T): at the same temperature, its softmax is the mean of
    the soft targets (Hinton et al., 2015, §1). The weights are those of the teachers that are not
    silent, over their sum.
    """
    speaking_KR = _speaking(outputs_KRC)
    # one that is silent is given no weight by a number that is low and finite: where all are, a
    # softmax over -inf would be NaN
    weights_KR = weights_K.log()[:, None].masked_fill(~speaking_KR, _low(outputs_KRC))
    mixed_KRC = log_softmax(outputs_KRC / temperature, 2) + weights_KR.log_softmax(0)[:, :, None]
    barred_RC = (outputs_KRC == _NOT_ALLOWED).all(0)
    return (temperature * mixed_KRC.logsumexp(0)).masked_fill(barred_RC, _NOT_ALLOWED)


def best(
    outputs_KRC: Tensor, labels_R: Tensor, window_R: Tensor, *, otherwise_RC: Tensor
) -> Tensor:
    """The log-probabilities of the teacher that knows the gold labels of a window best, (R, C).

    That is the one with the lowest sum of cross entropies over the window's rows, of equal ones the
    first. Compared are rows whose gold column takes part for all teachers, but for those that say
    nothing of the whole window: a column at -inf tells of a vocabulary, such as one with a piece
    for the last word of an answer and the full stop together, and not of what a teacher knows. A
    row of which the best one is silent is the next one's.

    Args:
        outputs_KRC: of the teachers.
        labels_R: the gold column.
        window_R: the number of the window that each row belongs to, from 0.
        otherwise_RC: what is said of windows without a row to compare.
    """
    # counted once: on a GPU it waits for all that was asked of it before
    windows = int(window_R.max()) + 1 if len(window_R) else 0
    gold_KR1 = labels_R.expand(len(outputs_KRC), -1)[:, :, None]
    log_p_KRC, speaking_KR = log_softmax(outputs_KRC, 2), _speaking(outputs_KRC)
    named_KR = _speaking(outputs_KRC.gather(2, gold_KR1))
    compared_R = _compared(named_KR, speaking_KR, window_R, windows)
    loss_KR = -log_p_KRC.detach().gather(2, gold_KR1).squeeze(2).masked_fill(~compared_R, 0)
    ranked_KR = _summed(loss_KR, window_R, windows).masked_fill(~speaking_KR, float("inf"))
    chosen_1RC = ranked_KR.argmin(0)[None, :, None].expand(1, *outputs_KRC.shape[1:])
    barred_RC = outputs_KRC.gather(0, chosen_1RC).squeeze(0) == _NOT_ALLOWED
    best_RC = log_p_KRC.gather(0, chosen_1RC).squeeze(0).masked_fill(barred_RC, _NOT_ALLOWED)
    somewhere_R = _somewhere(compared_R[None], window_R, windows)[0]
    return torch.where(somewhere_R[:, None], best_RC, otherwise_RC)


def anchored(log_RC: Tensor, null_R: Tensor) -> Tensor:
    """Log-probabilities as log-odds against a column of each row; a silent row stays one."""
    null_R1 = log_RC.gather(1, null_R[:, None])
    return log_RC - null_R1.masked_fill(null_R1 == _NOT_ALLOWED, 0)


def _compared(named_KR: Tensor, speaking_KR: Tensor, window_R: Tensor, windows: int) -> Tensor:
    """The rows whose gold all teachers name that say something of the window, (R,)."""
    return (named_KR | ~_somewhere(speaking_KR, window_R, windows)).all(0)


def _somewhere(said_KR: Tensor, window_R: Tensor, windows: int) -> Tensor:
    """For each row whether it is so of some row of its window."""
    return _summed(said_KR.float(), window_R, windows) > 0


def _summed(values_KR: Tensor, window_R: Tensor, windows: int) -> Tensor:
    """For each row the sum over the rows of its window, of so many."""
    sums = values_KR.new_zeros(len(values_KR), windows).index_add(1, window_R, values_KR)
    return sums[:, window_R]


def _speaking(outputs_KRC: Tensor) -> Tensor:
    return (outputs_KRC != _NOT_ALLOWED).any(2)


def _low(like: Tensor) -> float:
    return torch.finfo(like.dtype).min / 4
