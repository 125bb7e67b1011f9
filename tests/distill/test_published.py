"""Laws of the published reductions: where they agree with ours, and where they do not."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alambique.distill import attention, hidden, published
from alambique.spec.errors import BadSpec

FEW = settings(max_examples=30)
Weighted = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Windows:
    states: tuple[Tensor, Tensor]
    """(B, N, D), of student and teacher."""
    scores: tuple[Tensor, Tensor]
    """(B, H, N, N)."""
    real_BN: Tensor


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    """Right padding; at least one token each."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    size, pieces = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    lengths_B = torch.randint(1, pieces + 1, (size, 1), generator=generator)
    states = torch.randn(2, size, pieces, 3, generator=generator, dtype=torch.float64)
    scores = torch.randn(2, size, 2, pieces, pieces, generator=generator, dtype=torch.float64)
    real_BN = torch.arange(pieces) < lengths_B
    return Windows((states[0], states[1]), (scores[0], scores[1]), real_BN)


@FEW
@given(windows())
def test_tinybert_is_ours_where_nothing_is_padding(found: Windows) -> None:
    every_BN = torch.ones_like(found.real_BN)
    torch.testing.assert_close(
        published.tinybert_hidden(*found.states), hidden.squared(*found.states, every_BN)
    )
    torch.testing.assert_close(
        published.tinybert_attention(*found.scores, every_BN),
        attention.squared_scores(*found.scores, attention.real_pairs(every_BN)),
    )


@FEW
@given(windows(), st.integers(1, 4))
def test_tinybert_counts_padding(found: Windows, more: int) -> None:
    """Where both have the same state there, the value shrinks by the share of padding."""
    pieces = found.real_BN.shape[1]
    share = pieces / (pieces + more)
    student, teacher = (torch.nn.functional.pad(x, (0, 0, 0, more), value=3) for x in found.states)
    torch.testing.assert_close(
        published.tinybert_hidden(student, teacher),
        share * published.tinybert_hidden(*found.states),
    )
    student, teacher = (torch.nn.functional.pad(x, (0, more, 0, more)) for x in found.scores)
    torch.testing.assert_close(
        published.tinybert_attention(
            student, teacher, torch.nn.functional.pad(found.real_BN, (0, more), value=False)
        ),
        share**2 * published.tinybert_attention(*found.scores, found.real_BN),
    )


@FEW
@given(windows(), st.floats(-1e30, 1e30))
def test_tinybert_sets_masked_keys_to_zero(found: Windows, garbage: float) -> None:
    """Whatever is there; and queries of padding count."""
    padding = ~found.real_BN[:, None, None]
    expected_B = published.tinybert_attention(*found.scores, found.real_BN)
    student, teacher = (x.masked_fill(padding, garbage * i) for i, x in enumerate(found.scores, 1))
    garbled_B = published.tinybert_attention(student, teacher, found.real_BN)
    torch.testing.assert_close(garbled_B, expected_B)
    zeroed = [x.masked_fill(padding, 0) for x in found.scores]
    torch.testing.assert_close((zeroed[0] - zeroed[1]).square().mean((1, 2, 3)), expected_B)


def test_tinybert_takes_very_low_scores_for_padding() -> None:
    student_BHNN, teacher_BHNN = torch.full((1, 1, 1, 1), -100.0), torch.full((1, 1, 1, 1), -99.0)
    real_BN = torch.ones(1, 1, dtype=torch.bool)
    value_B = published.tinybert_attention(student_BHNN, teacher_BHNN, real_BN)
    assert value_B.tolist() == [99.0**2]


@FEW
@given(windows(), st.floats(0.5, 8))
def test_tinybert_averages_over_classes_without_the_square(
    found: Windows, temperature: float
) -> None:
    student_RC, teacher_RC = (x.flatten(1) for x in found.states)
    p_RC = (teacher_RC / temperature).softmax(1)
    expected_R = -(p_RC * (student_RC / temperature).log_softmax(1)).mean(1)
    value_R = published.tinybert_soft_cross_entropy(student_RC, teacher_RC, temperature=temperature)
    torch.testing.assert_close(value_R, expected_R)
    barred = [
        torch.nn.functional.pad(x, (0, 2), value=-torch.inf) for x in (student_RC, teacher_RC)
    ]
    value_R = published.tinybert_soft_cross_entropy(*barred, temperature=temperature)
    torch.testing.assert_close(value_R, expected_R)


def test_a_row_without_columns_makes_no_nan() -> None:
    barred_RC = torch.full((1, 3), -torch.inf)
    value_R = published.tinybert_soft_cross_entropy(barred_RC, barred_RC, temperature=1.0)
    assert value_R.tolist() == [0]


@pytest.mark.parametrize("weighted", [published.textbrewer_squared, published.textbrewer_cosine])
@FEW
@given(windows())
def test_textbrewer_counts_each_token_of_a_batch_alike(weighted: Weighted, found: Windows) -> None:
    value_B, weight_B = weighted(*found.states, found.real_BN)
    # all real tokens as one window: a mean over them
    student, teacher = (x[found.real_BN][None] for x in found.states)
    whole_B, total_B = weighted(student, teacher, torch.ones(1, student.shape[1], dtype=torch.bool))
    assert weight_B.tolist() == found.real_BN.sum(1).tolist()
    assert weight_B.sum() == total_B.item()
    torch.testing.assert_close((weight_B * value_B).sum() / weight_B.sum(), whole_B[0])


@FEW
@given(windows())
def test_textbrewer_counts_each_pair_of_a_batch_alike(found: Windows) -> None:
    seen_BNN = attention.real_pairs(found.real_BN)
    value_B, weight_B = published.textbrewer_attention_squared(*found.scores, seen_BNN)
    student_PH, teacher_PH = (x.transpose(0, 1)[:, seen_BNN].T for x in found.scores)
    expected = (student_PH - teacher_PH).square().mean()
    torch.testing.assert_close((weight_B * value_B).sum() / weight_B.sum(), expected)


def test_head_counts_must_match() -> None:
    real_BN = torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(BadSpec, match=r"\b1\b.*\b4\b"):
        published.tinybert_attention(torch.zeros(1, 1, 2, 2), torch.zeros(1, 4, 2, 2), real_BN)
