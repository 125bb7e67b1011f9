"""Which rows are compared: null shift, barred positions, weights."""

import torch
from torch import Tensor

from alambique.distill.losses import squared_difference
from alambique.distill.prediction_rows import PredictionRows, span_rows, tag_rows

INF = float("inf")


def window(
    *, target_B2N: Tensor | None = None, weight: float = 1.0
) -> tuple[Tensor, PredictionRows]:
    """One window: null, two pieces of a question, three of a context, padding."""
    logits_BNC = torch.tensor(
        [[[1.0, 2.0], [9, 9], [9, 9], [3, 1], [0, 5], [4, 4], [7, 7]]], requires_grad=True
    )
    rows = span_rows(
        logits_BNC,
        allowed_BN=torch.tensor([[True, False, False, True, True, True, False]]),
        gold_B2=torch.tensor([[3, 4]]),
        target_B2N=target_B2N,
        weight_B=torch.tensor([weight]),
    )
    return logits_BNC, rows


def test_a_span_has_a_row_for_its_start_and_one_for_its_end() -> None:
    _, rows = window(weight=3.0)
    assert rows.logits_RC.tolist() == [
        [0, -INF, -INF, 2, -1, 3, -INF],
        [0, -INF, -INF, -1, 3, 2, -INF],
    ]
    assert rows.labels_R.tolist() == [3, 4]
    assert rows.weight_R.tolist() == [1.5, 1.5]
    assert rows.teacher_RC is None


def test_rows_of_several_windows_keep_start_beside_end() -> None:
    logits_BNC = torch.arange(12.0).reshape(2, 3, 2)
    rows = span_rows(
        logits_BNC,
        allowed_BN=torch.ones(2, 3, dtype=torch.bool),
        gold_B2=torch.tensor([[1, 2], [0, 0]]),
        target_B2N=None,
        weight_B=torch.tensor([1.0, 0.0]),
    )
    assert rows.logits_RC.shape == (4, 3)
    assert rows.labels_R.tolist() == [1, 2, 0, 0]
    assert rows.weight_R.tolist() == [0.5, 0.5, 0, 0]


def test_mse_compares_boundary_pieces_and_not_the_null() -> None:
    start, end = [0, -INF, -INF, 5, -INF, 3, -INF], [0, -INF, -INF, -1, 3, -INF, -INF]
    logits_BNC, rows = window(target_B2N=torch.tensor([[start, end]]))
    assert rows.teacher_RC is not None
    assert rows.scored_RC.nonzero().tolist() == [[0, 3], [0, 5], [1, 3], [1, 4]]
    value_R = squared_difference(rows.logits_RC, rows.teacher_RC, rows.scored_RC)
    assert value_R.tolist() == [((2 - 5) ** 2 + 0) / 2, 0]
    (gradient_BNC,) = torch.autograd.grad(value_R.sum(), logits_BNC)
    # start of piece 3: 2 · (2 - 5) / 2, and the opposite at the null, which anchors the odds
    assert gradient_BNC[0, :, 0].tolist() == [3, 0, 0, -3, 0, 0, 0]


def test_a_target_outside_the_context_has_no_mass() -> None:
    target_B2N = torch.zeros(1, 2, 7)
    _, rows = window(target_B2N=target_B2N)
    assert rows.teacher_RC is not None
    assert rows.teacher_RC.isfinite().nonzero()[:, 1].tolist() == [0, 3, 4, 5] * 2


def test_a_tag_has_a_row_for_each_word() -> None:
    logits_BNC = torch.arange(24.0).reshape(2, 4, 3)
    rows = tag_rows(
        logits_BNC,
        batch_R=torch.tensor([0, 1, 1]),
        position_R=torch.tensor([2, 0, 3]),
        labels_R=torch.tensor([0, 1, 2]),
        target_RC=torch.tensor([[0.0, 1, 2], [-INF] * 3, [2, 1, 0]]),
        weight_R=torch.tensor([1.0, 1, 0]),
    )
    assert rows.logits_RC.tolist() == [[6, 7, 8], [12, 13, 14], [21, 22, 23]]
    assert rows.scored_RC.tolist() == [[True] * 3, [False] * 3, [True] * 3]
