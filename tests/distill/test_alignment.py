"""The laws of teacher outputs that belong to words (DESIGN, section 3)."""

import string
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor

from alambique.distill.alignment import (
    NO_MASS,
    FloatArray,
    first_pieces,
    pieces_of,
    span_record,
    span_target,
    tag_record,
    tag_target,
)
from alambique.distill.losses import soft_labels
from alambique.distill.prediction_rows import span_rows
from alambique.runtime.windows import Encoder, Window
from alambique.runtime.words import words_of
from alambique.spec.errors import BadTeacher

Record = Callable[[tuple[Window, ...], list[FloatArray], int], FloatArray]

LETTERS = string.ascii_lowercase + "áéñ1½.,-€\u00ad\u0301"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
FRAME = processors.TemplateProcessing(
    single="[CLS] $A [SEP]",
    pair="[CLS] $A [SEP] $B:1 [SEP]:1",
    special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
)


def _wordpiece(pieces: list[str]) -> Tokenizer:
    """Split at spaces alone, so that pieces cross what we call words, as in "10€"."""
    vocabulary = [*SPECIAL, *(prefix + piece for piece in pieces for prefix in ("", "##"))]
    numbers = {token: n for n, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = FRAME
    return tokenizer


def _bytes() -> Tokenizer:
    """One piece a byte: several pieces share a character, and spaces are pieces too."""
    vocabulary = {c: n for n, c in enumerate([*SPECIAL, *pre_tokenizers.ByteLevel.alphabet()])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = FRAME
    return tokenizer


CROSSING = [*LETTERS, "a-", "1€", "€1", "-a", "ab", "n.", "é,", "1€-"]
LOSING = [c for c in LETTERS if c not in "½\u00ad"]
TOKENIZERS = [_wordpiece(CROSSING), _wordpiece(LOSING), _bytes()]

encoders = st.builds(
    lambda tokenizer, length, stride: Encoder.of(
        tokenizer, max_length=length, stride=stride, pad_id=0
    ),
    st.sampled_from(TOKENIZERS),
    st.integers(16, 48),
    st.integers(0, 12),
)
contexts = st.text(st.sampled_from(LETTERS + "aab1€-   "), max_size=80)


@dataclass(frozen=True)
class Outputs:
    """A teacher's windows of a text and its logits for them."""

    windows: tuple[Window, ...]
    logits: list[FloatArray]


def _outputs(windows: tuple[Window, ...], seed: int, classes: int) -> Outputs:
    draw = np.random.default_rng(seed)
    sizes = [(len(window), classes) for window in windows]
    return Outputs(windows, [draw.normal(0, 3, size).astype(np.float32) for size in sizes])


def _record(context: str, encoder: Encoder, seed: int) -> FloatArray:
    outputs = _outputs(encoder.question("q", context), seed, 2)
    return span_record(outputs.windows, outputs.logits, len(words_of(context)))


def _lse(values: NDArray[np.floating]) -> float:
    return float(np.logaddexp.reduce(values.astype(np.float64), initial=-np.inf))


def _softmax(log_masses: FloatArray) -> NDArray[np.float64]:
    mass = np.exp(log_masses.astype(np.float64) - log_masses.max())
    result: NDArray[np.float64] = mass / mass.sum()
    return result


@given(contexts, st.sampled_from(TOKENIZERS), st.integers(0, 99))
def test_in_the_same_window_no_mass_is_lost_or_made(
    context: str, tokenizer: Tokenizer, seed: int
) -> None:
    encoder = Encoder.of(tokenizer, max_length=1000, stride=0, pad_id=0)
    outputs = _outputs(encoder.question("q", context), seed, 2)
    (window,), (logits_N2,) = outputs.windows, outputs.logits
    record_W2 = span_record(outputs.windows, outputs.logits, len(words_of(context)))
    target_2N = span_target(record_W2, window)
    odds_N2 = logits_N2 - logits_N2[window.null]
    inside = window.first_word_N >= 0
    for side in (0, 1):
        outside_null = np.delete(target_2N[side], window.null)
        assert _lse(outside_null) == pytest.approx(_lse(odds_N2[inside, side]), abs=1e-4)
        assert target_2N[side, window.null] == 0


@given(contexts, st.sampled_from(TOKENIZERS), st.integers(0, 99))
def test_in_the_same_window_each_word_keeps_its_own_mass(
    context: str, tokenizer: Tokenizer, seed: int
) -> None:
    encoder = Encoder.of(tokenizer, max_length=1000, stride=0, pad_id=0)
    outputs = _outputs(encoder.question("q", context), seed, 2)
    (window,), (logits_N2,) = outputs.windows, outputs.logits
    target_2N = span_target(
        span_record(outputs.windows, outputs.logits, len(words_of(context))), window
    )
    odds_N2 = logits_N2 - logits_N2[window.null]
    found = pieces_of(window.first_word_N, window.last_word_N)
    for word, first, last in zip(found.words_P, found.first_P, found.last_P, strict=True):
        alone = (window.first_word_N == word) & (window.last_word_N == word)
        if alone[first : last + 1].all():
            assert target_2N[0, first] == pytest.approx(_lse(odds_N2[alone, 0]), abs=1e-4)
            assert target_2N[1, last] == pytest.approx(_lse(odds_N2[alone, 1]), abs=1e-4)


@given(contexts, encoders, encoders, st.integers(0, 99))
def test_a_target_holds_the_record_of_every_whole_word_whatever_the_windows(
    context: str, teacher: Encoder, student: Encoder, seed: int
) -> None:
    record_W2 = _record(context, teacher, seed)
    for window in student.question("q", context):
        target_2N = span_target(record_W2, window)
        found = pieces_of(window.first_word_N, window.last_word_N)
        whole_P = (found.words_P >= window.whole[0]) & (found.words_P < window.whole[1])
        for side, boundary_P in enumerate((found.first_P, found.last_P)):
            expected_N = np.full(len(window), -np.inf)
            for word, position in zip(found.words_P[whole_P], boundary_P[whole_P], strict=True):
                if record_W2[word, side] > NO_MASS:
                    odds = record_W2[word, side]
                    expected_N[position] = np.logaddexp(expected_N[position], odds)
            expected_N[window.null] = 0
            np.testing.assert_allclose(target_2N[side], expected_N, atol=1e-4)


@given(contexts, encoders, st.integers(0, 99))
def test_a_record_does_not_depend_on_the_order_of_its_windows(
    context: str, teacher: Encoder, seed: int
) -> None:
    outputs, words = _outputs(teacher.question("q", context), seed, 2), len(words_of(context))
    record_W2 = span_record(outputs.windows, outputs.logits, words)
    turned = span_record(outputs.windows[::-1], outputs.logits[::-1], words)
    np.testing.assert_array_equal(record_W2, turned)


@given(contexts, encoders, st.integers(0, 99), st.floats(-50, 50))
def test_a_record_does_not_see_a_constant_added_to_one_window(
    context: str, teacher: Encoder, seed: int, constant: float
) -> None:
    outputs, words = _outputs(teacher.question("q", context), seed, 2), len(words_of(context))
    record_W2 = span_record(outputs.windows, outputs.logits, words)
    outputs.logits[0] = outputs.logits[0] + np.float32(constant)
    moved_W2 = span_record(outputs.windows, outputs.logits, words)
    np.testing.assert_allclose(record_W2, moved_W2, atol=1e-4)


@given(contexts, encoders, encoders, st.integers(0, 99), st.floats(0.5, 8))
def test_the_loss_is_zero_for_the_teacher_s_words_on_boundary_pieces(
    context: str, teacher: Encoder, student: Encoder, seed: int, temperature: float
) -> None:
    record_W2 = _record(context, teacher, seed)
    for window in student.question("q", context):
        logits_N2 = _on_boundary_pieces(record_W2, window)
        # rounding is multiplied by T², as the loss is
        allowed = 1e-5 * max(1.0, temperature**2)
        assert _loss(logits_N2, record_W2, window, temperature).abs().max() < allowed


def test_a_student_that_takes_starts_for_ends_has_a_loss() -> None:
    encoder = Encoder.of(TOKENIZERS[0], max_length=32, stride=0, pad_id=0)
    (window,) = encoder.question("q", "ab 1€ a")
    record_W2 = np.array([[2, -2], [0, NO_MASS], [NO_MASS, 1], [-1, 3]], np.float32)
    logits_N2 = _on_boundary_pieces(record_W2, window)
    assert _loss(logits_N2, record_W2, window, 1.0).abs().max() < 1e-5
    assert _loss(logits_N2[:, ::-1].copy(), record_W2, window, 1.0).min() > 0.1


def _on_boundary_pieces(record_W2: FloatArray, window: Window) -> FloatArray:
    """A student's logits (N, 2): each whole word's masses on its first and on its last piece."""
    logits_N2 = np.full((len(window), 2), -np.inf, dtype=np.float32)
    for word in range(*window.whole):
        inside_N = (window.first_word_N <= word) & (word <= window.last_word_N)
        pieces = np.flatnonzero(inside_N)
        for side, boundary in ((0, 0), (1, -1)):
            if len(pieces) and record_W2[word, side] > NO_MASS:
                place = pieces[boundary], side
                logits_N2[place] = np.logaddexp(logits_N2[place], record_W2[word, side])
    logits_N2[window.null] = 0
    # as good as no mass elsewhere; and any constant, which a softmax does not see
    shifted_N2: FloatArray = np.maximum(logits_N2, NO_MASS) + np.float32(3)
    return shifted_N2


def _loss(
    logits_N2: FloatArray, record_W2: FloatArray, window: Window, temperature: float
) -> Tensor:
    """Of the start and of the end."""
    allowed_N = window.first_word_N >= 0
    allowed_N[window.null] = True
    rows = span_rows(
        torch.from_numpy(logits_N2)[None],
        allowed_BN=torch.from_numpy(allowed_N)[None],
        gold_B2=torch.zeros(1, 2, dtype=torch.int64),
        target_B2N=torch.from_numpy(span_target(record_W2, window))[None],
        weight_B=torch.ones(1),
    )
    assert rows.teacher_RC is not None
    return soft_labels(rows.logits_RC, rows.teacher_RC, temperature=temperature)


@given(contexts.filter(str.strip), encoders, st.integers(0, 99), st.data())
def test_where_the_answer_lies_elsewhere_the_null_follows_the_teacher_s_own(
    context: str, student: Encoder, seed: int, data: st.DataObject
) -> None:
    words = len(words_of(context))
    answer = data.draw(st.integers(0, words - 1))
    record_W2 = np.random.default_rng(seed).normal(-9, 1, (words, 2)).astype(np.float32)
    record_W2[answer] = 12.0
    for window in student.question("q", context):
        found = pieces_of(window.first_word_N, window.last_word_N).words_P
        here = found[(found >= window.whole[0]) & (found < window.whole[1])]
        chance = _softmax(span_target(record_W2, window)[0])[window.null]
        assert chance == pytest.approx(1 / (1 + np.exp(_lse(record_W2[here, 0]))), rel=1e-4)
        assert (chance > 0.95) == (answer not in here)


@given(contexts, encoders, st.integers(0, 99))
def test_rows_are_empty_just_where_a_word_has_no_piece(
    context: str, teacher: Encoder, seed: int
) -> None:
    record_W2 = _record(context, teacher, seed)
    windows = teacher.question("q", context)
    present = {w for x in windows for w in pieces_of(x.first_word_N, x.last_word_N).words_P}
    for word, row in enumerate(record_W2):
        assert np.isfinite(row).all() if word in present else np.isnan(row).all()


def test_a_piece_over_two_words_starts_the_first_and_ends_the_last() -> None:
    encoder = Encoder.of(TOKENIZERS[0], max_length=16, stride=0, pad_id=0)
    (window,) = encoder.question("q", "a 1€ a")
    logits_N2 = np.zeros((len(window), 2), np.float32)
    logits_N2[window.first_word_N == 1] = [4.0, 5.0]
    record_W2 = span_record([window], [logits_N2], 4)
    np.testing.assert_array_equal(record_W2, [[0, 0], [4, NO_MASS], [NO_MASS, 5], [0, 0]])


def test_words_that_share_a_boundary_piece_are_summed() -> None:
    encoder = Encoder.of(TOKENIZERS[0], max_length=16, stride=0, pad_id=0)
    (window,) = encoder.question("q", "1€")
    record_W2 = np.log(np.array([[0.2, 0.1], [0.3, 0.4]], np.float32))
    target_2N = np.exp(span_target(record_W2, window))
    assert target_2N[:, window.first_word_N == 0] == pytest.approx(np.array([[0.5], [0.5]]))


sentences = st.lists(st.text(st.sampled_from(LETTERS), min_size=1, max_size=9), max_size=20)


@given(sentences, encoders, encoders, st.integers(0, 99))
def test_tags_are_compared_once_for_every_word_that_both_have(
    words: list[str], teacher: Encoder, student: Encoder, seed: int
) -> None:
    outputs = _outputs(teacher.words(words), seed, 3)
    record_WC = tag_record(outputs.windows, outputs.logits, len(words))
    compared = []
    for window in student.words(words):
        words_P, _ = first_pieces(window)
        target_PC = tag_target(record_WC, words_P)
        known_P = np.isfinite(target_PC).all(axis=1)
        np.testing.assert_array_equal(target_PC[known_P], record_WC[words_P[known_P]])
        assert (target_PC[~known_P] == -np.inf).all()
        compared += words_P[known_P].tolist()
    both = {n for n in range(len(words)) if _has_pieces(words, n, teacher)}
    both &= {n for n in range(len(words)) if _has_pieces(words, n, student)}
    assert sorted(compared) == sorted(both)


def _has_pieces(words: list[str], n: int, encoder: Encoder) -> bool:
    return bool(encoder.presplit.encode([words[n]], is_pretokenized=True).ids[1:-1])


@given(sentences, encoders, st.integers(0, 99))
def test_a_tag_record_is_the_logits_of_first_pieces(
    words: list[str], teacher: Encoder, seed: int
) -> None:
    outputs = _outputs(teacher.words(words), seed, 3)
    record_WC = tag_record(outputs.windows, outputs.logits, len(words))
    for window, logits_NC in zip(outputs.windows, outputs.logits, strict=True):
        words_P, positions_P = first_pieces(window)
        target_PC = tag_target(record_WC, words_P)
        np.testing.assert_array_equal(target_PC, logits_NC[positions_P])


@pytest.mark.parametrize("record", [span_record, tag_record])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_refused(record: Record, bad: float) -> None:
    encoder = Encoder.of(TOKENIZERS[0], max_length=16, stride=4, pad_id=0)
    outputs = _outputs(encoder.words(["a"]), 0, 2)
    outputs.logits[0][1, 0] = bad
    with pytest.raises(BadTeacher, match=r"1 of the teacher's 6 logits"):
        record(outputs.windows, outputs.logits, 1)
