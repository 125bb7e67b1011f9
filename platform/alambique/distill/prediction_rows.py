"""Rows of logits with their targets: what the losses of outputs compare.

Shapes: B windows of a batch, N pieces of the longest, C classes, R rows that are compared, K
teachers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

_NOT_ALLOWED = float("-inf")


@dataclass(frozen=True, slots=True)
class TeacherEnsemble:
    """The outputs of several teachers for the same rows, not combined yet."""

    outputs_KRC: Tensor
    """Logits or log-probabilities; a row of one teacher at -inf throughout: it has no output."""
    weights_K: Tensor
    """How much the outputs of each teacher count."""


@dataclass(frozen=True, slots=True)
class PredictionRows:
    """The rows of a batch: the student's logits, the gold labels, the teacher's outputs.

    A column at -inf takes no part. A row of weight 0 is padding: it adds nothing to value or
    gradient.
    """

    logits_RC: Tensor
    """The student's logits, float32."""
    labels_R: Tensor
    """The gold class of each row, int64; any class in a row whose gold is not known."""
    teacher_RC: Tensor | None
    """The teacher's logits or log-probabilities; a row at -inf throughout has no output."""
    weight_R: Tensor
    """The weight of each row, float32."""
    scored_RC: Tensor
    """bool: the columns that a squared difference compares."""
    labelled_R: Tensor
    """bool: whether the gold class is known."""
    window_R: Tensor
    """The number of each row's window in the batch, int64."""
    null_R: Tensor | None = None
    """The column that all others are log-odds against; None: rows are logits."""
    ensemble: TeacherEnsemble | None = None
    """The outputs of several teachers, in the place of `teacher_RC`."""
    scores_R: Tensor | None = None
    """The gold score of each row, float32, where the only column is a score and no logit; any
    finite number in a row whose gold is not known. None: the columns are logits."""


def ensemble_rows(each: Sequence[PredictionRows], weights: Sequence[float]) -> PredictionRows:
    """Return rows with the outputs of several teachers.

    Args:
        each: the same rows with the output of each teacher by itself.
        weights: how much the outputs of each teacher count.
    """
    outputs = [rows.teacher_RC for rows in each if rows.teacher_RC is not None]
    outputs_KRC, scored_KRC = torch.stack(outputs), torch.stack([rows.scored_RC for rows in each])
    weights_K = outputs_KRC.new_tensor(weights)
    return replace(
        each[0],
        teacher_RC=None,
        scored_RC=scored_KRC.any(0),
        ensemble=TeacherEnsemble(outputs_KRC, weights_K),
    )


def span_rows(
    logits_BNC: Tensor,
    *,
    allowed_BN: Tensor,
    gold_B2: Tensor,
    target_B2N: Tensor | None,
    weight_B: Tensor,
    labelled_B: Tensor | None = None,
) -> PredictionRows:
    """Return a row for each window's start, and one for its end: 2B rows over N positions.

    Each row is shifted by the logit of its null, so that a value is a log-odds against "the answer
    is not in this window"; a softmax does not notice. Start and end have half the weight of their
    window each, as in (CE_start + CE_end) / 2 of BERT (Devlin et al., 2019, §4.2).

    Args:
        logits_BNC: (B, N, 2), start and end.
        allowed_BN: bool; the null, which is the first allowed position of a window, and all pieces
            of the context.
        gold_B2: positions of the first and the last piece of the answer, or the null's.
        target_B2N: the teacher's start and end log-odds on boundary pieces, 0 at the null, -inf
            elsewhere (`alignment.span_target`).
        weight_B: the weight of each window.
        labelled_B: bool: whether the gold of each window is known; None: of all of them.
    """
    logits_B2N = logits_BNC.transpose(1, 2)
    null_B = allowed_BN.int().argmax(1)
    null_B21 = null_B[:, None, None].expand(-1, 2, 1)
    window_B = torch.arange(len(weight_B), device=weight_B.device)
    odds_B2N = logits_B2N - logits_B2N.gather(2, null_B21)
    barred_B2N = ~allowed_BN[:, None, :].expand_as(odds_B2N)
    if target_B2N is None:
        scored_B2N = torch.zeros_like(barred_B2N)
    else:
        target_B2N = target_B2N.masked_fill(barred_B2N, _NOT_ALLOWED)
        scored_B2N = target_B2N.isfinite().scatter(2, null_B21, False)
    return PredictionRows(
        logits_RC=odds_B2N.masked_fill(barred_B2N, _NOT_ALLOWED).flatten(0, 1),
        labels_R=gold_B2.flatten(),
        teacher_RC=None if target_B2N is None else target_B2N.flatten(0, 1),
        weight_R=weight_B.repeat_interleave(2) / 2,
        scored_RC=scored_B2N.flatten(0, 1),
        labelled_R=_or_all(labelled_B, weight_B).repeat_interleave(2),
        window_R=window_B.repeat_interleave(2),
        null_R=null_B.repeat_interleave(2),
    )


