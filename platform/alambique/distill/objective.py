"""The loss of a student: the weighted terms of a job's objective, over the rows of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import torch
from torch import Tensor

from alambique.distill import combining, losses
from alambique.distill.intermediate import LayerOutputs, Unit, compared
from alambique.distill.prediction_rows import PredictionRows
from alambique.distill.published import tinybert_soft_cross_entropy
from alambique.spec.changing import at, highest
from alambique.spec.errors import BadSpec
from alambique.spec.objective import Attention, Gold, Hidden, Logits, Relations, Term, counts


@dataclass(frozen=True, slots=True)
class LossNormalizers:
    """How much the whole batch holds, over all processes: what the sums of terms are divided by."""

    rows: float = 1.0
    """The weight of all rows of logits."""
    labelled: float = 1.0
    """Of those whose gold is known."""
    windows: float = 1.0
    tokens: float = 1.0
    """Of all windows, without padding."""
    pairs: float = 1.0
    """Of tokens of one window, in each order, each with itself too."""

    def of(self, unit: Literal["rows", "labelled"] | Unit) -> float:
        """How many there are; 1 where there are none, whose sums are 0."""
        return float(getattr(self, unit)) or 1.0


ONE = LossNormalizers()
"""Of sums that are to stay sums."""


@dataclass(frozen=True, slots=True)
class LossTerms:
    """What a part of a batch adds to the means of the whole batch. Scalars."""

    total: Tensor
    """Of all terms, each by its own weight; the one with a gradient."""
    parts: dict[str, Tensor]
    """Of each term by itself, by what it is called, before its own weight; without a gradient."""


def objective_loss(
    rows: PredictionRows,
    terms: Sequence[Term],
    inside: LayerOutputs | None = None,
    *,
    whole: LossNormalizers = ONE,
    done: float = 0.0,
) -> LossTerms:
    """What a part of a batch adds to the loss of the whole batch.

    A term of weight 0 is measured and adds nothing; where it needs a teacher and there is none, or
    compares layers, it is left out.

    Args:
        rows: of the student's logits, with what they ought to be.
        terms: of the objective.
        inside: what passed between the layers of both networks, where terms compare that.
        whole: what the sums are divided by.
        done: the part of all steps that is done, from 0 to 1, by which weights may change.

    Raises:
        BadSpec: a term of some weight compares with a teacher, and there is none.
    """
    means = {
        term.label: _mean(rows, inside, term, whole, done)
        for term in terms
        if _measurable(rows, inside, term)
    }
    weighted = [at(term.weight, done) * means[term.label] for term in terms if counts(term)]
    return LossTerms(
        total=torch.stack(weighted).sum(),
        parts={label: value.detach() for label, value in means.items()},
    )


def _measurable(rows: PredictionRows, inside: LayerOutputs | None, term: Term) -> bool:
    match term:
        case Gold():
            return True
        case Logits():
            there = rows.teacher_RC is not None or rows.several is not None
            lacking = "outputs: fill the cache first"
        case Hidden() | Attention() | Relations():
            # of weight 0, its layers are not looked at
            there = inside is not None and counts(term)
            lacking = "layers: let the teacher answer beside the student"
        case _:
            assert_never(term)
    if counts(term) and not there:
        raise BadSpec(
            f"the objective has a term {term.label!r} of weight {highest(term.weight):g}, which "
            f"compares with a teacher, and this batch has no teacher's {lacking}, or give that "
            "term weight 0"
        )
    return there


def _mean(
    rows: PredictionRows,
    inside: LayerOutputs | None,
    term: Term,
    whole: LossNormalizers,
    done: float,
) -> Tensor:
    with torch.set_grad_enabled(torch.is_grad_enabled() and counts(term)):
        match term:
            case Gold():
                weight_R = rows.weight_R * rows.labelled_R
                summed = (weight_R * losses.gold(rows.logits_RC, rows.labels_R)).sum()
                return summed / whole.of("labelled")
            case Logits():
                return (rows.weight_R * _distance(rows, term, done)).sum() / whole.of("rows")
            case _:
                assert inside is not None  # it is measurable
                summed, unit = compared(term, inside)
                return summed / whole.of(unit)


def _distance(rows: PredictionRows, term: Logits, done: float) -> Tensor:
    temperature = at(term.temperature, done)
    student_RC, teacher_RC = rows.logits_RC, rows.teacher_RC
    if teacher_RC is None:
        # a squared difference has no temperature
        teacher_RC = _combined(rows, term, 1.0 if term.loss == "mse" else temperature)
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


def _combined(rows: PredictionRows, term: Logits, temperature: float) -> Tensor:
    """What several teachers say, as one says it; without gold, which of them is best is unknown."""
    assert rows.several is not None  # it is measurable
    outputs_KRC, weights_K = rows.several.outputs_KRC, rows.several.weights_K
    log_RC = combining.average(outputs_KRC, weights_K, temperature=temperature)
    if term.combine == "best":
        best_RC = combining.best(outputs_KRC, rows.labels_R, rows.window_R, otherwise_RC=log_RC)
        log_RC = torch.where(rows.labelled_R[:, None], best_RC, log_RC)
    return log_RC if rows.null_R is None else combining.anchored(log_RC, rows.null_R)
