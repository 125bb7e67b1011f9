import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from alambique.distill.alignment import pieces_of
from alambique.runtime.windows import Encoder, Window
from alambique.runtime.words import words_of

FAMILIES = ["wordpiece", "bytebpe", "unigram"]
CONTEXT = (
    "El río Ebro nace en Fontibre, Cantabria, cruza Zaragoza y llega al mar. "
    "Costó 7,50 € por 3-1; ¿quién ganó?\u00ad La plaza del Pozo Amarillo."
)
families = st.sampled_from(FAMILIES)
lengths, strides = st.integers(16, 60), st.integers(0, 20)
contexts = st.text(st.sampled_from("El río 3-1€,\u00ad¿½ñ zx\n"), max_size=120)
sentences = st.lists(st.sampled_from(["río", "\u00ad", "Echeverría", "€", "3-1", "q"]), max_size=40)


def _encoder(tokenizer: Tokenizer, length: int = 40, stride: int = 8) -> Encoder:
    return Encoder.of(tokenizer, max_length=length, stride=stride, pad_id=0)


def _words_with_pieces(windows: tuple[Window, ...]) -> set[int]:
    return {int(w) for x in windows for w in pieces_of(x.first_word_N, x.last_word_N).words_P}


@given(families, contexts, lengths, strides)
def test_every_word_with_a_piece_is_best_in_one_window(
    tokenizers: dict[str, Tokenizer], family: str, context: str, length: int, stride: int
) -> None:
    windows = _encoder(tokenizers[family], length, stride).question("¿río?", context)
    best = Counter(int(word) for window in windows for word in window.best_words_K)
    assert set(best.values()) <= {1}
    assert set(best) == _words_with_pieces(windows)
    for window in windows:
        assert len(window) <= length
        assert set(window.best_words_K) <= _words_with_pieces((window,))


@given(families, sentences, lengths, strides)
def test_no_word_of_a_long_sentence_is_lost(
    tokenizers: dict[str, Tokenizer], family: str, words: list[str], length: int, stride: int
) -> None:
    encoder = _encoder(tokenizers[family], length, stride)
    windows = encoder.words(words)
    best = Counter(int(word) for window in windows for word in window.best_words_K)
    pieces = {word: encoder.words([word])[0] for word in set(words)}
    there = {n for n, word in enumerate(words) if (pieces[word].first_word_N >= 0).any()}
    assert best == Counter(there)


@given(families, contexts, lengths, strides)
def test_whole_words_have_all_their_pieces_in_the_window(
    tokenizers: dict[str, Tokenizer], family: str, context: str, length: int, stride: int
) -> None:
    (everything,) = _encoder(tokenizers[family], 10_000).question("q", context)
    whole = pieces_of(everything.first_word_N, everything.last_word_N)
    sizes = dict(zip(whole.words_P, whole.last_P - whole.first_P, strict=True))
    for window in _encoder(tokenizers[family], length, stride).question("q", context):
        found = pieces_of(window.first_word_N, window.last_word_N)
        low, high = window.whole
        for word, first, last in zip(found.words_P, found.first_P, found.last_P, strict=True):
            assert (low <= word < high) == (last - first == sizes[word])


@settings(max_examples=50)
@given(families, contexts, lengths, st.integers(0, 4))
def test_windows_are_those_of_the_tokenizer_s_own_truncation(
    tokenizers: dict[str, Tokenizer], family: str, context: str, length: int, stride: int
) -> None:
    other = Tokenizer.from_str(tokenizers[family].to_str())
    other.enable_truncation(length, stride=stride, strategy="only_second")
    first = other.encode("q", context)
    windows = _encoder(tokenizers[family], length, stride).question("q", context)
    expected = [first, *first.overflowing]
    assert [w.input_ids_N.tolist() for w in windows] == [e.ids for e in expected]
    # of the first window only: further ones get type 1 for the context, whatever the frame says
    assert windows[0].type_ids_N.tolist() == first.type_ids


