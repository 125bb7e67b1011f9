"""Laws of the losses on hidden states: distances, directions, padding and empty windows."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alambique.distill.hidden import cosine, patient, squared

Distance = Callable[[Tensor, Tensor, Tensor], Tensor]
FEW = settings(max_examples=30)
GARBAGE = st.sampled_from([-7.0, 2.0**100, float("inf"), float("nan")])
EVERY = pytest.mark.parametrize("distance", [squared, cosine, patient])
DTYPES = st.sampled_from([torch.float32, torch.float64])
FIRST_ONLY = torch.tensor([[True, False, False]])


@dataclass(frozen=True)
class States:
    student_BND: Tensor
    teacher_BND: Tensor
    real_BN: Tensor

    def of(self, distance: Distance) -> Tensor:
        return distance(self.student_BND, self.teacher_BND, self.real_BN)

    def gradient(self, distance: Distance) -> Tensor:
        leaf_BND = self.student_BND.clone().requires_grad_()
        value = distance(leaf_BND, self.teacher_BND, self.real_BN).sum()
        return torch.autograd.grad(value, leaf_BND)[0]

    def tolerance(self) -> float:
        return 1e-5 if self.student_BND.dtype == torch.float32 else 1e-12


@st.composite
def states(draw: st.DrawFn) -> States:
    """Windows of any length, also of none, with padding anywhere."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    windows, pieces, width = draw(
        st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5))
    )
    dtype = draw(DTYPES)
    both = torch.randn(2, windows, pieces, width, generator=generator, dtype=dtype)
    real_BN = torch.rand(windows, pieces, generator=generator) < draw(st.sampled_from([0.5, 1.0]))
    return States(draw(st.floats(0.1, 10)) * both[0], both[1], real_BN)


@EVERY
@FEW
@given(states())
def test_no_distance_is_negative(distance: Distance, found: States) -> None:
    value_B = found.of(distance)
    assert value_B.shape == (len(found.real_BN),)
    assert value_B.dtype == found.student_BND.dtype
    assert (value_B >= -found.tolerance()).all()


@EVERY
@FEW
@given(states())
def test_the_teacher_itself_is_at_no_distance(distance: Distance, found: States) -> None:
    same = States(found.teacher_BND, found.teacher_BND, found.real_BN)
    torch.testing.assert_close(same.of(distance), torch.zeros_like(same.of(distance)))
    assert same.gradient(distance).abs().max() < 100 * found.tolerance()


@FEW
@given(states())
def test_a_batch_equals_its_windows_one_by_one(found: States) -> None:
    """The same again, window by window, of its real tokens alone."""
    for b, real_N in enumerate(found.real_BN):
        if not real_N.any():
            continue
        student_ND, teacher_ND = found.student_BND[b][real_N], found.teacher_BND[b][real_N]
        angle_N = torch.nn.functional.cosine_similarity(student_ND, teacher_ND, 1)
        expected = torch.stack(
            [
                torch.nn.functional.mse_loss(student_ND, teacher_ND),
                (1 - angle_N).mean(),
                2 - 2 * angle_N[0],
            ]
        )
        got = torch.stack([found.of(distance)[b] for distance in (squared, cosine, patient)])
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@EVERY
@FEW
@given(states(), st.integers(0, 3), GARBAGE)
def test_what_is_no_token_takes_no_part(
    distance: Distance, found: States, more: int, garbage: float
) -> None:
    padding_BN1 = ~found.real_BN[..., None]
    ends = (0, 0, 0, more)
    padded = States(
        torch.nn.functional.pad(found.student_BND.masked_fill(padding_BN1, garbage), ends, value=7),
        torch.nn.functional.pad(found.teacher_BND.masked_fill(padding_BN1, -garbage), ends),
        torch.nn.functional.pad(found.real_BN, (0, more), value=False),
    )
    pieces = found.real_BN.shape[1]
    torch.testing.assert_close(padded.of(distance), found.of(distance), rtol=1e-6, atol=1e-6)
    gradient_BND = padded.gradient(distance)
    torch.testing.assert_close(gradient_BND[:, :pieces], found.gradient(distance))
    assert (gradient_BND[~padded.real_BN] == 0).all()


@EVERY
@FEW
@given(states(), st.randoms(use_true_random=False))
def test_neither_order_nor_number_of_windows_matters(
    distance: Distance, found: States, random: Random
) -> None:
    order = random.sample(range(len(found.real_BN)), random.randint(1, len(found.real_BN)))
    some = States(found.student_BND[order], found.teacher_BND[order], found.real_BN[order])
    torch.testing.assert_close(some.of(distance), found.of(distance)[order])


@EVERY
@FEW
@given(states())
def test_a_window_without_tokens_is_at_no_distance(distance: Distance, found: States) -> None:
    empty = States(found.student_BND, found.teacher_BND, torch.zeros_like(found.real_BN))
    assert (empty.of(distance) == 0).all()
    assert (empty.gradient(distance) == 0).all()


@pytest.mark.parametrize("distance", [cosine, patient])
@FEW
@given(states(), st.floats(0.01, 100))
def test_directions_have_no_length(distance: Distance, found: States, times: float) -> None:
    longer = States(times * found.student_BND, found.teacher_BND, found.real_BN)
    torch.testing.assert_close(longer.of(distance), found.of(distance), rtol=1e-5, atol=1e-5)


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_zero_vector_has_a_finite_gradient(distance: Distance, dtype: torch.dtype) -> None:
    zero_BND, other_BND = torch.zeros(1, 3, 2, dtype=dtype), torch.ones(1, 3, 2, dtype=dtype)
    for student_BND, teacher_BND in [(zero_BND, other_BND), (other_BND, zero_BND)]:
        found = States(student_BND, teacher_BND, FIRST_ONLY)
        assert found.of(distance).item() == pytest.approx(1)
        assert found.gradient(distance).abs().max() <= 2


@pytest.mark.parametrize("distance", [cosine, patient])
def test_vectors_too_short_or_too_long_to_square_stay_finite(distance: Distance) -> None:
    for size in (1e-30, 1e-20, 1e30):
        found = States(torch.full((1, 3, 2), size), torch.ones(1, 3, 2), FIRST_ONLY)
        assert found.of(distance).isfinite().all()
        assert found.gradient(distance).isfinite().all()
