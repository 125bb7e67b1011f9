"""Laws of the losses: distances, scales, columns and rows that take no part."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from alambique.distill.losses import gold, soft_cross_entropy, soft_labels, squared_difference

INF = float("inf")
TEMPERATURES = st.floats(0.5, 8)
Soft = Callable[..., Tensor]
SOFT = pytest.mark.parametrize("soft", [soft_labels, soft_cross_entropy])


@st.composite
def pairs(draw: st.DrawFn, *, scale: float = 10) -> tuple[Tensor, Tensor]:
    """Student and teacher logits (R, C), float64."""
    seed = draw(st.integers(0, 2**32 - 1))
    shape = draw(st.integers(1, 4)), draw(st.integers(2, 7))
    generator = torch.Generator().manual_seed(seed)
    size = draw(st.floats(0.1, scale))
    both = size * torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return both[0], both[1]


def gradient(value_of: Callable[[Tensor], Tensor], student_RC: Tensor) -> Tensor:
    leaf_RC = student_RC.clone().requires_grad_()
    (found,) = torch.autograd.grad(value_of(leaf_RC).sum(), leaf_RC)
    return found


def every(student_RC: Tensor) -> Tensor:
    return torch.ones_like(student_RC, dtype=torch.bool)


@given(pairs(), TEMPERATURES)
def test_no_distance_is_negative(both: tuple[Tensor, Tensor], temperature: float) -> None:
    student_RC, teacher_RC = both
    assert (soft_labels(student_RC, teacher_RC, temperature=temperature) >= -1e-12).all()
    assert (squared_difference(student_RC, teacher_RC, every(student_RC)) >= 0).all()
    assert (gold(student_RC, teacher_RC.argmax(1)) >= 0).all()


@given(pairs(), TEMPERATURES)
def test_the_teacher_itself_is_at_no_distance(
    both: tuple[Tensor, Tensor], temperature: float
) -> None:
    teacher_RC, _ = both

    def distance(student_RC: Tensor) -> Tensor:
        return soft_labels(student_RC, teacher_RC, temperature=temperature)

    assert distance(teacher_RC).abs().max() < 1e-10
    assert gradient(distance, teacher_RC).abs().max() < 1e-10
    assert squared_difference(teacher_RC, teacher_RC, every(teacher_RC)).max() == 0


@given(pairs(), TEMPERATURES)
def test_cross_entropy_is_kl_and_the_entropy_of_the_teacher(
    both: tuple[Tensor, Tensor], temperature: float
) -> None:
    student_RC, teacher_RC = both
    entropy_R = soft_cross_entropy(teacher_RC, teacher_RC, temperature=temperature)
    kl_R = soft_labels(student_RC, teacher_RC, temperature=temperature)
    ce_R = soft_cross_entropy(student_RC, teacher_RC, temperature=temperature)
    torch.testing.assert_close(ce_R, kl_R + entropy_R, rtol=1e-10, atol=1e-9)


@SOFT
@given(pairs(), TEMPERATURES)
def test_softening_multiplies_the_gradient_by_the_temperature_alone(
    soft: Soft, both: tuple[Tensor, Tensor], temperature: float
) -> None:
    """T · (q - p): of T², one T is the softened student's own derivative."""
    student_RC, teacher_RC = both
    q_RC, p_RC = (x.div(temperature).softmax(1) for x in both)
    found_RC = gradient(lambda s: soft(s, teacher_RC, temperature=temperature), student_RC)
    torch.testing.assert_close(found_RC, temperature * (q_RC - p_RC), rtol=1e-9, atol=1e-11)


@given(pairs(scale=1))
def test_a_high_temperature_compares_logits(both: tuple[Tensor, Tensor]) -> None:
    """The gradient of KL · T² tends to the difference of centred logits, over C (Hinton, §2.1)."""
    student_RC, teacher_RC = both
    found_RC = gradient(lambda s: soft_labels(s, teacher_RC, temperature=1e5), student_RC)
    difference_RC = student_RC - teacher_RC
    centred_RC = difference_RC - difference_RC.mean(1, keepdim=True)
    torch.testing.assert_close(found_RC, centred_RC / student_RC.shape[1], rtol=0, atol=1e-3)


