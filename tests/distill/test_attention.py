"""Laws of the losses on attention: distances, distributions, and what is not seen."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alambique.distill.attention import (
    attention_scores,
    divergence,
    mean_over_heads,
    real_pairs,
    squared_probabilities,
    squared_scores,
)
from alambique.spec.errors import BadSpec

Distance = Callable[[Tensor, Tensor, Tensor], Tensor]
DISTANCES = [squared_scores, squared_probabilities, divergence]
DISTANCE = pytest.mark.parametrize("distance", DISTANCES)
FEW = settings(max_examples=30)
GARBAGE = st.sampled_from([-7.0, 2.0**100, float("inf"), float("nan")])
EVERY = pytest.mark.parametrize("distance", DISTANCES)


@dataclass(frozen=True)
class Scores:
    student_BHNN: Tensor
    teacher_BHNN: Tensor
    seen_BNN: Tensor

    def of(self, distance: Distance) -> Tensor:
        return distance(self.student_BHNN, self.teacher_BHNN, self.seen_BNN)

    def gradient(self, distance: Distance) -> Tensor:
        leaf_BHNN = self.student_BHNN.clone().requires_grad_()
        value = distance(leaf_BHNN, self.teacher_BHNN, self.seen_BNN).sum()
        return torch.autograd.grad(value, leaf_BHNN)[0]


@st.composite
def scores(draw: st.DrawFn) -> Scores:
    """Windows in which any pairs are seen, also none, as of real tokens or of a local reach."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    windows, heads, pieces = draw(st.tuples(*[st.integers(1, 3)] * 2, st.integers(1, 5)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    shape = (2, windows, heads, pieces, pieces)
    both = draw(st.floats(0.1, 5)) * torch.randn(shape, generator=generator, dtype=dtype)
    chance = draw(st.sampled_from([0.3, 0.7, 1.0]))
    if draw(st.booleans()):
        seen_BNN = real_pairs(torch.rand(windows, pieces, generator=generator) < chance)
    else:
        seen_BNN = torch.rand(windows, pieces, pieces, generator=generator) < chance
    return Scores(both[0], both[1], seen_BNN)


@EVERY
@FEW
@given(scores())
def test_no_distance_is_negative(distance: Distance, found: Scores) -> None:
    value_B = found.of(distance)
    assert value_B.shape == (len(found.seen_BNN),)
    assert value_B.dtype == found.student_BHNN.dtype
    assert (value_B >= -1e-6).all()


@DISTANCE
@FEW
@given(scores())
def test_the_teacher_itself_is_at_no_distance(distance: Distance, found: Scores) -> None:
    same = Scores(found.teacher_BHNN, found.teacher_BHNN, found.seen_BNN)
    assert same.of(distance).abs().max() < 1e-6
    assert same.gradient(distance).abs().max() < 1e-6


@FEW
@given(scores())
def test_a_batch_equals_its_queries_one_by_one(found: Scores) -> None:
    """The same again, query by query, over the keys that it sees alone."""
    for b, seen_NN in enumerate(found.seen_BNN):
        rows = [
            [x[b, :, query][:, seen_N] for x in (found.student_BHNN, found.teacher_BHNN)]
            for query, seen_N in enumerate(seen_NN)
            if seen_N.any()
        ]
        if not rows:
            continue
        errors = [(s - t).square().flatten() for s, t in rows]
        changes = [(s.softmax(1) - t.softmax(1)).square().flatten() for s, t in rows]
        kl = torch.nn.KLDivLoss(reduction="none", log_target=True)
        kls = [kl(s.log_softmax(1), t.log_softmax(1)).sum(1) for s, t in rows]
        expected = torch.stack([torch.cat(x).mean() for x in (errors, changes, kls)])
        got = torch.stack([found.of(distance)[b] for distance in DISTANCES])
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


