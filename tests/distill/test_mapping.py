"""Which layers are compared."""

from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.distill.mapping import layer_pairs
from alambique.spec.errors import BadSpec

RULES: list[Literal["uniform", "3k", "first", "last", "skip"]]
RULES = ["uniform", "3k", "first", "last", "skip"]
DEPTHS = st.integers(1, 24)


@pytest.mark.parametrize("rule", RULES)
@given(st.integers(2, 12), st.integers(0, 24))
def test_layers_of_both_ascending_and_there(
    rule: Literal["uniform", "3k", "first", "last", "skip"], layers: int, more: int
) -> None:
    of = more + (3 * layers if rule == "3k" else layers)
    found = layer_pairs(rule, layers, of)
    assert [ours for ours, _ in found] == list(range(layers - (rule == "skip")))
    theirs = [theirs for _, theirs in found]
    assert theirs == sorted(set(theirs))
    assert 0 <= theirs[0] <= theirs[-1] < of


@given(DEPTHS, DEPTHS)
def test_uniform_ends_with_the_last_and_is_evenly_spaced(layers: int, of: int) -> None:
    """Also of a student deeper than its teacher."""
    theirs = [theirs for _, theirs in layer_pairs("uniform", layers, of)]
    assert len(theirs) == layers
    assert theirs[-1] == of - 1
    steps = {after - before for before, after in pairwise(theirs)}
    assert max(steps, default=1) - min(steps, default=1) <= 1


@given(DEPTHS, st.integers(1, 6))
def test_uniform_is_tinybert_where_it_divides(layers: int, k: int) -> None:
    assert layer_pairs("uniform", layers, layers * k) == tuple(
        (i, i * k + k - 1) for i in range(layers)
    )


def test_halves_are_rounded_up_and_nothing_below_the_first() -> None:
    assert layer_pairs("uniform", 4, 6) == ((0, 1), (1, 2), (2, 4), (3, 5))
    assert layer_pairs("uniform", 5, 1) == tuple((i, 0) for i in range(5))


def test_maps_of_the_papers() -> None:
    """PKD-Skip of 12 layers for a student of 6, counted from 1; TinyBERT's, of 4."""
    assert [theirs + 1 for _, theirs in layer_pairs("skip", 6, 12)] == [2, 4, 6, 8, 10]
    assert layer_pairs("3k", 4, 12) == layer_pairs("uniform", 4, 12)
    assert layer_pairs("3k", 6, 24)[-1] == (5, 17)


@pytest.mark.parametrize(
    ("rule", "layers", "of", "sentence"),
    [
        ("3k", 6, 12, "student of 6 layers needs a teacher of at least 18, this one has 12"),
        ("first", 7, 6, "at least 7, this one has 6"),
        ("last", 7, 6, "at least 7, this one has 6"),
        ("skip", 1, 6, "has 1: give a student of at least 2"),
    ],
)
def test_a_rule_for_which_there_are_too_few_layers(
    rule: Literal["3k", "first", "last", "skip"], layers: int, of: int, sentence: str
) -> None:
    with pytest.raises(BadSpec, match=sentence):
        layer_pairs(rule, layers, of)


@given(st.sets(st.integers(0, 5), min_size=1), st.data())
def test_a_list_is_taken_as_it_is(ours: set[int], data: st.DataObject) -> None:
    listed = tuple((i, data.draw(st.integers(0, 11))) for i in sorted(ours))
    assert layer_pairs(listed, 6, 12) == listed


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ((), "no pair"),
        (((1, 0), (0, 1)), r"\[1, 0\]: give each once, in ascending"),
        (((0, 0), (0, 1)), r"\[0, 0\]: give each once"),
        (((0, 0), (2, 1)), r"\[\(2, 1\)\], and the student has layers 0 to 1, the teacher 0 to 5"),
        (((0, 6),), r"\[\(0, 6\)\]"),
        (((-1, 0),), r"\[\(-1, 0\)\]"),
        (((0, -1),), r"\[\(0, -1\)\]"),
    ],
)
def test_a_list_that_cannot_be_compared(listed: tuple[tuple[int, int], ...], sentence: str) -> None:
    with pytest.raises(BadSpec, match=sentence):
        layer_pairs(listed, 2, 6)
