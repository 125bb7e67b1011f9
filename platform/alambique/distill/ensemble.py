"""The outputs of several teachers combined into one: their mean, or the best of them.

Shapes: K teachers, R rows, C columns; the one column of a score is an axis of 1. A column at -inf
takes no part. A teacher whose row is -inf throughout has no output for that row, and is left out of
it. A row without the output of any teacher is -inf throughout.
"""

import torch
from torch import Tensor

from alambique.distill.losses import log_softmax

_NO_PART = float("-inf")


def average(outputs_KRC: Tensor, weights_K: Tensor, *, temperature: float) -> Tensor:
    """Return the weighted arithmetic mean of the teachers' distributions, (R, C).

    It is T log Σ_K w p with p = softmax(outputs / T): at the same temperature, its softmax is the
    mean of the soft targets (Hinton et al., 2015, §1). The weights are those of the teachers that
    have an output, divided by their sum.
    """
    present_KR = _has_output(outputs_KRC)
    # a teacher without an output is given a low and finite log-weight: where none has one, a
    # softmax over -inf would be NaN
    lowest = torch.finfo(outputs_KRC.dtype).min / 4
    weights_KR = weights_K.log()[:, None].masked_fill(~present_KR, lowest)
    mixed_KRC = log_softmax(outputs_KRC / temperature, 2) + weights_KR.log_softmax(0)[:, :, None]
    barred_RC = (outputs_KRC == _NO_PART).all(0)
    return (temperature * mixed_KRC.logsumexp(0)).masked_fill(barred_RC, _NO_PART)


def best(
    outputs_KRC: Tensor, labels_R: Tensor, window_R: Tensor, *, otherwise_RC: Tensor
) -> Tensor:
    """Return the log-probabilities of the teacher that loses least in each window, (R, C).

    That is the teacher with the lowest sum of cross entropies over the rows of the window, the
    first of equal ones. The sum is over rows whose gold column takes part for all teachers, except
    those that have no output in the whole window: a column at -inf tells of a vocabulary, such as
    one with a piece for the last word of an answer and the full stop together, and not of what a
    teacher knows. A row for which the best teacher has no output takes that of the next best.

    Args:
        outputs_KRC: of the teachers.
        labels_R: the gold column.
        window_R: the number of the window that each row belongs to, from 0.
        otherwise_RC: the log-probabilities of windows without a row to compare.
    """
    # read once: on a GPU it waits for all kernels before
    windows = int(window_R.max()) + 1 if len(window_R) else 0
    gold_KR1 = labels_R.expand(len(outputs_KRC), -1)[:, :, None]
    log_p_KRC, present_KR = log_softmax(outputs_KRC, 2), _has_output(outputs_KRC)
    gold_present_KR = _has_output(outputs_KRC.gather(2, gold_KR1))
    in_window_KR = _any_in_window(present_KR, window_R, windows)
    compared_R = (gold_present_KR | ~in_window_KR).all(0)
    loss_KR = -log_p_KRC.detach().gather(2, gold_KR1).squeeze(2).masked_fill(~compared_R, 0)
    ranked_KR = _window_sums(loss_KR, window_R, windows).masked_fill(~present_KR, float("inf"))
    chosen_1RC = ranked_KR.argmin(0)[None, :, None].expand(1, *outputs_KRC.shape[1:])
    barred_RC = outputs_KRC.gather(0, chosen_1RC).squeeze(0) == _NO_PART
    best_RC = log_p_KRC.gather(0, chosen_1RC).squeeze(0).masked_fill(barred_RC, _NO_PART)
    comparable_R = _any_in_window(compared_R[None], window_R, windows)[0]
    return torch.where(comparable_R[:, None], best_RC, otherwise_RC)


def mean_score(scores_KR1: Tensor, weights_K: Tensor) -> Tensor:
    """Return the weighted mean of the scores of the teachers that have one, (R, 1).

    Args:
        scores_KR1: of the teachers.
        weights_K: how much each counts.
    """
    present_KR1 = scores_KR1 != _NO_PART
    weights_KR1 = weights_K[:, None, None] * present_KR1
    sums_R1 = (weights_KR1 * scores_KR1.masked_fill(~present_KR1, 0)).sum(0)
    mean_R1 = sums_R1 / weights_KR1.sum(0).clamp(min=torch.finfo(sums_R1.dtype).tiny)
    return mean_R1.masked_fill(~present_KR1.any(0), _NO_PART)


def nearest_score(scores_KR1: Tensor, gold_R: Tensor) -> Tensor:
    """Return the score of the teacher that is nearest to the gold score of each row, (R, 1).

    Of equally near ones it is the first; a row without any teacher's score is -inf.
    """
    distance_KR1 = (scores_KR1 - gold_R[:, None]).abs()
    return scores_KR1.gather(0, distance_KR1.argmin(0, keepdim=True)).squeeze(0)


def log_odds(log_RC: Tensor, null_R: Tensor) -> Tensor:
    """Return log-probabilities as log-odds against one column of each row.

    A row at -inf throughout stays as it is.
    """
    null_R1 = log_RC.gather(1, null_R[:, None])
    return log_RC - null_R1.masked_fill(null_R1 == _NO_PART, 0)


def _any_in_window(is_so_KR: Tensor, window_R: Tensor, windows: int) -> Tensor:
    """Return for each row whether something is so of any row of its window, (K, R)."""
    return _window_sums(is_so_KR.float(), window_R, windows) > 0


def _window_sums(values_KR: Tensor, window_R: Tensor, windows: int) -> Tensor:
    """Return for each row the sum over the rows of its window, (K, R)."""
    sums = values_KR.new_zeros(len(values_KR), windows).index_add(1, window_R, values_KR)
    return sums[:, window_R]


def _has_output(outputs_KRC: Tensor) -> Tensor:
    return (outputs_KRC != _NO_PART).any(2)
