"""Which layers a student keeps."""

from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.models.shapes import kept_layers
from alambique.spec.errors import BadSpec

RULES: list[Literal["uniform", "first", "last"]] = ["uniform", "first", "last"]


@pytest.mark.parametrize("rule", RULES)
@given(st.integers(1, 24), st.integers(0, 24))
def test_as_many_as_asked_for_ascending_and_there(
    rule: Literal["uniform", "first", "last"], layers: int, more: int
) -> None:
    found = kept_layers(rule, layers, layers + more)
    assert len(found) == len(set(found)) == layers
    assert list(found) == sorted(found)
    assert found[0] >= 0
    assert found[-1] < layers + more


@given(st.integers(1, 24), st.integers(0, 24))
def test_uniform_keeps_the_first_and_is_evenly_spaced(layers: int, more: int) -> None:
    found = kept_layers("uniform", layers, layers + more)
    assert found[0] == 0
    steps = {after - before for before, after in pairwise(found)}
    assert max(steps, default=1) - min(steps, default=1) <= 1


def test_no_more_layers_than_there_are() -> None:
    with pytest.raises(BadSpec, match="7 layers cannot be cut from a model of 6"):
        kept_layers("uniform", 7, 6)


@pytest.mark.parametrize(
    ("keep", "sentence"),
    [
        ((0,), "lists 1 layers, the student has 2"),
        ((3, 1), "ascending"),
        ((1, 1), "each once"),
        ((0, 6), r"\[6\], the model has layers 0 to 5"),
        ((-1, 2), r"\[-1\]"),
    ],
)
def test_a_list_that_cannot_be_kept(keep: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(BadSpec, match=sentence):
        kept_layers(keep, 2, 6)
