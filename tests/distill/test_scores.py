"""Losses of scores: squared errors, of gold, of one teacher and of several."""

import pytest
import torch
from torch import Tensor

from alambique.distill.ensemble import mean_score, nearest_score
from alambique.distill.objective import objective_loss
from alambique.distill.prediction_rows import PredictionRows, ensemble_rows, score_rows
from alambique.spec.objective import Gold, Logits

INF = float("inf")
GOLD_R = torch.tensor([1.0, 2.0, 0.0])
LABELLED_R = torch.tensor([True, True, False])


def rows_of(student_R1: Tensor, target_R1: Tensor | None) -> PredictionRows:
    return score_rows(
        student_R1,
        gold_R=GOLD_R,
        target_R1=target_R1,
        weight_R=torch.ones(3),
        labelled_R=LABELLED_R,
    )


@pytest.fixture
def student_R1() -> Tensor:
    return torch.tensor([[0.5], [3.0], [1.0]]).requires_grad_()


def test_gold_is_the_squared_error_where_it_is_known(student_R1: Tensor) -> None:
    value = objective_loss(rows_of(student_R1, None), [Gold()]).total
    assert value.item() == pytest.approx(0.25 + 1.0)
    (slope_R1,) = torch.autograd.grad(value, student_R1)
    assert slope_R1.flatten().tolist() == [-1.0, 2.0, 0.0]


@pytest.mark.parametrize("loss", ["kl", "ce", "mse"])
def test_a_teacher_is_followed_in_every_row_that_it_has(student_R1: Tensor, loss: str) -> None:
    target_R1 = torch.tensor([[1.5], [-INF], [2.0]])
    term = Logits.model_validate({"loss": loss, "temperature": 4.0})
    value = objective_loss(rows_of(student_R1, target_R1), [term]).total
    assert value.item() == pytest.approx(1.0 + 1.0)
    (slope_R1,) = torch.autograd.grad(value, student_R1)
    assert slope_R1.flatten().tolist() == [-2.0, 0.0, -2.0]


def test_the_mean_is_of_the_teachers_that_have_one() -> None:
    scores_KR1 = torch.tensor([[[1.0], [-INF], [-INF]], [[4.0], [3.0], [-INF]]])
    mean_R1 = mean_score(scores_KR1, torch.tensor([2.0, 1.0]))
    assert mean_R1.flatten().tolist() == [2.0, 3.0, -INF]


def test_the_nearest_is_chosen_row_by_row() -> None:
    scores_KR1 = torch.tensor([[[1.2], [-INF], [-INF]], [[4.0], [3.0], [-INF]]])
    assert nearest_score(scores_KR1, GOLD_R).flatten().tolist() == pytest.approx([1.2, 3.0, -INF])


def test_of_several_the_nearest_teaches_where_the_gold_is_known(student_R1: Tensor) -> None:
    targets = [torch.tensor([[1.0], [9.0], [2.0]]), torch.tensor([[7.0], [2.0], [4.0]])]
    rows = ensemble_rows([rows_of(student_R1, one) for one in targets], [1.0, 1.0])
    value = objective_loss(rows, [Logits(combine="best")]).total
    assert value.item() == pytest.approx(0.25 + 1.0 + 4.0)  # towards 1, 2 and the mean of 2 and 4
    mean = objective_loss(rows, [Logits()]).total
    assert mean.item() == pytest.approx(3.5**2 + 2.5**2 + 4.0)
