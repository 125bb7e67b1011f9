"""What teacher and student of two kinds of tokenizers compare: the words that both have pieces of.

Which words those are is found here by trying each piece with each word. Shapes: P words compared.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from alambique.distill.alignment import (
    FloatArray,
    first_pieces,
    span_record,
    span_target,
    tag_record,
    tag_target,
)
from alambique.runtime.windows import Encoder, Window
from alambique.runtime.words import words_of

LOST = ["\u00ad", "\u200b", "\u200d", "\ufe0f", "\u0301", "\u0000", "\ufffd"]
"""Words that some tokenizers drop whole, others not."""
ODD = [*LOST, "😀", "👩\u200d🚀", "e\u0301", "ñ", "ﬁ", "½", "7,50", "río", "€", "٣", "漢字"]
characters = st.sampled_from([*ODD, " ", "a", "E"]) | st.characters(exclude_categories=["Cs"])
texts = st.lists(characters, max_size=20).map("".join)
sentences = st.lists(st.sampled_from(ODD) | texts.filter(bool), max_size=12)
PAIRS = list(permutations(["wordpiece", "bytebpe", "unigram"], 2))
pairs = st.sampled_from(PAIRS)


def encoder(tokenizer: Tokenizer) -> Encoder:
    """One window holds everything."""
    return Encoder.of(tokenizer, max_length=5000, stride=0, pad_id=0)


def positions_in_text(made: Encoder, text: str) -> dict[int, list[int]]:
    """Of each word that has pieces: where those stand among all pieces of the text."""
    spans = made.tokenizer.encode(text, add_special_tokens=False).offsets
    words = words_of(text).tolist()
    found = {
        n: [at for at, (a, b) in enumerate(spans) if a < b and a < end and start < b]
        for n, (start, end) in enumerate(words)
    }
    return {n: places for n, places in found.items() if places}


def positions_of_words(made: Encoder, words: Sequence[str]) -> dict[int, list[int]]:
    """The same of words that were split before, each encoded alone."""
    found: dict[int, list[int]] = {}
    before = 0
    for n, word in enumerate(words):
        pieces = made.presplit.encode([word], is_pretokenized=True, add_special_tokens=False).ids
        if pieces:
            found[n] = list(range(before, before + len(pieces)))
        before += len(pieces)
    return found


def text_of(window: Window, made: Encoder, text: str) -> slice:
    """Where the pieces of the text stand in its window: all but one special piece behind them."""
    pieces = len(made.tokenizer.encode(text, add_special_tokens=False).ids)
    return slice(len(window) - 1 - pieces, len(window) - 1)


@given(text=texts, pair=pairs)
def test_answers_are_compared_at_the_words_of_both(
    tokenizers: dict[str, Tokenizer], pair: tuple[str, str], text: str
) -> None:
    teacher, student = (encoder(tokenizers[kind]) for kind in pair)
    theirs, ours = positions_in_text(teacher, text), positions_in_text(student, text)
    count = len(words_of(text))

    windows = teacher.question("q", text)
    logits = [np.zeros((len(window), 2), np.float32) for window in windows]
    record_W2 = span_record(windows, logits, count)
    assert set(np.flatnonzero(np.isfinite(record_W2).all(axis=1))) == set(theirs)
    assert set(np.flatnonzero(np.isnan(record_W2).all(axis=1))) == set(range(count)) - set(theirs)

    record_W2[list(theirs)] = np.array([[n, n + 0.5] for n in theirs]).reshape(-1, 2)
    (window,) = student.question("q", text)
    target_2N = span_target(record_W2, window)
    for side, boundary in ((0, 0), (1, -1)):
        expected_N = np.full(len(window), -np.inf)
        expected_M = expected_N[text_of(window, student, text)]
        for n in theirs.keys() & ours.keys():
            at = ours[n][boundary]
            expected_M[at] = np.logaddexp(expected_M[at], record_W2[n, side])
        expected_N[window.null] = 0
        np.testing.assert_allclose(target_2N[side], expected_N, rtol=1e-5)


def numbered(made: Encoder, words: Sequence[str]) -> FloatArray:
    """The record of a teacher that says of each word its number."""
    (window,) = made.words(words)
    logits_NC = np.full((len(window), 2), -1, np.float32)
    for n, places in positions_of_words(made, words).items():
        logits_NC[[1 + place for place in places]] = n
    return tag_record([window], [logits_NC], len(words))


def compared(made: Encoder, words: Sequence[str], record_WC: FloatArray) -> dict[int, float]:
    """From the position of a piece of the student, after its first, to what it should say there."""
    (window,) = made.words(words)
    words_P, positions_P = first_pieces(window)
    target_P = tag_target(record_WC, words_P)[:, 0]
    said_P = np.isfinite(target_P)
    return dict(zip((positions_P[said_P] - 1).tolist(), target_P[said_P].tolist(), strict=True))


@given(words=sentences, pair=pairs)
def test_tags_are_compared_at_the_words_of_both(
    tokenizers: dict[str, Tokenizer], pair: tuple[str, str], words: list[str]
) -> None:
    teacher, student = (encoder(tokenizers[kind]) for kind in pair)
    theirs, ours = positions_of_words(teacher, words), positions_of_words(student, words)
    expected = {ours[n][0]: float(n) for n in theirs.keys() & ours.keys()}
    assert compared(student, words, numbered(teacher, words)) == expected


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_a_word_that_one_of_them_loses_shifts_no_other(
    tokenizers: dict[str, Tokenizer], pair: tuple[str, str]
) -> None:
    """BERT's normaliser drops soft hyphens, ALBERT's drops accents, RoBERTa's drops nothing."""
    words = ["El", "\u00ad", "Ebro", "\u0301", "nace"]
    lost = {"wordpiece": {1}, "bytebpe": set(), "unigram": {3}}
    teacher, student = (encoder(tokenizers[kind]) for kind in pair)
    found = compared(student, words, numbered(teacher, words))
    assert set(found.values()) == set(range(5)) - lost[pair[0]] - lost[pair[1]]
    places = positions_of_words(student, words)
    assert found == {places[int(n)][0]: n for n in found.values()}
