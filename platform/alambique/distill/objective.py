"""The loss of a student: the weighted terms of a job's objective, over a batch.

Shapes: R rows of logits, C classes or positions, K teachers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from alambique.distill import ensemble, losses
from alambique.distill.activations import LayerOutputs
from alambique.distill.prediction_rows import PredictionRows
from alambique.distill.published import tinybert_soft_cross_entropy
from alambique.distill.terms.comparison import Unit
from alambique.distill.terms.table import comparison_of
from alambique.spec.errors import BadSpec
from alambique.spec.objective import Gold, IntermediateLoss, Logits, Term, is_active
from alambique.spec.schedules import at, highest


@dataclass(frozen=True, slots=True)
class LossNormalizers:
    """The sizes of a whole batch, over all processes, by which the sums of terms are divided."""

    rows: float = 1.0
    """The weight of all rows of logits."""
    labelled: float = 1.0
    """The weight of the rows whose gold label is known."""
    windows: float = 1.0
    """How many windows there are."""
    tokens: float = 1.0
    """How many tokens all windows have, without padding."""
    pairs: float = 1.0
    """How many ordered pairs of tokens of one window there are, each token with itself too."""

    def divisor(self, unit: Literal["rows", "labelled"] | Unit) -> float:
        """Return the size in a unit; 1 where it is 0, for the sums over nothing are 0."""
        return float(getattr(self, unit)) or 1.0


UNNORMALIZED = LossNormalizers()
"""The normalizers that leave sums as they are."""


@dataclass(frozen=True, slots=True)
class LossTerms:
    """What a part of a batch adds to the means of the whole batch. Scalars."""

    total: Tensor
    """The sum of all terms, each times its weight. It alone has a gradient."""
    parts: dict[str, Tensor]
    """By label: each term before its weight."""


def objective_loss(
    rows: PredictionRows,
    terms: Sequence[Term],
    layer_outputs: LayerOutputs | None = None,
    *,
    normalizers: LossNormalizers = UNNORMALIZED,
    progress: float = 0.0,
) -> LossTerms:
    """Return what a part of a batch adds to the loss of the whole batch.

    A term of weight 0 is measured and adds nothing. It is left out if it compares layers, or needs
    a teacher and there is none.

    Args:
        rows: the student's logits, with their targets.
        terms: of the objective.
        layer_outputs: the activations of both networks, where terms compare layers.
        normalizers: what the sums are divided by.
        progress: the fraction of the training that is done, by which weights may change.

    Raises:
        BadSpec: an active term compares with a teacher, and there is none.
    """
    means = {
        term.label: _mean(term, rows, layer_outputs, normalizers, progress)
        for term in terms
        if _is_measurable(term, rows, layer_outputs)
    }
    weighted = [at(term.weight, progress) * means[term.label] for term in terms if is_active(term)]
    return LossTerms(
        total=torch.stack(weighted).sum(),
        parts={label: value.detach() for label, value in means.items()},
    )


def _is_measurable(term: Term, rows: PredictionRows, layer_outputs: LayerOutputs | None) -> bool:
    match term:
        case Gold():
            return True
        case Logits():
            measurable = rows.teacher_RC is not None or rows.ensemble is not None
            lacking = "outputs: fill the cache first"
        case _:
            # the layers that only a term of weight 0 compares are not selected
            measurable = layer_outputs is not None and is_active(term)
            lacking = "layers: let the teacher answer beside the student"
    if is_active(term) and not measurable:
        raise BadSpec(
            f"the objective has a term {term.label!r} of weight {highest(term.weight):g}, which "
            f"compares with a teacher, and this batch has no teacher's {lacking}, or give that "
            "term weight 0"
        )
    return measurable


def _mean(
    term: Term,
    rows: PredictionRows,
    layer_outputs: LayerOutputs | None,
    normalizers: LossNormalizers,
    progress: float,
) -> Tensor:
    with torch.set_grad_enabled(torch.is_grad_enabled() and is_active(term)):
        match term:
            case Gold():
                weight_R = rows.weight_R * rows.labelled_R
                loss_R = _gold_loss(rows)
                return (weight_R * loss_R).sum() / normalizers.divisor("labelled")
            case Logits():
                loss_R = _logits_loss(term, rows, progress)
                return (rows.weight_R * loss_R).sum() / normalizers.divisor("rows")
            case _:
                assert layer_outputs is not None  # else it is not measurable
                return _intermediate_mean(term, layer_outputs, normalizers)


def _intermediate_mean(
    term: IntermediateLoss, layer_outputs: LayerOutputs, normalizers: LossNormalizers
) -> Tensor:
    comparison = comparison_of(term)
    sums = [
        (layer_outputs.weight_B * count_B * value_B).sum()
        for value_B, count_B in comparison.window_losses(layer_outputs)
    ]
    return torch.stack(sums).sum() / normalizers.divisor(comparison.unit)


def _gold_loss(rows: PredictionRows) -> Tensor:
    if rows.scores_R is not None:
        return losses.squared_error(rows.logits_RC, rows.scores_R)
    return losses.gold(rows.logits_RC, rows.labels_R)


def _logits_loss(term: Logits, rows: PredictionRows, progress: float) -> Tensor:
    if rows.scores_R is not None:
        # a score has no softmax, and so neither a temperature nor a KL of its own
        teacher_R1 = _teacher_score(term, rows, rows.scores_R)
        return losses.squared_difference(rows.logits_RC, teacher_R1, teacher_R1.isfinite())
    temperature = at(term.temperature, progress)
    student_RC, teacher_RC = rows.logits_RC, rows.teacher_RC
    if teacher_RC is None:
        # a squared difference has no temperature
        teacher_RC = _ensemble_output(term, rows, 1.0 if term.loss == "mse" else temperature)
    match term.loss, term.reduction:
        case "kl", _:
            return losses.soft_labels(student_RC, teacher_RC, temperature=temperature)
        case "ce", "tinybert":
            return tinybert_soft_cross_entropy(student_RC, teacher_RC, temperature=temperature)
        case "ce", _:
            return losses.soft_cross_entropy(student_RC, teacher_RC, temperature=temperature)
        case _:
            scored_RC = rows.scored_RC & teacher_RC.isfinite()
            return losses.squared_difference(student_RC, teacher_RC, scored_RC)


def _teacher_score(term: Logits, rows: PredictionRows, gold_R: Tensor) -> Tensor:
    """Return the teacher's score of each row, (R, 1), of several teachers as one."""
    if rows.teacher_RC is not None:
        return rows.teacher_RC
    assert rows.ensemble is not None  # else the term is not measurable
    scores_KR1, weights_K = rows.ensemble.outputs_KRC, rows.ensemble.weights_K
    mean_R1 = ensemble.mean_score(scores_KR1, weights_K)
    if term.combine != "best":
        return mean_R1
    nearest_R1 = ensemble.nearest_score(scores_KR1, gold_R)
    return torch.where(rows.labelled_R[:, None], nearest_R1, mean_R1)


def _ensemble_output(term: Logits, rows: PredictionRows, temperature: float) -> Tensor:
    """Return the outputs of several teachers as one; rows without a gold label get their mean."""
    assert rows.ensemble is not None  # else the term is not measurable
    outputs_KRC, weights_K = rows.ensemble.outputs_KRC, rows.ensemble.weights_K
    log_RC = ensemble.average(outputs_KRC, weights_K, temperature=temperature)
    if term.combine == "best":
        best_RC = ensemble.best(outputs_KRC, rows.labels_R, rows.window_R, otherwise_RC=log_RC)
        log_RC = torch.where(rows.labelled_R[:, None], best_RC, log_RC)
    return log_RC if rows.null_R is None else ensemble.log_odds(log_RC, rows.null_R)
