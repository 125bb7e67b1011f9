"""Whole texts through a network that knows the answer, in windows and in batches."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from alambique.runtime.answering import Forward, answer, tag, window_logits
from alambique.runtime.spans import SpanSettings, best_span
from alambique.runtime.tags import word_tags
from alambique.runtime.windows import Encoder, Inputs, pad

FAMILIES = ["wordpiece", "bytebpe", "unigram"]
CONTEXT = "El río Ebro nace en Fontibre, Cantabria, y cruza Zaragoza. " * 6 + "Costó 7,50 €."


def _finder(ids: list[int], classes: int = 2) -> Forward:
    """A network whose first logit is high where the ids begin, its second where they end."""

    def forward(inputs: Inputs) -> NDArray[np.float32]:
        logits = np.zeros((*inputs.input_ids_BN.shape, classes), np.float32)
        logits[:, 0] = 1.0
        for row, found in enumerate(inputs.input_ids_BN.tolist()):
            for n in range(len(found)):
                if found[n : n + len(ids)] == ids:
                    logits[row, n, 0] = logits[row, n + len(ids) - 1, 1] = 9.0
        return logits

    return forward


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_found_in_any_window(tokenizers: dict[str, Tokenizer], family: str) -> None:
    encoder = Encoder.of(tokenizers[family], max_length=40, stride=12, pad_id=0)
    assert len(encoder.question("¿Cuánto?", CONTEXT)) > 4
    ids = encoder.tokenizer.encode("x 7,50", add_special_tokens=False).ids
    price = [n for n in ids if n not in encoder.tokenizer.encode("x", add_special_tokens=False).ids]
    span = answer("¿Cuánto?", CONTEXT, encoder, _finder(price))
    assert (span.text, CONTEXT[span.start : span.end]) == ("7,50", "7,50")
    assert span.score == 18.0
    assert span.null_score == 2.0


def test_nothing_is_answered_where_the_null_scores_higher(
    tokenizers: dict[str, Tokenizer],
) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=40, stride=12, pad_id=0)
    span = answer("q", CONTEXT, encoder, _finder([-1]), SpanSettings(null_threshold=0.0))
    assert (span.text, span.start, span.end) == ("", 0, 0)
    always = answer("q", CONTEXT, encoder, _finder([-1]), SpanSettings(null_threshold=9.0))
    assert always.text


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_a_context_without_words_has_no_answer(
    tokenizers: dict[str, Tokenizer], threshold: float | None
) -> None:
    encoder = Encoder.of(tokenizers["bytebpe"], max_length=40, stride=12, pad_id=0)
    settings = SpanSettings(null_threshold=threshold)
    assert answer("q", "  ", encoder, _finder([-1]), settings).text == ""


def test_an_answer_is_no_longer_than_the_settings_say(tokenizers: dict[str, Tokenizer]) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=400, stride=12, pad_id=0)
    (window,) = windows = encoder.question("q", "a b c d e")
    logits = np.zeros((len(window), 2), np.float32)
    first, last = np.flatnonzero(window.first_word_N >= 0)[[0, -1]]
    logits[first, 0], logits[last, 1] = 5, 5
    long = best_span(windows, [logits], "a b c d e")
    short = best_span(windows, [logits], "a b c d e", SpanSettings(max_answer_length=2))
    assert long.text == "a b c d e"
    assert short.text in {"a", "a b", "d e", "e"}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_word_is_tagged_and_a_lost_one_is_outside(
    tokenizers: dict[str, Tokenizer], family: str
) -> None:
    encoder = Encoder.of(tokenizers[family], max_length=16, stride=4, pad_id=0)
    words = ["El", "Ebro", "\u00ad", "nace", "en", "Fontibre", ",", "Cantabria", "."] * 3
    ebro = encoder.presplit.encode(["Ebro"], is_pretokenized=True, add_special_tokens=False).ids

    def forward(inputs: Inputs) -> NDArray[np.float32]:
        here_BN = inputs.input_ids_BN == ebro[0]
        return np.stack([~here_BN, here_BN], axis=-1).astype(np.float32)

    found = tag(words, encoder, forward, ["B-MISC", "B-LOC"])
    assert [word for word, _ in found] == words
    assert [tag for word, tag in found if word == "Ebro"] == ["B-LOC"] * 3
    lost = "O" if family == "wordpiece" else "B-MISC"
    assert [tag for word, tag in found if word == "\u00ad"] == [lost] * 3
    assert {tag for word, tag in found if word == "nace"} == {"B-MISC"}


def test_a_text_is_tagged_by_its_words(tokenizers: dict[str, Tokenizer]) -> None:
    encoder = Encoder.of(tokenizers["unigram"], max_length=16, stride=4, pad_id=0)
    found = tag("¿Nace en Fontibre?", encoder, _finder([-1], classes=1), ["O"])
    assert found == [("¿", "O"), ("Nace", "O"), ("en", "O"), ("Fontibre", "O"), ("?", "O")]
    assert tag("", encoder, _finder([-1], classes=1), ["O"]) == []


def test_logits_do_not_depend_on_how_windows_are_batched(tokenizers: dict[str, Tokenizer]) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=24, stride=4, pad_id=0)
    windows = encoder.question("q", CONTEXT)
    one, all_of_them = (
        window_logits(windows, encoder, _finder([7]), batch=batch) for batch in (1, len(windows))
    )
    for a_N2, b_N2, window in zip(one, all_of_them, windows, strict=True):
        assert len(a_N2) == len(window)
        np.testing.assert_array_equal(a_N2, b_N2)


def test_windows_are_padded_on_the_right(tokenizers: dict[str, Tokenizer]) -> None:
    encoder = Encoder.of(tokenizers["wordpiece"], max_length=24, stride=4, pad_id=7)
    short, long = encoder.words(["a"])[0], encoder.words(["a", "b", "c"])[0]
    inputs = pad([short, long], encoder.pad_id)
    assert inputs.input_ids_BN.shape == (2, len(long))
    assert inputs.input_ids_BN[0, len(short) :].tolist() == [7] * (len(long) - len(short))
    assert inputs.attention_BN.sum(axis=1).tolist() == [len(short), len(long)]
    assert pad([short], 7, length=24).type_ids_BN.shape == (1, 24)


def test_tags_of_no_windows_are_outside() -> None:
    assert word_tags([], [], ["B-PER"], 2) == ("O", "O")