@SOFT
@given(pairs(), TEMPERATURES, st.floats(-50, 50))
def test_shifting_all_logits_of_a_row_changes_nothing(
    soft: Soft, both: tuple[Tensor, Tensor], temperature: float, shift: float
) -> None:
    student_RC, teacher_RC = both
    value_R = soft(student_RC, teacher_RC, temperature=temperature)
    shifted_R = soft(student_RC + shift, teacher_RC - shift, temperature=temperature)
    torch.testing.assert_close(shifted_R, value_R, rtol=1e-9, atol=1e-9)


@given(pairs(), TEMPERATURES, st.data())
def test_barred_columns_are_as_if_they_were_not_there(
    both: tuple[Tensor, Tensor], temperature: float, data: st.DataObject
) -> None:
    student_RC, teacher_RC = both
    columns = student_RC.shape[1]
    barred = data.draw(st.sets(st.integers(0, columns - 1), max_size=columns - 1))
    left = [column for column in range(columns) if column not in barred]
    labels_R = torch.zeros(len(student_RC), dtype=torch.int64)
    barred_RC = torch.zeros_like(student_RC, dtype=torch.bool)
    barred_RC[:, list(barred)] = True
    masked_RC = teacher_RC.masked_fill(barred_RC, -INF)

    def losses(student_RC: Tensor, teacher_RC: Tensor, first: int) -> Tensor:
        return torch.stack(
            [
                soft_labels(student_RC, teacher_RC, temperature=temperature),
                soft_cross_entropy(student_RC, teacher_RC, temperature=temperature),
                squared_difference(student_RC, teacher_RC, teacher_RC.isfinite()),
                gold(student_RC, labels_R + first),
            ]
        )

    def whole(student_RC: Tensor) -> Tensor:
        return losses(student_RC.masked_fill(barred_RC, -INF), masked_RC, left[0])

    def short(student_RC: Tensor) -> Tensor:
        return losses(student_RC[:, left], teacher_RC[:, left], 0)

    torch.testing.assert_close(whole(student_RC), short(student_RC), rtol=1e-10, atol=1e-10)
    for found_RC in (gradient(whole, student_RC), gradient(short, student_RC)):
        assert found_RC.isfinite().all()
        assert (found_RC[:, list(barred)] == 0).all()
    torch.testing.assert_close(gradient(whole, student_RC), gradient(short, student_RC))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_rows_of_nothing_but_barred_columns_are_zero_or_finite(dtype: torch.dtype) -> None:
    """Padding rows: all of the student's or all of the teacher's columns are at -inf."""
    silent_RC = torch.full((1, 3), -INF, dtype=dtype)
    student_RC = torch.tensor([[1.0, 2.0, 3.0]], dtype=dtype)
    label_R = torch.zeros(1, dtype=torch.int64)
    for soft in (soft_labels, soft_cross_entropy):
        from_silence = partial(soft, teacher_RC=silent_RC, temperature=2.0)
        assert from_silence(student_RC).item() == 0
        assert (gradient(from_silence, student_RC) == 0).all()
        assert gradient(from_silence, silent_RC).isfinite().all()
    assert gold(silent_RC, label_R).isfinite().all()
    assert gradient(lambda s: gold(s, label_R), silent_RC).isfinite().all()
    assert squared_difference(student_RC, silent_RC, silent_RC.isfinite()).item() == 0


@pytest.mark.parametrize("soft", [soft_labels, soft_cross_entropy])
def test_large_logits_in_float32_stay_finite(soft: Soft) -> None:
    student_RC = torch.tensor([[3e4, -3e4, -INF], [-3e4, 3e4, 0.0]])
    teacher_RC = torch.tensor([[-3e4, 3e4, -INF], [3e4, -3e4, 0.0]])
    assert soft(student_RC, teacher_RC, temperature=0.5).isfinite().all()
    assert gradient(lambda s: soft(s, teacher_RC, temperature=0.5), student_RC).isfinite().all()


def test_a_label_in_a_barred_column_is_a_huge_loss_and_no_nan() -> None:
    student_RC = torch.tensor([[1.0, -INF]])
    assert gold(student_RC, torch.tensor([1])).item() > 1e30
    assert gradient(lambda s: gold(s, torch.tensor([1])), student_RC).isfinite().all()
