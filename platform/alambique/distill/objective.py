"""The loss of a student: the weighted terms of a job's objective, over the rows of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import torch
from torch import Tensor

from alambique.distill import losses
from alambique.distill.inside import Inside, Unit, compared
from alambique.distill.published import tinybert_soft_cross_entropy
from alambique.distill.rows import Rows
from alambique.spec.changing import at, highest
from alambique.spec.errors import BadSpec
from alambique.spec.objective import Attention, Gold, Hidden, Logits, Relations, Term, counts


@dataclass(frozen=True, slots=True)
class Whole:
    """How much the whole batch holds, over all processes: what the sums of terms are divided by."""

    rows: float = 1.0
    """The weight of all rows of logits."""
    windows: float = 1.0
    tokens: float = 1.0
    """Of all windows, without padding."""
    pairs: float = 1.0
    """Of tokens of one window, in each order, each with itself too."""

    def of(self, unit: Literal["rows"] | Unit) -> float:
        """How many there are."""
        return float(getattr(self, unit))


ONE = Whole()
"""Of sums that are to stay sums."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What a part of a batch adds to the means of the whole batch. Scalars."""

    total: Tensor
    """Of all terms, each by its own weight; the one with a gradient."""
    parts: dict[str, Tensor]
    """Of each term by itself, by its kind, before its own weight; without a gradient."""


def total(
    rows: Rows,
    terms: Sequence[Term],
    inside: Inside | None = None,
    *,
    whole: Whole = ONE,
    done: float = 0.0,
) -> Losses:
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
        term.kind: _mean(rows, inside, term, whole, done)
        for term in terms
        if _measurable(rows, inside, term)
    }
    weighted = [at(term.weight, done) * means[term.kind] for term in terms if counts(term)]
    return Losses(
        total=torch.stack(weighted).sum(),
        parts={kind: value.detach() for kind, value in means.items()},
    )


def _measurable(rows: Rows, inside: Inside | None, term: Term) -> bool:
    match term:
        case Gold():
            return True
        case Logits():
            there, lacking = rows.teacher_RC is not None, "outputs: fill the cache first"
        case Hidden() | Attention() | Relations():
            # of weight 0, its layers are not looked at
            there = inside is not None and counts(term)
            lacking = "layers: let the teacher answer beside the student"
        case _:
            assert_never(term)
    if counts(term) and not there:
        raise BadSpec(
            f"the objective has a term {term.kind!r} of weight {highest(term.weight):g}, which "
            f"compares with a teacher, and this batch has no teacher's {lacking}, or give that "
            "term weight 0"
        )
    return there


def _mean(rows: Rows, inside: Inside | None, term: Term, whole: Whole, done: float) -> Tensor:
    with torch.set_grad_enabled(torch.is_grad_enabled() and counts(term)):
        if isinstance(term, Gold | Logits):
            return (rows.weight_R * _by_row(rows, term, done)).sum() / whole.rows
        assert inside is not None  # it is measurable
        summed, unit = compared(term, inside)
        return summed / whole.of(unit)


def _by_row(rows: Rows, term: Gold | Logits, done: float) -> Tensor:
    if isinstance(term, Gold):
        return losses.gold(rows.logits_RC, rows.labels_R)
    assert rows.teacher_RC is not None
    return _distance(term, rows.logits_RC, rows.teacher_RC, rows.scored_RC, done)


def _distance(
    term: Logits, student_RC: Tensor, teacher_RC: Tensor, scored_RC: Tensor, done: float
) -> Tensor:
    temperature = at(term.temperature, done)
    match term.loss, term.reduction:
        case "kl", _:
            return losses.soft_labels(student_RC, teacher_RC, temperature=temperature)
        case "ce", "tinybert":
            return tinybert_soft_cross_entropy(student_RC, teacher_RC, temperature=temperature)
        case "ce", _:
            return losses.soft_cross_entropy(student_RC, teacher_RC, temperature=temperature)
        case _:
            return losses.squared_difference(student_RC, teacher_RC, scored_RC)
