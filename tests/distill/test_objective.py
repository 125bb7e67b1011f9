"""The objective weighs terms and rows, and asks for a teacher only where it needs one."""

from typing import Literal

import pytest
import torch
from torch import Tensor

from alambique.distill import losses
from alambique.distill.objective import objective_loss
from alambique.distill.prediction_rows import PredictionRows, class_rows
from alambique.spec.errors import BadSpec
from alambique.spec.objective import Gold, Logits
from alambique.spec.schedules import Change

LOGITS: list[Logits] = [
    Logits(loss="kl", temperature=2.0),
    Logits(loss="ce", temperature=2.0),
    Logits(loss="mse"),
]


def rows_of(student_RC: Tensor, *, teacher: bool = True, last: float = 1.0) -> PredictionRows:
    generator = torch.Generator().manual_seed(1)
    return class_rows(
        student_RC,
        labels_R=torch.tensor([0, 1, 2, 0]),
        target_RC=torch.randn(4, 3, generator=generator) if teacher else None,
        weight_R=torch.tensor([1.0, 2.0, 0.5, last]),
    )


@pytest.fixture
def student_RC() -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(2)).requires_grad_()


def test_the_total_is_the_sum_of_weighted_terms_over_weighted_rows(student_RC: Tensor) -> None:
    rows = rows_of(student_RC)
    assert rows.teacher_RC is not None
    gold = (rows.weight_R * losses.gold(student_RC, rows.labels_R)).sum()
    kl_R = losses.soft_labels(student_RC, rows.teacher_RC, temperature=2.0)
    kl = (rows.weight_R * kl_R).sum()
    got = objective_loss(rows, [Gold(weight=0.3), Logits(temperature=2.0, weight=0.7)])
    torch.testing.assert_close(got.total, 0.3 * gold + 0.7 * kl)
    assert got.parts == {"gold": gold, "logits": kl}
    assert got.total.requires_grad
    assert not any(part.requires_grad for part in got.parts.values())


@pytest.mark.parametrize("term", [Gold(), *LOGITS])
def test_rows_of_weight_0_have_exactly_no_gradient(term: Gold | Logits) -> None:
    leaf_RC = torch.randn(4, 3, generator=torch.Generator().manual_seed(3)).requires_grad_()
    value = objective_loss(rows_of(leaf_RC, last=0.0), [term]).total
    (gradient_RC,) = torch.autograd.grad(value, leaf_RC)
    assert (gradient_RC[3] == 0).all()
    assert (gradient_RC[:3] != 0).any(1).all()


@pytest.mark.parametrize("loss", ["kl", "ce", "mse"])
def test_a_term_of_weight_0_is_measured_and_adds_nothing(student_RC: Tensor, loss: str) -> None:
    rows = rows_of(student_RC)
    measured = Logits.model_validate({"loss": loss, "weight": 0.0})
    alone = objective_loss(rows, [Gold()])
    both = objective_loss(rows, [Gold(), measured])
    assert both.total == alone.total
    assert both.parts["logits"] > 0


@pytest.mark.parametrize(
    ("done", "temperature"), [(0.0, 4.0), (0.5, 2.5), (1.0, 1.0)], ids=["start", "middle", "end"]
)
@pytest.mark.parametrize("loss", ["kl", "ce"])
def test_a_temperature_that_changes_is_that_of_its_time(
    student_RC: Tensor, loss: Literal["kl", "ce"], done: float, temperature: float
) -> None:
    rows = rows_of(student_RC)
    changing = Logits(loss=loss, temperature=Change(start=4.0, end=1.0))
    constant = Logits(loss=loss, temperature=temperature)
    got = objective_loss(rows, [changing], progress=done).total
    assert got == objective_loss(rows, [constant]).total
    assert got != objective_loss(rows, [changing], progress=0.25).total


def test_gold_alone_needs_no_teacher(student_RC: Tensor) -> None:
    got = objective_loss(rows_of(student_RC, teacher=False), [Gold(), Logits(weight=0.0)])
    assert set(got.parts) == {"gold"}


def test_a_teacher_that_is_missing_is_an_error(student_RC: Tensor) -> None:
    with pytest.raises(BadSpec, match=r"'logits' of weight 1.*no teacher's outputs"):
        objective_loss(rows_of(student_RC, teacher=False), [Logits()])


def test_a_batch_without_rows_adds_nothing_and_can_be_derived(student_RC: Tensor) -> None:
    rows = class_rows(
        student_RC[:0],
        labels_R=torch.zeros(0, dtype=torch.int64),
        target_RC=torch.zeros(0, 3),
        weight_R=torch.zeros(0),
    )
    got = objective_loss(rows, [Gold(), Logits()])
    (gradient_RC,) = torch.autograd.grad(got.total, student_RC)
    assert got.total == 0
    assert (gradient_RC == 0).all()


def test_without_gradients_the_same_numbers(student_RC: Tensor) -> None:
    rows = rows_of(student_RC)
    with torch.no_grad():
        quiet = objective_loss(rows, [Gold(), Logits()])
    assert not quiet.total.requires_grad
    assert quiet.total == objective_loss(rows, [Gold(), Logits()]).total
