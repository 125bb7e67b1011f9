import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alambique.runtime.words import covered_words, words_of


@given(st.text(max_size=60))
def test_every_character_but_spaces_is_in_exactly_one_word(text: str) -> None:
    inside = [n for start, end in words_of(text) for n in range(start, end)]
    assert inside == [n for n, character in enumerate(text) if not character.isspace()]


@given(st.text(max_size=60))
def test_a_word_is_a_run_of_letters_and_digits_or_one_other_character(text: str) -> None:
    words_W2 = words_of(text)
    for start, end in words_W2:
        word = text[start:end]
        assert word.isalnum() or len(word) == 1
        # the longest such run: what touches it is of the other kind
        assert not (word.isalnum() and text[end : end + 1].isalnum())


@given(st.text(max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_covered_words_are_those_that_overlap(text: str, start: int, length: int) -> None:
    words_W2 = words_of(text)
    span = (start, start + length)
    overlapping = [n for n, (a, b) in enumerate(words_W2) if a < span[1] and b > span[0]]
    first_1, last_1 = covered_words(words_W2, np.array([span], np.int32))
    assert (first_1[0], last_1[0]) == (
        (overlapping[0], overlapping[-1]) if overlapping and length else (-1, -1)
    )


def test_a_soft_hyphen_and_an_accent_of_its_own_are_words() -> None:
    assert words_of("so\u00adlo").tolist() == [[0, 2], [2, 3], [3, 5]]
    assert words_of("e\u0301l").tolist() == [[0, 1], [1, 2], [2, 3]]
