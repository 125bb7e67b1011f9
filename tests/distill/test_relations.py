"""Laws of the losses on relations: distances, padding, order of tokens, widths."""

from dataclasses import dataclass, replace
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alambique.distill.attention import Pair, relation_divergence
from alambique.spec.errors import BadSpec

FEW = settings(max_examples=30)


@dataclass(frozen=True)
class States:
    student: Pair
    teacher: Pair
    real_BN: Tensor
    heads: int

    def value(self) -> Tensor:
        return relation_divergence(self.student, self.teacher, self.real_BN, heads=self.heads)

    def gradients(self) -> Pair:
        x, y = (side.clone().requires_grad_() for side in self.student)
        of_x, of_y = torch.autograd.grad(replace(self, student=(x, y)).value().sum(), (x, y))
        return of_x, of_y


@st.composite
def states(draw: st.DrawFn) -> States:
    """Windows of any length, also of none, with padding anywhere; two widths."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    windows, pieces, heads = draw(
        st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 3))
    )
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    real_BN = torch.rand(windows, pieces, generator=generator) < draw(st.sampled_from([0.5, 1.0]))

    def pair() -> Pair:
        width = heads * draw(st.integers(1, 4))
        x, y = torch.randn(2, windows, pieces, width, generator=generator, dtype=dtype)
        return x, y

    return States(pair(), pair(), real_BN, heads)


def taken(pair: Pair, index: object) -> Pair:
    return pair[0][index], pair[1][index]  # type: ignore[index]


@FEW
@given(states())
def test_the_distance_is_not_negative(found: States) -> None:
    value_B = found.value()
    assert value_B.shape == (len(found.real_BN),)
    assert value_B.dtype == found.student[0].dtype
    assert (value_B >= -1e-6).all()


@FEW
@given(states())
def test_the_teacher_itself_is_at_no_distance(found: States) -> None:
    same = replace(found, student=found.teacher)
    assert same.value().abs().max() < 1e-6
    assert all(gradient.abs().max() < 1e-6 for gradient in same.gradients())


@FEW
@given(states())
def test_a_batch_equals_its_windows_one_by_one(found: States) -> None:
    """The same again, window by window and head by head, of its real tokens alone."""
    for b, real_N in enumerate(found.real_BN):
        if not real_N.any():
            continue
        kl = torch.zeros((), dtype=found.student[0].dtype)
        for head in range(found.heads):
            student_NN, teacher_NN = (
                (x_Nr @ y_Nr.T / x_Nr.shape[1] ** 0.5).log_softmax(1)
                for pair in (found.student, found.teacher)
                for x_Nr, y_Nr in [(x[b, real_N].chunk(found.heads, 1)[head] for x in pair)]
            )
            kl += (teacher_NN.exp() * (teacher_NN - student_NN)).sum()
        expected = kl / (found.heads * real_N.sum())
        torch.testing.assert_close(found.value()[b], expected, rtol=1e-5, atol=1e-6)


@FEW
@given(states(), st.integers(0, 3), st.sampled_from([1e10, -1e30, float("inf"), float("nan")]))
def test_what_is_no_token_takes_no_part(found: States, more: int, garbage: float) -> None:
    def padded(pair: Pair) -> Pair:
        x, y = (
            torch.nn.functional.pad(
                side_BND.masked_fill(~found.real_BN[..., None], garbage), (0, 0, 0, more), value=50
            )
            for side_BND in pair
        )
        return x, y

    real_BN = torch.nn.functional.pad(found.real_BN, (0, more), value=False)
    longer = States(padded(found.student), padded(found.teacher), real_BN, found.heads)
    torch.testing.assert_close(longer.value(), found.value(), rtol=1e-6, atol=1e-6)
    for gradient_BND, expected_BND in zip(longer.gradients(), found.gradients(), strict=True):
        pieces = expected_BND.shape[1]
        torch.testing.assert_close(gradient_BND[:, :pieces], expected_BND, rtol=1e-5, atol=1e-6)
        assert (gradient_BND[~real_BN] == 0).all()


@FEW
@given(states(), st.randoms(use_true_random=False))
def test_the_order_of_tokens_does_not_matter(found: States, random: Random) -> None:
    """Nor where the padding is."""
    pieces = found.real_BN.shape[1]
    order = random.sample(range(pieces), pieces)
    index = (slice(None), order)
    mixed = States(
        taken(found.student, index),
        taken(found.teacher, index),
        found.real_BN[:, order],
        found.heads,
    )
    torch.testing.assert_close(mixed.value(), found.value(), rtol=1e-5, atol=1e-6)


@FEW
@given(states(), st.randoms(use_true_random=False))
def test_neither_order_nor_number_of_windows_matters(found: States, random: Random) -> None:
    order = random.sample(range(len(found.real_BN)), random.randint(1, len(found.real_BN)))
    some = States(
        taken(found.student, order), taken(found.teacher, order), found.real_BN[order], found.heads
    )
    torch.testing.assert_close(some.value(), found.value()[order], rtol=1e-5, atol=1e-6)


@FEW
@given(states(), st.integers(0, 1))
def test_a_window_of_one_token_or_none_is_at_no_distance(found: States, length: int) -> None:
    pieces = found.real_BN.shape[1]
    real_BN = (torch.arange(pieces) >= pieces - length).expand_as(found.real_BN)
    short = replace(found, real_BN=real_BN)
    assert (short.value() == 0).all()
    assert all((gradient == 0).all() for gradient in short.gradients())


@FEW
@given(states())
def test_relations_do_not_know_how_states_are_turned(found: States) -> None:
    """Of one relation head: an orthogonal map of X and Y together leaves X Yᵀ what it is."""
    one = replace(found, heads=1)
    x_BND, y_BND = found.student
    turn_DD, _ = torch.linalg.qr(x_BND[0].T @ y_BND[0] + torch.eye(x_BND.shape[2]).to(x_BND))
    turned = replace(one, student=(x_BND @ turn_DD, y_BND @ turn_DD))
    torch.testing.assert_close(turned.value(), one.value(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("student", "teacher", "heads", "choices"),
    [
        (312, 1024, 12, "1, 2, 4, 8"),
        (512, 1024, 24, "1, 2, .*, 512"),
        (312, 768, 16, ".*8, 12, 24"),
    ],
)
def test_relation_heads_that_do_not_divide(
    student: int, teacher: int, heads: int, choices: str
) -> None:
    ours, theirs = torch.zeros(1, 2, student), torch.zeros(1, 2, teacher)
    real_BN = torch.ones(1, 2, dtype=torch.bool)
    said = f"{heads} relation heads .* student, {student}, .* teacher, {teacher}: .* {choices}$"
    with pytest.raises(BadSpec, match=said):
        relation_divergence((ours, ours), (theirs, theirs), real_BN, heads=heads)
