"""The loss of a student: the weighted terms of a job's objective, over the rows of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor

from alambique.distill import losses
from alambique.distill.rows import Rows
from alambique.spec.errors import BadSpec
from alambique.spec.objective import Gold, Logits, Term


@dataclass(frozen=True, slots=True)
class Losses:
    """Sums over the rows of a batch, each row by its weight. Scalars."""

    total: Tensor
    """Of all terms, each by its own weight; the one with a gradient."""
    parts: dict[str, Tensor]
    """Of each term by itself, by its kind, before its own weight; without a gradient."""


def total(rows: Rows, terms: Sequence[Term]) -> Losses:
    """What a batch adds to the loss: sums, which the caller divides by the global weight.

    A term of weight 0 is measured and adds nothing; where it needs a teacher and there is none, it
    is left out.

    Raises:
        BadSpec: a term of some weight compares with a teacher, and the rows have none.
    """
    sums = {term.kind: _summed(rows, term) for term in terms if _measurable(rows, term)}
    weighted = [term.weight * sums[term.kind] for term in terms if term.weight > 0]
    return Losses(
        total=torch.stack(weighted).sum(),
        parts={kind: value.detach() for kind, value in sums.items()},
    )


def _measurable(rows: Rows, term: Term) -> bool:
    if isinstance(term, Gold) or rows.teacher_RC is not None:
        return True
    if term.weight > 0:
        raise BadSpec(
            f"the objective has a term {term.kind!r} of weight {term.weight:g}, which compares "
            "with a teacher, and this batch has no teacher's outputs: fill the cache first, or "
            "give that term weight 0"
        )
    return False


def _summed(rows: Rows, term: Term) -> Tensor:
    with torch.set_grad_enabled(torch.is_grad_enabled() and term.weight > 0):
        return (rows.weight_R * _by_row(rows, term)).sum()


def _by_row(rows: Rows, term: Term) -> Tensor:
    if isinstance(term, Gold):
        return losses.gold(rows.logits_RC, rows.labels_R)
    assert rows.teacher_RC is not None
    student_RC, teacher_RC = rows.logits_RC, rows.teacher_RC
    return _distance(term, student_RC, teacher_RC, rows.scored_RC)


def _distance(term: Logits, student_RC: Tensor, teacher_RC: Tensor, scored_RC: Tensor) -> Tensor:
    match term.loss:
        case "kl":
            return losses.soft_labels(student_RC, teacher_RC, temperature=term.temperature)
        case "ce":
            return losses.soft_cross_entropy(student_RC, teacher_RC, temperature=term.temperature)
        case "mse":
            return losses.squared_difference(student_RC, teacher_RC, scored_RC)
        case _:
            assert_never(term.loss)
