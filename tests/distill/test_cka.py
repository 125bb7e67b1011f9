"""Laws of the similarity of layers, and of the map with the greatest of it."""

from collections.abc import Sequence
from itertools import combinations, combinations_with_replacement

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alambique.distill.cka import best_map, cka, cka_of_moments, cka_table, moments

FEW = settings(max_examples=30)
FLOATS = st.floats(-100, 100)


@st.composite
def states(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Of the same tokens, in two widths, float32."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    tokens, width, other = draw(st.tuples(st.integers(2, 12), st.integers(1, 6), st.integers(1, 6)))
    x_TD = torch.randn(tokens, width, generator=generator)
    return x_TD, torch.randn(tokens, other, generator=generator)


@st.composite
def tables(draw: st.DrawFn) -> Tensor:
    """Of few different values, so that sums are often equal; exact in binary."""
    layers = draw(st.integers(1, 6))
    row = st.lists(st.integers(0, 3).map(lambda n: n / 4), min_size=layers, max_size=layers)
    return torch.tensor(draw(st.lists(row, min_size=1, max_size=6)), dtype=torch.float64)


@FEW
@given(states())
def test_between_0_and_1_and_symmetric(both: tuple[Tensor, Tensor]) -> None:
    x_TD, y_TE = both
    assert 0 <= cka(x_TD, y_TE) <= 1
    assert cka(x_TD, y_TE) == pytest.approx(cka(y_TE, x_TD), abs=1e-12)
    assert cka(x_TD, x_TD) == pytest.approx(1, abs=1e-12)


@FEW
@given(states())
def test_the_same_from_the_tokens_likenesses(both: tuple[Tensor, Tensor]) -> None:
    """tr(K H L H) / √(tr(K H K H) tr(L H L H)), of the Gram matrices of tokens (§3, eq. 3)."""
    tokens = len(both[0])
    centre_TT = torch.eye(tokens, dtype=torch.float64) - 1 / tokens
    k_TT, l_TT = (centre_TT @ x.double() @ x.double().T @ centre_TT for x in both)
    expected = (k_TT * l_TT).sum() / (k_TT.norm() * l_TT.norm())
    assert cka(*both) == pytest.approx(expected.item(), abs=1e-9)


@FEW
@given(states(), st.integers(0, 12), FLOATS, st.floats(0.01, 100))
def test_the_same_from_moments_that_were_added_up(
    both: tuple[Tensor, Tensor], cut: int, shift: float, times: float
) -> None:
    """However tokens are shared out, wherever the states of a network lie."""
    x_TD, y_TE = both[0] + shift, both[1] * times
    parts = moments(x_TD[:cut], y_TE[:cut]) + moments(x_TD[cut:], y_TE[cut:])
    assert cka_of_moments(parts, x_TD.shape[1]) == pytest.approx(cka(x_TD, y_TE), abs=1e-9)


def test_moments_of_states_that_are_all_the_same() -> None:
    equal_TD = torch.tensor([[0.1, 1e6, -1e-3]]).expand(50, 3)
    other_TE = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    assert cka_of_moments(moments(equal_TD, other_TE), 3) == 0
    assert cka_of_moments(moments(equal_TD, equal_TD), 3) == 0


def test_moments_of_what_is_no_number() -> None:
    broken_TD = torch.full((5, 3), torch.nan)
    assert torch.tensor(cka_of_moments(moments(broken_TD, torch.randn(5, 2)), 3)).isnan()


@FEW
@given(states(), FLOATS, st.floats(0.01, 100))
def test_turning_scaling_and_shifting_change_nothing(
    both: tuple[Tensor, Tensor], shift: float, times: float
) -> None:
    x_TD, y_TE = (x.double() for x in both)
    turn_DD, _ = torch.linalg.qr(x_TD.T @ x_TD + torch.eye(x_TD.shape[1]))
    moved_TD = times * x_TD @ turn_DD + shift
    assert cka(moved_TD, y_TE) == pytest.approx(cka(x_TD, y_TE), abs=1e-9)


@FEW
@given(states(), FLOATS)
def test_a_constant_is_like_nothing(both: tuple[Tensor, Tensor], value: float) -> None:
    """Also where its mean cannot be written exactly."""
    x_TD, y_TE = both
    constant_TD = torch.full_like(x_TD, value, dtype=torch.float64)
    assert cka(constant_TD, y_TE) == cka(y_TE, constant_TD) == cka(constant_TD, constant_TD) == 0
    assert cka(x_TD[:1], y_TE[:1]) == 0


def test_what_is_not_a_number_is_not_alike() -> None:
    x_TD = torch.tensor([[1.0], [float("nan")], [2.0]])
    assert not cka(x_TD, torch.tensor([[1.0], [2.0], [4.0]])) >= 0


@FEW
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 4))
def test_a_table_has_each_layer_with_each(seed: int, students: int, layers: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ours = [torch.randn(7, 2, generator=generator) for _ in range(students)]
    theirs = [torch.randn(7, 3, generator=generator) for _ in range(layers)]
    expected = [[cka(x_TD, y_TE) for y_TE in theirs] for x_TD in ours]
    found = cka_table(ours, theirs)
    assert found.dtype == torch.float64
    assert found.tolist() == expected


def total(table_SL: Tensor, layers: Sequence[int]) -> float:
    return sum(table_SL[i, layer].item() for i, layer in enumerate(layers))


@given(tables())
def test_no_ascending_map_is_better_or_as_good_and_lower(table_SL: Tensor) -> None:
    students, layers = table_SL.shape
    maps = combinations if students <= layers else combinations_with_replacement
    # in lexicographic order, of which `max` keeps the first
    expected = max(maps(range(layers), students), key=lambda found: total(table_SL, found))
    assert best_map(table_SL) == expected


@FEW
@given(st.integers(1, 5), st.integers(0, 4))
def test_layers_of_the_teacher_itself_find_their_own(students: int, more: int) -> None:
    """A student cut from a teacher, every `1 + more`th layer."""
    generator = torch.Generator().manual_seed(students)
    teachers = [torch.randn(40, 3, generator=generator) for _ in range(students * (1 + more))]
    table_SL = cka_table(teachers[more :: 1 + more], teachers)
    assert best_map(table_SL) == tuple(range(more, len(teachers), 1 + more))