@pytest.mark.parametrize("family", FAMILIES)
def test_offsets_are_those_of_the_context_without_spaces(
    tokenizers: dict[str, Tokenizer], family: str
) -> None:
    words_W2 = words_of(CONTEXT)
    (window,) = _encoder(tokenizers[family], 1000).question("¿Qué río?", CONTEXT)
    inside = np.flatnonzero(window.first_word_N >= 0)
    assert len(inside) > 30
    for n in inside:
        start, end = window.offsets_N2[n]
        assert CONTEXT[start:end].strip() == CONTEXT[start:end] != ""
        assert words_W2[window.first_word_N[n], 0] <= start < end
        assert end <= words_W2[window.last_word_N[n], 1]
    spelt = {CONTEXT[a:b] for a, b in window.offsets_N2[inside]}
    assert {"€", "7", "río"} & spelt


@pytest.mark.parametrize("family", FAMILIES)
def test_a_question_leaves_the_context_half_of_the_window(
    tokenizers: dict[str, Tokenizer], family: str
) -> None:
    encoder = _encoder(tokenizers[family], 32, 30)
    windows = encoder.question("¿Qué río nace en Fontibre? " * 9, CONTEXT)
    assert max((w.first_word_N >= 0).sum() for w in windows) >= 15
    assert max(len(w) for w in windows) == 32
    assert _words_with_pieces(windows) == _words_with_pieces(
        _encoder(tokenizers[family], 1000).question("q", CONTEXT)
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_context_or_sentence_has_one_window(
    tokenizers: dict[str, Tokenizer], family: str
) -> None:
    for windows in (
        _encoder(tokenizers[family]).question("q", " "),
        _encoder(tokenizers[family]).words([]),
    ):
        (window,) = windows
        assert (window.first_word_N == -1).all()
        assert len(window.best_words_K) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pre_split_word_begins_as_after_a_space(
    tokenizers: dict[str, Tokenizer], family: str
) -> None:
    encoder = _encoder(tokenizers[family])
    (window,) = encoder.words(["El", "río"])
    spaced = encoder.presplit.encode("El río")
    assert window.input_ids_N.tolist() == spaced.ids


def test_a_word_has_most_context_where_it_is_farthest_from_the_edges(
    tokenizers: dict[str, Tokenizer],
) -> None:
    windows = _encoder(tokenizers["wordpiece"], 14, 6).words(["q"] * 24)
    # windows of 12 words that share 6: 0-11, 6-17, 12-23; at a tie the first
    assert [w.best_words_K.tolist() for w in windows] == [
        list(range(9)),
        list(range(9, 15)),
        list(range(15, 24)),
    ]


def test_the_fingerprint_changes_with_what_changes_windows(
    tokenizers: dict[str, Tokenizer],
) -> None:
    made = [
        _encoder(tokenizers["wordpiece"]),
        _encoder(tokenizers["bytebpe"]),
        _encoder(tokenizers["wordpiece"], length=41),
        _encoder(tokenizers["wordpiece"], stride=9),
    ]
    assert len({encoder.fingerprint for encoder in made}) == 4
    again: Encoder = pickle.loads(pickle.dumps(made[0]))
    assert again.fingerprint == made[0].fingerprint
    assert len(again.question("q", CONTEXT)) == len(made[0].question("q", CONTEXT))


texts = st.text(st.sampled_from("El río 3-1€,¿½ñ zx\n"), max_size=60)


@given(families, texts, st.none() | texts, st.integers(8, 40))
def test_texts_that_are_read_whole_are_cut_as_the_library_cuts_them(
    tokenizers: dict[str, Tokenizer], family: str, text: str, second: str | None, length: int
) -> None:
    tokenizer = tokenizers[family]
    window = _encoder(tokenizer, length).texts(text, second)
    library = Tokenizer.from_str(tokenizer.to_str())
    library.enable_truncation(length, strategy="longest_first")
    expected = library.encode(text) if second is None else library.encode(text, second)
    assert window.input_ids_N.tolist() == expected.ids
    assert window.type_ids_N.tolist() == expected.type_ids
    assert window.null == 0
    assert not window.best_words_K.size
    assert set(window.first_word_N.tolist()) == {-1}