def tag_rows(
    logits_BNC: Tensor,
    *,
    batch_R: Tensor,
    position_R: Tensor,
    labels_R: Tensor,
    target_RC: Tensor | None,
    weight_R: Tensor,
    labelled_R: Tensor | None = None,
) -> PredictionRows:
    """Return a row for each word: the logits at its first piece.

    Args:
        logits_BNC: a logit for each class.
        batch_R: the window of each word, int64.
        position_R: the first piece of each word in its window, int64.
        labels_R: the gold class of each word.
        target_RC: the teacher's logits; -inf throughout for a word that it has no piece of.
        weight_R: the weight of each word.
        labelled_R: bool: whether the gold of each word is known; None: of all of them.
    """
    rows = class_rows(
        logits_BNC[batch_R, position_R],
        labels_R=labels_R,
        target_RC=target_RC,
        weight_R=weight_R,
        labelled_R=labelled_R,
    )
    return replace(rows, window_R=batch_R)


def empty_rows(states_BND: Tensor) -> PredictionRows:
    """Return the rows of a network without a head, which has no logits to compare: none.

    Args:
        states_BND: what the network returns, its last hidden states.
    """
    none_R = states_BND.new_zeros(0)
    return class_rows(states_BND[:0, 0], labels_R=none_R.long(), target_RC=None, weight_R=none_R)


def class_rows(
    logits_RC: Tensor,
    *,
    labels_R: Tensor,
    target_RC: Tensor | None,
    weight_R: Tensor,
    labelled_R: Tensor | None = None,
) -> PredictionRows:
    """Return rows whose columns are classes, each row of a window of its own."""
    reference_RC = logits_RC if target_RC is None else target_RC
    return PredictionRows(
        logits_RC=logits_RC,
        labels_R=labels_R,
        teacher_RC=target_RC,
        weight_R=weight_R,
        scored_RC=reference_RC.isfinite(),
        labelled_R=_or_all(labelled_R, weight_R),
        window_R=torch.arange(len(weight_R), device=weight_R.device),
    )


def score_rows(
    scores_R1: Tensor,
    *,
    gold_R: Tensor,
    target_R1: Tensor | None,
    weight_R: Tensor,
    labelled_R: Tensor,
) -> PredictionRows:
    """Return rows whose only column is a score, each row of a window of its own.

    Args:
        scores_R1: what the student answers.
        gold_R: the right score of each row; any finite number where it is not known.
        target_R1: what the teacher answers; -inf where it has no output.
        weight_R: the weight of each row.
        labelled_R: bool: whether the gold score of each row is known.
    """
    rows = class_rows(
        scores_R1,
        labels_R=torch.zeros_like(gold_R, dtype=torch.int64),
        target_RC=target_R1,
        weight_R=weight_R,
        labelled_R=labelled_R,
    )
    return replace(rows, scores_R=gold_R)


def _or_all(known: Tensor | None, weights: Tensor) -> Tensor:
    return torch.ones_like(weights, dtype=torch.bool) if known is None else known