@EVERY
@FEW
@given(scores(), st.integers(0, 3), GARBAGE)
def test_what_is_not_seen_takes_no_part(
    distance: Distance, found: Scores, more: int, garbage: float
) -> None:
    unseen_B1NN, ends = ~found.seen_BNN[:, None], (0, more, 0, more)
    student_BHNN = found.student_BHNN.masked_fill(unseen_B1NN, garbage)
    teacher_BHNN = found.teacher_BHNN.masked_fill(unseen_B1NN, -garbage)
    padded = Scores(
        torch.nn.functional.pad(student_BHNN, ends, value=50),
        torch.nn.functional.pad(teacher_BHNN, ends, value=20),
        torch.nn.functional.pad(found.seen_BNN, ends, value=False),
    )
    pieces = found.seen_BNN.shape[1]
    torch.testing.assert_close(padded.of(distance), found.of(distance), rtol=1e-6, atol=1e-6)
    gradient_BHNN = padded.gradient(distance)
    torch.testing.assert_close(
        gradient_BHNN[..., :pieces, :pieces], found.gradient(distance), rtol=1e-5, atol=1e-6
    )
    assert (gradient_BHNN.transpose(0, 1)[:, ~padded.seen_BNN] == 0).all()


@EVERY
@FEW
@given(scores(), st.randoms(use_true_random=False))
def test_neither_order_nor_number_of_windows_matters(
    distance: Distance, found: Scores, random: Random
) -> None:
    order = random.sample(range(len(found.seen_BNN)), random.randint(1, len(found.seen_BNN)))
    some = Scores(found.student_BHNN[order], found.teacher_BHNN[order], found.seen_BNN[order])
    torch.testing.assert_close(some.of(distance), found.of(distance)[order])


@EVERY
@FEW
@given(scores())
def test_a_window_in_which_nothing_is_seen_is_at_no_distance(
    distance: Distance, found: Scores
) -> None:
    empty = Scores(found.student_BHNN, found.teacher_BHNN, torch.zeros_like(found.seen_BNN))
    assert (empty.of(distance) == 0).all()
    assert (empty.gradient(distance) == 0).all()


@EVERY
def test_scores_that_a_model_barred_itself_make_no_nan(distance: Distance) -> None:
    """Some add -inf to what is not seen."""
    student_BHNN = torch.tensor([[[[1.0, float("-inf")], [float("-inf")] * 2]]])
    seen_BNN = torch.tensor([[[True, False], [False, False]]])
    found = Scores(student_BHNN, student_BHNN + 1, seen_BNN)
    assert found.of(distance).isfinite().all()
    assert found.gradient(distance).isfinite().all()


@pytest.mark.parametrize("distance", [squared_probabilities, divergence])
@FEW
@given(scores(), st.floats(-20, 20))
def test_a_distribution_knows_no_shift(distance: Distance, found: Scores, shift: float) -> None:
    shift_BHN1 = shift * found.student_BHNN[..., :1].sign()
    shifted = Scores(found.student_BHNN + shift_BHN1, found.teacher_BHNN, found.seen_BNN)
    torch.testing.assert_close(shifted.of(distance), found.of(distance), rtol=1e-4, atol=1e-4)


@FEW
@given(scores())
def test_squared_probabilities_are_small_in_long_windows(found: Scores) -> None:
    every = Scores(found.student_BHNN, found.teacher_BHNN, torch.ones_like(found.seen_BNN))
    assert (every.of(squared_probabilities) <= 2 / found.seen_BNN.shape[1]).all()


@FEW
@given(st.integers(0, 2**32 - 1))
def test_scores_are_those_of_the_library(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    q, k, v = torch.randn(3, 2, 3, 4, 5, generator=generator, dtype=torch.float64)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attention_scores(q, k).softmax(3) @ v, expected)


def test_pairs_are_of_two_real_tokens() -> None:
    real_BN = torch.tensor([[True, False, True]])
    seen = [[True, False, True], [False] * 3, [True, False, True]]
    assert real_pairs(real_BN).tolist() == [seen]


@EVERY
def test_head_counts_must_match_unless_averaged(distance: Distance) -> None:
    student_BHNN, teacher_BHNN = torch.zeros(2, 1, 3, 3), torch.zeros(2, 4, 3, 3)
    seen_BNN = torch.ones(2, 3, 3, dtype=torch.bool)
    with pytest.raises(BadSpec, match=r"has 1 attention heads, the teacher 4.*mean over heads"):
        distance(student_BHNN, teacher_BHNN, seen_BNN)
    value_B = distance(student_BHNN, mean_over_heads(teacher_BHNN), seen_BNN)
    assert value_B.isfinite().all()


def test_heads_are_averaged() -> None:
    scores_BHNN = torch.arange(8.0).view(1, 2, 2, 2)
    assert mean_over_heads(scores_BHNN).tolist() == [[[[2, 3], [4, 5]]]]
