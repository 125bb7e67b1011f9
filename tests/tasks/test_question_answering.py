import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alambique.distill.alignment import FloatArray
from alambique.runtime.spans import Span
from alambique.runtime.windows import Encoder, Window
from alambique.tasks.examples import Answer, Question
from alambique.tasks.question_answering import TASK
from alambique.tasks.task import SpanGold

CONTEXT = "El poeta nació en Jaén en 1931, y vivió en Baeza."
LABELS = TASK.labels([])


def _question(*answers: str, context: str = CONTEXT) -> Question:
    spans = tuple(Answer(text, context.index(text)) for text in answers)
    return Question("q1", "¿q?", context, spans)


def _span(text: str, score: float = 1.0, null_score: float = 0.0) -> Span:
    return Span(text, 0, len(text), score, 1.0, null_score)


def _text(example: Question, window: Window, gold: object) -> str:
    assert isinstance(gold, SpanGold)
    if gold.start == window.null:
        assert gold.end == window.null
        return ""
    offsets = window.offsets_N2
    return example.context[offsets[gold.start, 0] : offsets[gold.end, 1]]


@pytest.mark.parametrize(
    ("answer", "widened"),
    [("Jaén", "Jaén"), ("aén en 19", "Jaén en 1931"), ("1931,", "1931,"), (" en ", "en")],
)
def test_gold_is_the_first_answer_in_whole_words(wide: Encoder, answer: str, widened: str) -> None:
    example = _question(answer, "Baeza")
    (window,) = TASK.windows(example, wide)
    assert _text(example, window, TASK.gold(example, window, LABELS)) == widened


def test_gold_is_null_where_the_answer_is_not_whole_in_the_window(narrow: Encoder) -> None:
    example = _question("Jaén en 1931")
    windows = TASK.windows(example, narrow)
    found = [_text(example, window, TASK.gold(example, window, LABELS)) for window in windows]
    assert set(found) == {"", "Jaén en 1931"}
    for window, text in zip(windows, found, strict=True):
        low, high = window.whole
        assert (text != "") == (low <= 4 and high > 6)  # the answer is words 4 to 6


@given(st.integers(0, 48), st.integers(1, 20))
def test_a_network_that_gives_the_gold_pieces_answers_with_the_widened_span(
    narrow: Encoder, start: int, length: int
) -> None:
    text = CONTEXT[start : start + length]
    if not text.strip():
        return
    example = Question("q1", "¿q?", CONTEXT, (Answer(text, start),))
    windows = TASK.windows(example, narrow)
    logits: list[FloatArray] = []
    there = False
    for window in windows:
        gold = TASK.gold(example, window, LABELS)
        assert isinstance(gold, SpanGold)
        logits.append(np.zeros((len(window), 2), np.float32))
        logits[-1][gold.start, 0] = logits[-1][gold.end, 1] = 9
        there |= gold.start != window.null
    prediction = TASK.predict(example, windows, logits, LABELS)
    if there:
        assert text.strip() in prediction.text
        assert prediction.score == 18


def test_no_answer_is_null(wide: Encoder) -> None:
    example = _question()
    (window,) = TASK.windows(example, wide)
    assert TASK.gold(example, window, LABELS) == SpanGold(0, 0)


def test_what_a_model_sees_has_no_labels() -> None:
    assert TASK.texts(_question("Jaén")) == TASK.texts(_question("Baeza")) == ("¿q?", CONTEXT)
    assert TASK.word_count(_question()) == 13


def test_both_rules_by_name_and_a_missing_prediction_counts_nothing() -> None:
    examples = [_question("Jaén", "en Jaén"), _question("Baeza")]
    found = TASK.score(examples, [_span("¿en Jaén?"), None])
    expected = {"f1": 0.5, "em": 0.5, "squad-f1": 1 / 3, "squad-em": 0.0}
    assert found == pytest.approx(expected)


def test_a_null_score_counts_only_where_questions_may_have_no_answer() -> None:
    unsure = _span("Jaén", score=1.0, null_score=3.0)
    assert TASK.score([_question("Jaén")], [unsure])["em"] == 1
    with_none = [_question("Jaén"), _question()]
    assert TASK.score(with_none, [unsure, unsure])["em"] == 0.5
    sure = _span("Jaén", score=4.0, null_score=3.0)
    assert TASK.score(with_none, [sure, unsure])["f1"] == 1
    assert TASK.score(with_none, [sure, sure])["f1"] == 0.5


def test_the_decoder_s_settings_are_told() -> None:
    told = TASK.settings([_question("Jaén")])
    assert (told["n_best"], told["max_answer_length"]) == (20, 30)
    assert "null_threshold" not in told
    assert TASK.settings([_question("Jaén"), _question()])["null_threshold"] == 0


def test_at_a_tie_with_no_answer_the_span_wins_as_in_run_qa() -> None:
    tie = _span("Jaén", score=3.0, null_score=3.0)
    assert TASK.score([_question("Jaén"), _question()], [tie, tie])["em"] == 0.5
